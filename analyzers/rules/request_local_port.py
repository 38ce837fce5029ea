"""The port on this machine that was asked for is taken.

What you see
    Unable to listen on port 8080: Listeners failed to create with the following errors: [unable to create listener:
    Error listen tcp4 127.0.0.1:8080: bind: address already in use]
    error: unable to listen on any of the requested ports: [{8080 80}]

Why it happens
    Another program, often an earlier port-forward or kubectl proxy, listens there; or the port is below 1024 and you
    are not root.

What to do
    Choose another local port, or end the other program.

References
    - https://kubernetes.io/docs/tasks/access-application-cluster/port-forward-access-application-cluster/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from analyzers import evidence
from analyzers.client_failure import printed
from analyzers.finding import Category, Finding, Fix, Hop, Rule, Step

if TYPE_CHECKING:
    from analyzers.facts import Facts

_LISTEN = re.compile(
    r"[Uu]nable to listen on (?:any of the requested ports: \[\{?(?P<ports>\d+)|port (?P<port>\d+))"
    r"|unable to create listener: "
    r"|\blisten (?:tcp|udp)\d? \S+?:(?P<listen>\d+): bind: |Only one usage of each socket address"
)


def check(facts: Facts) -> Finding | None:
    """client-go's words for a local port that it could not open."""
    text = printed(facts)
    found = _LISTEN.search(text)
    if found is None:
        return None
    port = next(filter(None, found.groups()), "")
    denied = "permission denied" in text
    what = "may not be opened by you" if denied else "is already in use on this machine"
    if "already in use" not in text and not denied:
        what = "could not be opened on this machine"
    return Finding(
        rule=RULE.id,
        category=RULE.category,
        hop=Hop.CLIENT,
        step=RULE.step,
        summary=f"The local port {f'{port} ' if port else ''}{what}.",
        evidence=evidence.refused(facts),
        fix=(
            Fix("let the client choose a port, or name another one:", commands=("kubectl port-forward POD :80",)),
            Fix("see who has it:", commands=(f"lsof -i :{port or 'PORT'}",)),
        ),
    )


RULE = Rule(id="request-local-port", category=Category.REQUEST, step=Step.COMMAND, check=check)
