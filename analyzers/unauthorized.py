"""Which 401s are the API server's own word on the credentials it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer

if TYPE_CHECKING:
    from analyzers.facts import Facts

_KUBELET_HOP = frozenset({"log", "exec", "attach", "portforward", "proxy"})


def unauthorized(facts: Facts) -> bool:
    """A 401 by the API server's authenticators: not by a policy, something in front of it, or the kubelet behind it."""
    return (
        answer.code(facts) == 401
        and not facts.exchange.tunnel
        and not answer.from_policy(facts)
        and not answer.foreign(facts)
        and not answer.html(facts)
        and not from_kubelet(facts)
    )


def from_kubelet(facts: Facts) -> bool:
    """The API server's own 401 is a Status that says Unauthorized; the kubelet's is bare text, or one retold."""
    info = facts.request_info
    if answer.code(facts) != 401 or info is None or info.subresource not in _KUBELET_HOP:
        return False
    if facts.status is None:
        return facts.text.strip() == "Unauthorized"
    return "has asked for the client to provide credentials" in facts.status.message
