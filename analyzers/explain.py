"""From the passages of a file to what went wrong in each: the same rules and the same story as for live traffic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from analyzers import redact
from analyzers.command import Story
from analyzers.exchange import Exchange, Response
from analyzers.facts import Facts
from analyzers.finding import Finding
from analyzers.readers.passage import Kind, Passage

NOTHING_FOUND = "no failure was found in it"
_LONGEST_SAID = 600
_DOCUMENT = re.compile(rb'\s*(?:\{|\[\s*[{"\[\]])')  # the list of checks begins with [+] or [-]
_STATUS = re.compile(rb'"kind"\s*:\s*"Stat(?:us"|u?s?\Z)')


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
    story = Story.of([_shown(one) for one in passage.exchanges], passage.info)
    cause = story.cause.exchange.id if story.cause is not None else 0
    return Item(
        kind=passage.kind,
        line=passage.lines.get(cause, passage.line),
        findings=tuple(finding for verdict in story.failures for finding in verdict.findings),
        notes=(*_unknown(story), *passage.notes, *_harmless(story), *story.notes, *_repeated(passage)),
        story=story,
    )


def _shown(exchange: Exchange) -> Exchange:
    """Without what grants access and may be quoted. A Status stays as it is: rules read it, and quote it with care."""
    request, response, failure = exchange.request, exchange.response, exchange.failure
    if not exchange.tunnel:
        request = replace(request, path=redact.path(request.path))
    if failure is not None:
        failure = replace(failure, message=redact.text(failure.message))
    if response is not None and response.status >= 400 and response.body and Facts.of(exchange).status is None:
        response = replace(response, body=_quotable(exchange, response))
    return replace(exchange, request=request, response=response, failure=failure)


def _quotable(exchange: Exchange, response: Response) -> bytes | None:
    """The body of a failure that is no whole Status: of an object only what is no secret, of a Status its beginning."""
    body = response.body or b""
    if not _DOCUMENT.match(body) and b"\0" not in body:
        shown = redact.exchange(exchange).response  # without what a log, a pod or a Secret said
        return body if shown is not None and shown.body is not None else None
    if _STATUS.search(body):
        return redact.without_quoted_values(body.decode("utf-8", "replace")).encode("utf-8", "replace")
    return redact.body(body, "application/json", complete=response.body_complete)


def _unknown(story: Story) -> Iterator[str]:
    """An answer that is an error and that no rule recognises is said as it is, without a guess."""
    if story.cause is None or story.finding is not None:
        return
    exchange, facts = story.cause.exchange, story.cause.facts
    if exchange.failure is not None:
        said = _beginning(exchange.failure.message)
    else:
        response = exchange.response
        code = f"{response.status} {response.reason}".strip() if response is not None else ""
        said = ": ".join(
            filter(None, (code, _beginning(facts.status.message if facts.status is not None else facts.text)))
        )
    yield f"a failure that no rule knows: {said}"


def _beginning(said: str) -> str:
    """Enough of what was said to find it again."""
    return said if len(said) <= _LONGEST_SAID else said[:_LONGEST_SAID].rstrip() + " …"


def _harmless(story: Story) -> Iterator[str]:
    for verdict in story.verdicts:
        if verdict.failed and not verdict.raised:
            for note in verdict.notes:
                yield f"request {verdict.exchange.id}, {verdict.phrase}: {note}"


def _repeated(passage: Passage) -> Iterator[str]:
    if passage.count > 1:
        until = f", the last time in line {passage.last_line}" if passage.last_line else ""
        yield f"found {passage.count} times{until}"
