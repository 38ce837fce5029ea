"""A health check of the API server fails.

What you see
    Error from server (InternalError): an error on the server ("[+]ping ok\\n[-]etcd failed: reason withheld …") has
    prevented the request from succeeding

Why it happens
    /readyz, /livez and /healthz run a list of checks; the failed ones begin with [-]. The reason is withheld from
    clients and stands in the API server's log.

What to do
    The name of the check says where to look: etcd and etcd-readiness are the database; poststarthook/… is a start that
    has not finished; shutdown is an API server that is being stopped; informer-sync is a cache still being filled.

References
    - https://kubernetes.io/docs/reference/using-api/health-checks/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Evidence, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_PATH = re.compile(r"/(?P<check>readyz|livez|healthz)(?:/(?P<one>[^?]*))?(?:\?|$)")
# The last line of a failed list of checks, and what the path of one check alone answers.
_SAID = re.compile(r"\b(?P<check>readyz|livez|healthz) check failed|^internal server error: (?P<one>)", re.MULTILINE)
_FAILED = re.compile(r"\[-\](?P<check>\S{1,253}) failed", re.MULTILINE)


def check(facts: Facts) -> Finding | None:
    """A 5xx of a health endpoint, from an API server."""
    text, known = answer.said(facts), facts.exchange.request.known
    if answer.code(facts) < 500 or (facts.status is not None and known) or answer.html(facts):
        return None
    path = _PATH.search(facts.exchange.request.path) if known else _SAID.search(text)
    if path is None:
        return None
    names = _FAILED.findall(text)
    place = "response body" if known else "message"
    failing = tuple(Evidence(f"[-]{name} failed", place) for name in names) or (evidence.message(facts),)
    checked = path["check"] or "livez"
    if not names and known and path["one"]:
        names = [path["one"].rstrip("/")]
    if not names and answer.foreign(facts):
        return None
    which = f": {', '.join(names)}" if names else ""
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server says of itself{f' (/{checked})' if path['check'] else ''} that it is not well{which}.",
        evidence=(evidence.answer(facts), *failing),
        fix=(
            *((Fix("look at etcd first: its members, disk and certificates", by="a cluster administrator"),)
              if any("etcd" in name for name in names) else ()),
            Fix(
                "see all checks again:",
                commands=(shlex.join(["kubectl", "get", "--raw", f"/{checked}?verbose"]),),
            ),
            Fix("read the reason in the API server's log, at: healthz check failed", by="a cluster administrator"),
        ),
    )  # fmt: skip


RULE = Rule(id="health-check-failing", category=Category.HEALTH, step=Step.PROCESSING, check=check)
