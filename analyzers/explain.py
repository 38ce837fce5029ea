"""From the passages of a file to what went wrong in each: the same rules and the same story as for live traffic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzers.command import Story
from analyzers.finding import Finding
from analyzers.readers.passage import Kind, Passage

NOTHING_FOUND = "no failure was found in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that went wrong in a file: ``findings`` has the deciding one first, and may be empty where only notes
    are left to say. ``line`` is where it stands, None in a file without lines."""

    kind: Kind
    line: int | None
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    story: Story


def explain(passages: Iterable[Passage]) -> Iterator[Item]:
    """An item for each passage that has something to tell, in the order of the file; one that says so when none has."""
    kind: Kind = "text"
    found = False
    for passage in passages:
        kind = passage.kind
        item = _item(passage)
        if item.findings or item.notes:
            found = found or bool(item.findings) or item.story.cause is not None
            yield item
    if not found:
        yield Item(kind=kind, line=None, findings=(), notes=(NOTHING_FOUND,), story=Story())


def _item(passage: Passage) -> Item:
    story = Story.of(passage.exchanges, passage.info)
    ordered = ([story.cause] if story.cause is not None else []) + list(story.others)
    cause = story.cause.exchange.id if story.cause is not None else 0
    return Item(
        kind=passage.kind,
        line=passage.lines.get(cause, passage.line),
        findings=tuple(finding for verdict in ordered for finding in verdict.findings),
        notes=(*_unknown(story), *passage.notes, *_harmless(story), *story.notes, *_repeated(passage)),
        story=story,
    )


def _unknown(story: Story) -> Iterator[str]:
    """An answer that is an error and that no rule recognises is said as it is, without a guess."""
    if story.cause is None or story.finding is not None:
        return
    exchange, facts = story.cause.exchange, story.cause.facts
    if exchange.failure is not None:
        said = exchange.failure.message
    else:
        response = exchange.response
        code = f"{response.status} {response.reason}".strip() if response is not None else ""
        said = ": ".join(filter(None, (code, facts.status.message if facts.status is not None else facts.text)))
    yield f"a failure that no rule knows: {said}"


def _harmless(story: Story) -> Iterator[str]:
    for verdict in story.verdicts:
        if verdict.failed and not verdict.raised:
            for note in verdict.notes:
                yield f"request {verdict.exchange.id}, {verdict.phrase}: {note}"


def _repeated(passage: Passage) -> Iterator[str]:
    if passage.count > 1:
        until = f", the last time in line {passage.last_line}" if passage.last_line else ""
        yield f"found {passage.count} times{until}"
