"""Text as people have it in hand: a pasted line, a terminal's scroll, a program's log; read command by command.

Lines are gathered into statements (a message with the lines that continue it), and statements into passages: all that
one command printed, or one message of a log that runs on. Equal messages of a log are counted, not repeated.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from analyzers.classify import classify
from analyzers.command import CommandInfo, display_argv
from analyzers.exchange import Exchange, Failure
from analyzers.readers import curl, gather, kubectl_log, server_log, statement
from analyzers.readers.gather import Statement
from analyzers.readers.kubectl_log import KubectlLog
from analyzers.readers.passage import Kind, Passage
from analyzers.readers.source import Source

# A client's own files: what they log belongs to the command that prints the outcome below.
_OF_KUBECTL = kubectl_log.FILES | {
    "memcache.go", "loader.go", "discovery.go", "cached_discovery.go", "with_retry.go", "rest.go", "proxy_server.go",
    "factory.go", "warnings.go", "shortcut.go", "table_printer.go", "merged_client_builder.go",
}  # fmt: skip
_PLUGIN = re.compile(
    r"getting credentials: exec: executable \S+ failed with exit code|getting credentials: exec: exit status"
)
_DOCUMENT = re.compile(r"\s*(?:\{|(?:kind|apiVersion|metadata): )")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_MOST_GROUPS = 2000
_MOST_TEXT = 1 << 23


def read(source: Source) -> Iterator[Passage]:
    """The passages of a text. Does not raise, whatever stands in it."""
    groups: dict[Hashable, Passage] = {}
    dropped = 0
    for section in _sections(gather.statements(source)):
        for passage in sorted(_passages(section), key=lambda one: one.line or 0):
            key = _key(passage)
            if key in groups:
                known = groups[key]
                groups[key] = replace(known, count=known.count + 1, last_line=passage.line)
            elif len(groups) < _MOST_GROUPS:
                groups[key] = passage
            else:
                dropped += 1
    yield from groups.values()
    if dropped:
        yield Passage(kind="text", notes=(f"{dropped} more messages were left out: there are too many different ones",))
    elif not groups:
        yield Passage(kind="text")


@dataclass(frozen=True, slots=True)
class _Found:
    line: int
    exchange: Exchange
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An outcome that may turn out to be what a credential plugin printed before kubectl did."""

    statement: Statement
    passage: Passage


@dataclass(slots=True)
class _Section:
    command: str
    statements: list[Statement]


def _sections(statements: Iterable[Statement]) -> Iterator[_Section]:
    """What was printed between two prompts; a log without prompts is cut where it grows long."""
    section = _Section("", [])
    held = 0
    for one in statements:
        command = None if one.is_log else gather.command_in(one.text.partition("\n")[0])
        held += len(one.text)
        if command is not None or len(section.statements) >= _MOST_GROUPS or held > _MOST_TEXT:
            yield section
            section = _Section(command or "", [])
            held = 0
        if command is None:
            section.statements.append(one)
        elif "\n" in one.text:
            section.statements.append(replace(one, text=one.text.partition("\n")[2]))
    yield section


def _passages(section: _Section) -> Iterator[Passage]:
    """A passage for each outcome that was printed, with the client's own log above it; one for each other message."""
    log = KubectlLog()
    above: list[_Found] = []
    waiting: _Waiting | None = None
    for one in section.statements:
        if one.is_log and one.file in kubectl_log.FILES and log.take(one.said, one.first):
            continue
        exchange = _exchange(one)
        if exchange is None:
            continue
        found = _Found(one.first, exchange, _kind(one))
        if one.is_log and one.file not in _OF_KUBECTL:
            yield _passage([found], section.command, "component-log")
        elif one.final and not one.is_log:
            if waiting is not None:
                if _of_plugin(exchange):  # what the plugin itself printed stands above
                    found = _Found(one.first, statement.gave_up(f"{waiting.statement.text}\n{one.text}"))
                else:
                    yield waiting.passage
            waiting = _Waiting(one, _outcome(log, [*above, found], section.command))
            log, above = KubectlLog(), []
        elif one.is_log or log:
            above.append(found)
        else:
            yield _passage([found], section.command, found.kind)
    if waiting is not None:
        yield waiting.passage
    if above or any(log.exchanges()):
        yield _outcome(log, above, section.command)


def _kind(one: Statement) -> Kind:
    if one.curl:
        return "curl"
    return "status" if not one.is_log and _DOCUMENT.match(one.text) else "text"


def _of_plugin(exchange: Exchange) -> bool:
    return exchange.failure is not None and bool(_PLUGIN.search(exchange.failure.message))


def _outcome(log: KubectlLog, printed: list[_Found], command: str) -> Passage:
    """What a command sent by its own log, and what it printed; what the log tells better is not told twice."""
    logged = [_Found(line, _with_words(exchange, printed)) for line, exchange in log.exchanges()]
    if not logged:
        return _passage(printed, command, printed[-1].kind)
    known = {finding.category for one in logged for finding in classify(one.exchange)}
    others = [one for one in printed if not known.intersection(finding.category for finding in classify(one.exchange))]
    if known:
        others = [one for one in others if classify(one.exchange)]
    return _passage(sorted((*logged, *others), key=lambda one: one.line), command, "kubectl-log")


def _with_words(exchange: Exchange, printed: list[_Found]) -> Exchange:
    """A transport error is logged without its words: the client prints them at another place."""
    if exchange.failure is None or exchange.failure.message:
        return exchange
    failures = [one.exchange.failure for one in printed if one.exchange.failure is not None]
    return replace(exchange, failure=failures[0] if failures else Failure(phase="request", message="no answer came"))


def _exchange(one: Statement) -> Exchange | None:
    if one.curl:
        return curl.read(one.text.split("\n"))
    if one.is_log and (served := server_log.read(one.said)) is not None:
        return served
    if not one.final and not statement.worth_reading(one.text):
        return None
    return _of_message(one.text[: statement.LONGEST], one.final)


@lru_cache(maxsize=1024)  # a log says the same again and again
def _of_message(text: str, final: bool) -> Exchange | None:
    exchange = statement.read(text)
    if exchange is None and "\n" in text:
        # A terminal or a chat wrapped the message in the middle of its words.
        exchange = statement.read(" ".join(text.split()))
    if exchange is not None and classify(exchange):
        return exchange
    client = statement.gave_up(text)
    if classify(client):
        return client
    if "\n" in text and classify(joined := statement.gave_up(" ".join(text.split()))):
        return joined
    # What no rule knows is worth a word only where a program said that it gave up.
    return (exchange or client) if final else None


def _passage(found: Sequence[_Found], command: str, kind: Kind) -> Passage:
    exchanges = tuple(replace(one.exchange, id=place) for place, one in enumerate(found, start=1))
    return Passage(
        kind=kind,
        line=found[-1].line,
        exchanges=exchanges,
        lines={place: one.line for place, one in enumerate(found, start=1)},
        info=CommandInfo(argv=_argv(command)) if command else CommandInfo(),
    )


def _argv(command: str) -> tuple[str, ...]:
    """The command line without its secrets; of another program's than Kubernetes' own only the first word."""
    try:
        words = shlex.split(command)
    except ValueError:  # a quotation mark that nothing closes
        words = command.split()[:1]
    while words and (words[0] in ("sudo", "time") or _ASSIGNMENT.match(words[0])):
        del words[0]
    return display_argv(words if words[:1] != ["curl"] else words[:1])


def _key(passage: Passage) -> Hashable:
    """What makes two messages of a log the same to a reader."""
    if passage.kind != "component-log":
        return passage.line
    return _told(passage.exchanges[-1]) or passage.line


@lru_cache(maxsize=4096)
def _told(exchange: Exchange) -> tuple[str, str] | None:
    return next(((finding.rule, finding.summary) for finding in classify(exchange)), None)
