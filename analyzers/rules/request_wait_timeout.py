"""The client waited for a state that did not come about in time.

What you see
    error: timed out waiting for the condition on deployments/web
    Error: INSTALLATION FAILED: failed pre-install: timed out waiting for the condition
    error: deployment "web" exceeded its progress deadline

Why it happens
    kubectl wait, rollout status, drain and helm --wait ask again and again until something is ready, done or gone. The
    API server answered all of that; it is the workload, a hook's job, a finalizer or a controller that did not get
    there: an image that cannot be pulled, a probe that fails, no room on the nodes.

What to do
    Look at the object and its events, mend what they say, or wait longer.

References
    - https://kubernetes.io/docs/reference/kubectl/generated/kubectl_wait/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import own_words
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step
from analyzers.rules import health_leader_election, request_client_throttled

if TYPE_CHECKING:
    from analyzers.facts import Facts

_WAITED = re.compile(
    r"timed out waiting for the condition(?: on (?P<object>[a-z][\w.-]*/[\w.-]+))?|exceeded its progress deadline"
    r"|(?:INSTALLATION|UPGRADE|ROLLBACK) FAILED: (?:[\w -]+: )?context deadline exceeded|global timeout reached: "
    r"|\bresource [\w/-]+ not ready"
)
_HOOK = re.compile(
    r"failed (?P<hook>(?:pre|post)-(?:install|upgrade|rollback|delete))|(?P<delete>(?:pre|post)-delete hooks? failed)"
)
# Of a cluster that does not come up, or of a program that cannot read: other causes behind the same words.
_OTHERS = re.compile(
    r"couldn't initialize a Kubernetes cluster|error execution phase|cache(?:s)? to (?:be )?sync|sync(?:ed)? caches"
    r"|(?:mount|attach) volumes|MountVolume|the server is currently|apiserver"
)


def check(facts: Facts) -> Finding | None:
    """The words of apimachinery's wait package, where a command had been told to wait."""
    text = own_words(facts)
    found = _WAITED.search(text)
    if found is None or _OTHERS.search(text):
        return None
    if request_client_throttled.check(facts) is not None or health_leader_election.check(facts) is not None:
        return None
    hook = _HOOK.search(text)
    named = found["object"] or ""
    what = f"{named} did not get there" if named else "what it waited for did not come about"
    if hook is not None:
        what = f"the chart's {hook['hook'] or 'delete'} hook did not end"
    kind, _, name = named.partition("/")
    look = shlex.join(["kubectl", "describe", kind.partition(".")[0], name]) if named else "kubectl get pods -A"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The client's time to wait ran out: {what}.",
        evidence=evidence.own_words(facts),
        fix=(
            Fix("see what it is waiting for:", commands=(look, "kubectl get events --sort-by=.lastTimestamp")),
            Fix("wait longer (--timeout), if it only needs more time"),
        ),
    )


RULE = Rule(id="request-wait-timeout", category=Category.REQUEST, step=Step.PROCESSING, check=check)
