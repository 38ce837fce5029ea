"""What an exchange asked of the authorizer: what was refused, and what was allowed since an answer came from behind it.

An authorizer may be asked more than once for one request: an update or an apply of what is not there needs the verb
create as well, and exec over a WebSocket does from Kubernetes 1.35 on.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analyzers import answer
from analyzers.attributes import Attributes
from analyzers.refusal import asked_of_authorizer
from analyzers.rules import rbac_exec_create

if TYPE_CHECKING:
    from analyzers.decode.request_info import RequestInfo
    from analyzers.facts import Facts

_APPLY = "application/apply-patch+"


def refused(facts: Facts, *, exists: bool = False) -> tuple[Attributes, ...]:
    """What the authorizer refused, and what it would be asked next of the same request; () when it refused nothing.

    ``exists``: the object is known to be there, so that an apply of it is no create.
    """
    asked, info = asked_of_authorizer(facts), facts.request_info
    if asked is None:
        if rbac_exec_create.check(facts) is None or info is None:
            return ()
        return (replace(requested(info, facts.user), verb="create"),)
    if info is not None and info.is_resource_request and info.resource == asked.resource:
        asked = replace(asked, group=info.api_group)  # older servers leave it out
    if asked.verb == "patch" and not asked.subresource and asked.name and not exists and _applies(facts):
        return asked, replace(asked, verb="create")
    return (asked,)


def allowed(facts: Facts) -> tuple[Attributes, ...]:
    """What the authorizer let pass, as far as the answer proves it; () where it proves nothing.

    Of a request that was refused, this is what had passed before.
    """
    info, response = facts.request_info, facts.exchange.response
    if info is None or response is None or response.status == 401:
        return ()
    if answer.foreign(facts) or answer.html(facts):
        return ()
    asked = requested(info, facts.user)
    denied = refused(facts, exists=True)
    if denied:
        return (asked,) if denied[0].verb != asked.verb and asked.verb in ("patch", "update") else ()
    if response.status == 201 and asked.verb in ("patch", "update") and not asked.subresource:
        return asked, replace(asked, verb="create")
    return (asked,)


def requested(info: RequestInfo, user: str) -> Attributes:
    """The question that the API server puts to the authorizer first."""
    if not info.is_resource_request:
        return Attributes(user=user, verb=info.verb, path=info.path)
    return Attributes(
        user=user,
        verb=info.verb,
        group=info.api_group,
        resource=info.resource,
        subresource=info.subresource,
        name=info.name,
        namespace=info.namespace,
    )


def _applies(facts: Facts) -> bool:
    return facts.exchange.request.headers.get("Content-Type").lower().startswith(_APPLY)
