"""The pod has no such container, or not in the state that the request needs.

What you see
    Error from server (BadRequest): container "web" in pod "web-1" is waiting to start: ContainerCreating
    Error from server (BadRequest): previous terminated container "web" in pod "web-1" not found
    error: a container name must be specified for pod web-1, choose one of: [web sidecar]
    Error from server (BadRequest): pod web-1 does not have a host assigned

Why it happens
    Logs, exec, attach and port-forward are about one running container. The pod has several and none was named, it has
    none of that name, it has not been given to a node yet, or its container has not started, or was never restarted.
    The API server and the kubelet are fine. See request-exec-target for a container that has ended.

What to do
    Name a container of the pod with -c, or see in the pod's events what it waits for.

References
    - https://kubernetes.io/docs/tasks/debug/debug-application/debug-pods/
    - https://kubernetes.io/docs/tasks/debug/debug-application/debug-running-pod/
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_WHICH = re.compile(
    r"a container name must be specified for pod (?P<pod>[^\s,]+)(?:, choose one of: \[?(?P<choices>[^\]]*)\]?)?"
)
_UNKNOWN = re.compile(r"container (?P<container>[^\s\"]+) is not valid for pod (?P<pod>\S+)")
_UNSCHEDULED = re.compile(r"pod (?P<pod>\S+) does not have a host assigned")
_STATE = re.compile(
    r'container "(?P<container>[^"]*)" in pod "(?P<pod>[^"]*)" (?:is (?P<state>waiting to start|terminated'
    r"|not available)(?:: (?P<why>[^\n]*))?)"
)
_PREVIOUS = re.compile(r'previous terminated container "(?P<container>[^"]*)" in pod "(?P<pod>[^"]*)" not found')
_WAITS = {
    "pull": "its image cannot be pulled; the events name the image and the reason:",
    "Config": "a ConfigMap, Secret or key that it needs is missing; the events name it:",
    "": "wait until it runs; the events say what it waits for:",
}


def check(facts: Facts) -> Finding | None:
    """The API server's words about the pod's containers, and the kubelet's, which the API server passes on."""
    if not answer.failed(facts) or answer.from_policy(facts):
        return None
    at_client = answer.code(facts) == 0
    found = _reading(facts, answer.told(facts))
    if found is None:
        return None
    summary, fixes, hop = found
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT if at_client and hop is Hop.API_SERVER else hop,
        step=Step.PROCESSING if hop is Hop.KUBELET else RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=fixes,
    )


def _reading(facts: Facts, text: str) -> tuple[str, tuple[Fix, ...], Hop] | None:
    if found := _WHICH.search(text):
        choices = ", ".join((found["choices"] or "").split())
        fix = Fix(f"add -c with one of: {choices}")
        if not choices:
            fix = Fix("add -c with one of its containers:", commands=(_names(facts, found["pod"]),))
        return f"Pod {found['pod']} has several containers, and the request names none.", (fix,), Hop.API_SERVER
    if found := _UNKNOWN.search(text):
        fix = Fix("name one of the pod's containers with -c:", commands=(_names(facts, found["pod"]),))
        return f"Pod {found['pod']} has no container {found['container']}.", (fix,), Hop.API_SERVER
    if found := _UNSCHEDULED.search(text):
        fix = Fix("see in its events why no node takes it:", commands=(_describe(facts, found["pod"]),))
        return f"Pod {found['pod']} has not been given to a node yet, so nothing runs.", (fix,), Hop.API_SERVER
    if found := _PREVIOUS.search(text):
        return (
            f"Container {found['container']} of pod {found['pod']} has not been restarted, or its old log is gone.",
            (
                Fix("leave out --previous (-p) to read the log of the container as it is now"),
                Fix("see how often it was restarted, and when:", commands=(_describe(facts, found["pod"]),)),
            ),
            Hop.KUBELET,
        )
    if found := _STATE.search(text):
        why = (found["why"] or "").strip()
        state = {"waiting to start": "has not started"}.get(found["state"], f"is {found['state']}")
        waits = next(words for part, words in _WAITS.items() if part in why)
        return (
            f"Container {found['container']} of pod {found['pod']} {state}{f': {why}' if why else ''}.",
            (Fix(waits, commands=(_describe(facts, found["pod"]),)),),
            Hop.KUBELET,
        )
    return None


def _names(facts: Facts, pod: str) -> str:
    names = "jsonpath={.spec.containers[*].name}"
    return shlex.join(["kubectl", "get", "pod", pod, *answer.scope(facts).split(), "-o", names])


def _describe(facts: Facts, pod: str) -> str:
    return shlex.join(["kubectl", "describe", "pod", pod, *answer.scope(facts).split()])


RULE = Rule(id="request-container", category=Category.REQUEST, step=Step.REQUEST, check=check)
