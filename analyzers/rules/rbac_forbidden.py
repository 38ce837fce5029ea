"""The API server refused the request with 403, and its words were not shown, or not as it said them.

What you see
    Error from server (Forbidden): unknown
    io.kubernetes.client.ApiException: Forbidden
    403 Client Error: Forbidden for url: https://10.96.0.1:443/apis/apps/v1/deployments

Why it happens
    Clients of other languages, and kubectl while it discovers what there is, print the code of a refusal without its
    message; chats and loggers lose its quotation marks. Nearly always the authorizer refused: the user, or nobody at
    all (system:anonymous), lacks a permission.

What to do
    See as whom the API server knows you, ask it whether you may, and have the client show the message.

References
    - https://kubernetes.io/docs/reference/access-authn-authz/authorization/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.refusal import asked_of_authorizer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_WORDLESS = re.compile(
    r"^\s*(?:Forbidden|unknown|403|the server does not allow access to the requested resource"
    r"|Forbidden: \"/[^\"]*\"(?:, Reason: .*)?)\s*"
    r"(?:\((?:get|post|put|patch|delete)\b[^)]*\)\s*)?$",
    re.DOTALL,
)
# The authorizer's sentence, with its quotation marks lost or its end cut off.
_DAMAGED = re.compile(r"is forbidden: User \S.{0,300}? cannot [\w:*\"\\-]+ ", re.DOTALL)


def check(facts: Facts) -> Finding | None:
    """A 403 in nobody's words, or in damaged ones, where the headers of the answer are not known."""
    response = facts.exchange.response
    if response is None or response.headers or answer.code(facts) != 403:
        return None
    damaged = _DAMAGED.search(answer.said(facts)) and asked_of_authorizer(facts) is None
    if answer.from_policy(facts) or not (damaged or _WORDLESS.match(answer.said(facts))):
        return None
    info = facts.request_info
    about = f" to {info.phrase}" if info is not None else ""
    asked = ["kubectl", "auth", "can-i", "VERB", "RESOURCE"]
    if info is not None and info.is_resource_request:
        asked = ["kubectl", "auth", "can-i", info.verb, answer.typed(facts), *answer.scope(facts).split()]
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.API_SERVER,
        step=RULE.step,
        summary=f"The API server refused the user{about}"
        + ("; its message was damaged on the way." if damaged else ", and the client did not show why."),
        evidence=evidence.refused(facts),
        fix=(
            Fix("see as whom the API server knows you, and whether you may:",
                commands=("kubectl auth whoami", shlex.join(asked))),
            Fix("have the message shown:", commands=("mitmkube run -- COMMAND",)),
        ),
    )  # fmt: skip


RULE = Rule(id="rbac-forbidden", category=Category.RBAC, step=Step.AUTHORIZATION, check=check)
