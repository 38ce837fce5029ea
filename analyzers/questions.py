"""What would complete a story, as GETs: the object as it is now, the names behind the UIDs of a 429, a full quota.

Pure: whether anything is asked, and how, is for ``run --ask`` to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analyzers import sightings
from analyzers.answer import name as named

if TYPE_CHECKING:
    from analyzers.command import Story, Verdict

MOST = 3
"""So many at most: a story is not worth more."""

_ABOUT_AN_OBJECT = frozenset({
    "conflict-apply", "conflict-exists", "conflict-other", "conflict-precondition", "conflict-stale",
})  # fmt: skip
_FLOW_CONTROL = "/apis/flowcontrol.apiserver.k8s.io/v1"
# Their content is nobody's business, and a GET cannot leave it out.
_SECRET = frozenset({"secrets"})


def questions(story: Story) -> tuple[str, ...]:
    """Paths to GET from the server that the deciding request went to; none where nothing is left open."""
    cause = story.cause
    if cause is None or story.finding is None or cause.facts.request_info is None:
        return ()
    return tuple(dict.fromkeys(_questions(story, cause, story.finding.rule)))[:MOST]


def _questions(story: Story, cause: Verdict, rule: str) -> Iterator[str]:
    info, prefix = cause.facts.request_info, cause.exchange.path_prefix
    assert info is not None
    if rule in _ABOUT_AN_OBJECT and info.resource not in _SECRET:
        if not _seen_since(story, cause) and (path := _object_path(cause)):
            yield path
    elif rule == "conflict-namespace-terminating" and info.namespace:
        yield f"{prefix}/api/v1/namespaces/{info.namespace}"
    elif rule == "request-quota" and info.namespace:
        yield f"{prefix}/api/v1/namespaces/{info.namespace}/resourcequotas"
    elif rule == "health-throttled" and cause.facts.flow_control is not None:
        # They name their priority levels too: one request is enough where there are too many already.
        yield f"{prefix}{_FLOW_CONTROL}/flowschemas"


def _seen_since(story: Story, cause: Verdict) -> bool:
    """Whether a later request of the command itself showed the object."""
    wanted = sightings.Identity.of(cause)
    later = [verdict for verdict in story.verdicts if verdict.exchange.id > cause.exchange.id]
    return wanted is not None and any(one.managers for one in sightings.sightings(wanted, later))


def _object_path(cause: Verdict) -> str:
    """The object's own path: without a subresource, and with the name where that stood in the body alone."""
    info, path = cause.facts.request_info, cause.exchange.request.path.partition("?")[0].rstrip("/")
    called = named(cause.facts)
    if info is None or not called:
        return ""
    if not info.name:
        return f"{path}/{called}"
    return path.removesuffix(f"/{info.subresource}") if info.subresource else path
