"""What is worth a word about a command as a whole: how it spent its time, and a type that it asked for in vain.

Neither is a finding. A command that was slow may have done well; and that a type is missing no answer said, the client
saw it in the answers to its discovery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzers import asked_types, pacing
from analyzers.served_types import ServedType, ServedTypes

if TYPE_CHECKING:
    from analyzers.command import Story


def of(story: Story) -> tuple[str, ...]:
    """None for most commands."""
    exchanges = [verdict.exchange for verdict in story.verdicts]
    return (*missing_types(story), *pacing.notes(exchanges))


def missing_types(story: Story) -> tuple[str, ...]:
    """A command that failed without a failed request, and a type in its command line that discovery did not show."""
    if story.cause is not None or story.info.succeeded is not False or story.info.signal:
        return ()
    wanted = asked_types.of(story.info.argv)
    served = ServedTypes.of(verdict.exchange for verdict in story.verdicts) if wanted else ServedTypes()
    if not served.count:
        return ()
    missing = [word for word in wanted if served.find(word) is None and not served.is_category(word)]
    return tuple(_missing(word, served) for word in missing)


def _missing(word: str, served: ServedTypes) -> str:
    said = f'"{word}" is none of the {served.count} types that discovery showed'
    close = served.nearest(word)
    return f"{said}; did you mean {alternatives(close)}?" if close else f"{said}."


def alternatives(types: tuple[ServedType, ...]) -> str:
    """``deployments.apps or daemonsets.apps``."""
    return " or ".join(one.full_name for one in types)
