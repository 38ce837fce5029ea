"""The last look at what is told of a story: a secret of the session may stand nowhere in it, a name everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzers import redact
from analyzers.redact import SEEN, guard

if TYPE_CHECKING:
    from analyzers.command import Story


def text(written: str, story: Story) -> str:
    """``written`` without the lines in which a secret stands."""
    _know_names(story)
    return guard.text(written)


def document(value: Any, story: Story) -> Any:
    """``value``, which JSON can hold, without the strings in which a secret stands."""
    _know_names(story)
    return guard.document(value)


def _know_names(story: Story) -> None:
    for name in (story.info.context, story.info.cluster, story.info.user, story.info.namespace, story.info.server):
        SEEN.add_name(name)
    for verdict in story.verdicts:
        redact.know_names(verdict.exchange)
