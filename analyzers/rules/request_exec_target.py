"""exec, attach or port-forward reached the node, and the container or the command was not there.

What you see
    error: unable to upgrade connection: container not found ("web")
    error: Internal error occurred: error executing command in container: … exec: "bash": executable file
    not found in $PATH
    cannot exec into a container in a completed pod; current phase is Succeeded

Why it happens
    The container has ended, restarts or is named otherwise; the pod is done; or the image does not hold the command:
    many have no bash, some no shell at all.

What to do
    See the pod's containers and their state; try sh, or kubectl debug for an image without a shell.

References
    - https://kubernetes.io/docs/tasks/debug/debug-application/debug-running-pod/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import answer, evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_STARTED = re.compile(
    r"exec(?: failed)?: (?:unable to start container process: )?(?:exec: )?\\?\"(?P<command>[^\"\\\n]+)\\?\": "
    r"(?P<why>executable file not found in \$PATH|(?:stat [^\n:]*: )?no such file or directory|permission denied)"
)
# On this machine, and not in the container.
_PLUGIN = re.compile(r"getting (?:credentials|token)|Unable to connect to the server|kubeconfig")
_CONTAINER = re.compile(
    r"container not found \(\\?\"(?P<container>[^\"\\\n]*)"
    r"|cannot exec in a (?:stopped|deleted) (?:state|container)|container \S+ (?:is )?not (?:running|created)"
)
_POD = re.compile(
    r"cannot exec into a container in a completed pod|(?:^|: )pod does not exist"
    r"|pod \S+ is not running|current phase is (?:Succeeded|Failed)|current status=(?:Pending|Failed|Succeeded)"
    r"|unable to forward port because pod is not running"
)
_STREAMS = re.compile(r"you must specify at least 1 of stdin, stdout, stderr")


def check(facts: Facts) -> Finding | None:
    """The words of the kubelet and of container runtimes, as an answer or as kubectl prints them."""
    text = printed(facts) or (answer.said(facts) if answer.code(facts) >= 400 else "")
    if not text or answer.from_policy(facts) or _PLUGIN.search(text):
        return None
    command, container = _STARTED.search(text), _CONTAINER.search(text)
    if command is not None:
        why = "is not in the image" if "denied" not in command["why"] else "may not be executed there"
        program = re.split(r"[ =]", command["command"], maxsplit=1)[0]  # a password may stand behind it
        summary = f"The command {program} {why}."
        fix = Fix(
            "try another one; for an image without any shell:", commands=("kubectl debug -it POD --image=busybox",)
        )
    elif container is not None:
        name = container["container"] or ""
        summary = f"The container{f' {name}' if name else ''} does not run at this moment."
        fix = Fix("see the pod's containers, and why this one does not run:", commands=("kubectl describe pod POD",))
    elif _POD.search(text):
        summary = "The pod does not run, so there is nothing to connect to."
        fix = Fix("see why:", commands=("kubectl describe pod POD",))
    elif _STREAMS.search(text):
        summary = "The request asked for none of the container's streams."
        fix = Fix("ask for stdout, stderr or stdin in the query; kubectl does so by itself")
    else:
        return None
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.KUBELET,
        step=RULE.step,
        summary=summary,
        evidence=evidence.refused(facts),
        fix=(fix,),
    )


RULE = Rule(id="request-exec-target", category=Category.REQUEST, step=Step.PROCESSING, check=check)
