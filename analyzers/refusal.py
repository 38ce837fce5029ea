"""Whether an authorizer refused, and what it had been asked: the one door to every rule about permissions.

Many other things answer 403 (admission, policies, gateways); only the authorizer says ``User "…" cannot …``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import answer
from analyzers.attributes import Attributes

if TYPE_CHECKING:
    from analyzers.facts import Facts


def asked_of_authorizer(facts: Facts) -> Attributes | None:
    """The authorizer's question behind a 403, with the object's name; None for any other answer."""
    if answer.code(facts) != 403 or answer.from_policy(facts):
        return None
    info, status = facts.request_info, facts.status
    name = info.name if info is not None and info.is_resource_request else ""
    name = name or (status.name if status is not None else "")
    if not name and not facts.exchange.request.known and (about := answer.subject(facts)) is not None:
        name = about.name
    return Attributes.of_refusal(answer.said(facts), name)
