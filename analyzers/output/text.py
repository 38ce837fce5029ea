"""The report that a person reads after a command: the answer first, then why, what to do, and what was asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby

from analyzers import redact, story_notes
from analyzers.command import Row, Story, Verdict
from analyzers.finding import StepState
from analyzers.identity import who_asked
from analyzers.output import last_look
from analyzers.output.comment import finding_comment
from analyzers.output.finding_text import COLOURS, finding_lines
from analyzers.output.layout import Line, Span, coloured, hanging, harmless, line, plain, wrapped
from analyzers.steps import steps_of
from analyzers.streams.list_page import ListPage
from analyzers.streams.log import Log
from analyzers.streams.pages import PagedList, SeenPage, paged_lists
from analyzers.streams.upgraded import Upgraded
from analyzers.streams.watch import Watch
from analyzers.units import duration, size

_INDENT = 11
_MOST_ROWS = 12
_MOST_ROWS_WHEN_WELL = 6
_MOST_OTHERS = 8
_STEP_MARKS = {
    StepState.PASSED: ("✓", "green"),
    StepState.FAILED: ("✗", "bold red"),
    StepState.NOT_REACHED: ("·", "dim"),
    StepState.NOT_APPLICABLE: ("–", "dim"),
    StepState.NOT_OBSERVABLE: ("–", "dim"),
}


def render(
    story: Story,
    *,
    steps: bool = False,
    quiet: bool = False,
    color: bool = False,
    marks: bool | None = None,
    width: int = 80,
) -> str:
    """The report, every line ended by a newline; "" with ``quiet`` when nothing failed.

    ``marks`` (✓ and ✗ instead of words, for a terminal) follows ``color`` unless given: a terminal with NO_COLOR set
    gets marks without colour. Commands to paste are never broken, also where they are longer than ``width``.
    """
    if quiet and not story.failed:
        return ""
    marked = color if marks is None else marks
    width = max(width, 60)
    lines = [line(("─ mitmkube " + "─" * (width - 11), "dim"))]
    lines += _answer(story, marked, width)
    lines.append(line())
    if steps:
        lines += [*_steps(story, marked, width), line()]
    lines += _command(story, width)
    lines += _table(story, width)
    lines += _streams(story, width)
    lines += _noted(story, width)
    lines += _asked(story, width)
    said_above = _missing_types(story)
    for notice in (*(note for note in story.notes if note not in said_above), *story.notices):
        lines += hanging("  note", redact.text(notice), width=width, indent=_INDENT)
    lines += _footer(story, steps, width)
    return last_look.text(coloured(lines, colour=color) if marked else plain(lines), story)


# The answer


def _answer(story: Story, marks: bool, width: int) -> list[Line]:
    cause, finding = story.cause, story.finding
    if cause is not None and finding is not None:
        lines = finding_lines(finding, cause.exchange.id, width=width, marks=marks)
    elif cause is not None:
        lines = _unknown_failure(cause, marks, width)
    else:
        return _no_failure(story, marks, width)
    return lines + _others(story, width)


def _unknown_failure(cause: Verdict, marks: bool, width: int) -> list[Line]:
    """An answer that is an error and that no rule recognises: said as it is, without a guess."""
    exchange = cause.exchange
    head = "✗ failed" if marks else "failed"
    lines = [line((head, "bold red"), ", and no rule knows this answer")]
    asked = f"{exchange.request.method} {redact.path(exchange.request.path)}"
    if exchange.failure is not None:
        lines += _sentence(f"{cause.phrase}: {redact.text(exchange.failure.message)}", width)
    elif exchange.response is not None:
        reply = f"{exchange.response.status} {exchange.response.reason}".strip()
        lines += _sentence(f"{cause.phrase} was answered {reply}.", width)
        lines.append(line())
        lines += hanging("  because", f"{asked} → {reply} (request {exchange.id})", width=width, indent=_INDENT)
        message = cause.facts.status.message if cause.facts.status is not None else cause.facts.text
        if message.strip():
            lines += hanging("", f"{redact.text(message[:600])} (response body)", width=width, indent=_INDENT)
    return lines


def _no_failure(story: Story, marks: bool, width: int) -> list[Line]:
    info, main = story.info, story.main
    name = info.words or "the command"
    if main is None:
        said = f"{name} sent no request through the proxy" + _ending(story, ", and ", ".")
        if info.exit_status in (None, 0):
            return [line(("– " if marks else "", "dim"), part) for part in wrapped(said, width - 2)]
        return [_failed_head(marks, "before any request"), *_sentence(said, width)]
    if info.exit_status not in (None, 0):
        missing = _missing_types(story)
        why = "; ".join(missing) or _own_exit(story) or f"the reason is in what {_program(story)} printed."
        said = f"{name} exited {info.exit_status}, but no request failed: {why}"
        return [_failed_head(marks, "and not at a request"), *_sentence(said, width)]
    head: Span = ("✓ " if marks else "ok: ", "bold green")
    answer = _outcome_in_words(story, main)
    lines = wrapped(answer, width - 4)
    return [line(head, lines[0]), *(line(f"  {rest}") for rest in lines[1:])]


def _missing_types(story: Story) -> tuple[str, ...]:
    """What was left out may have shown them."""
    return () if story.left_out.anything else story_notes.missing_types(story)


def _own_exit(story: Story) -> str:
    """An exec passes on how its program ended, which is no failure of the API's."""
    codes = [stream.exit_code for _, stream in _seen(story) if isinstance(stream, Upgraded) and stream.exit_code]
    return f"the program in the pod ended with exit code {codes[-1]}." if codes else ""


def _failed_head(marks: bool, text: str) -> Line:
    return line(("✗ failed" if marks else "failed", "bold red"), f", {text}")


def _outcome_in_words(story: Story, main: Verdict) -> str:
    response = main.exchange.response
    said = main.phrase
    whole = next((found.phrase for found in _paged(story) if main.exchange.id in found.ids), "")
    contents = whole or next((step.text for step in steps_of(story) if step.step.value == "response"), "")
    if main.exchange.live:
        said += " is still open"
    elif response is not None:
        said += f" was answered {response.status}" + (f" ({contents})" if contents else "")
    harmless_failures = sum(1 for verdict in story.verdicts if verdict.failed) + story.left_out.failures
    if harmless_failures:
        said += f"; {_count(harmless_failures, 'request')} failed on the way and did no harm"
    return said + _ending(story, "; ", "") if story.info.signal else said


def _ending(story: Story, before: str, after: str) -> str:
    info = story.info
    if info.signal:
        return f"{before}ended by {info.signal}{after}"
    return after if info.exit_status is None else f"{before}exited {info.exit_status}{after}"


def _program(story: Story) -> str:
    return story.info.argv[0].rpartition("/")[2] if story.info.argv else "the command"


def _sentence(text: str, width: int) -> list[Line]:
    return [line(f"  {part}") for part in wrapped(text, width - 2)]


def _others(story: Story, width: int) -> list[Line]:
    """The failures beside the cause, one line each, the same ones counted."""
    cause = story.finding
    grouped: dict[str, list[Verdict]] = {}
    for verdict in story.others:
        finding = verdict.findings[0] if verdict.findings else None
        if finding is not None and cause is not None and finding.summary == cause.summary:
            continue  # the table counts it
        said = finding_comment(finding) if finding is not None else f"{verdict.phrase}: {_status(verdict)}"
        grouped.setdefault(said, []).append(verdict)
    lines: list[Line] = []
    for place, (said, verdicts) in enumerate(grouped.items()):
        if place == _MOST_OTHERS:
            lines += hanging("", f"and {len(grouped) - place} more", width=width, indent=_INDENT)
            break
        times = f" × {len(verdicts)}" if len(verdicts) > 1 else ""
        where = f"(request {_numbers(verdicts)}{times})"
        lines += hanging("  also" if not lines else "", f"{said} {where}", width=width, indent=_INDENT)
    return lines


# The command and its requests


def _command(story: Story, width: int) -> list[Line]:
    info = story.info
    place = [f"context {info.context}"] if info.context else []
    server = info.server or next(
        (f"{v.exchange.request.scheme}://{v.exchange.request.authority}" for v in story.verdicts), ""
    )
    if server:
        place.append(f"cluster {redact.url(server)}")
    sums = [_count(len(story.verdicts) + story.left_out.requests, "request")]
    if (elapsed := _elapsed(story)) is not None:
        sums.append(duration(elapsed))
    if info.signal:
        sums.append(f"ended by {info.signal}")
    elif info.exit_status is not None:
        sums.append(f"exit {info.exit_status}")
    parts = [part for part in (info.words, ", ".join(place), ", ".join(sums)) if part]
    rows: list[list[str]] = [[]]
    for part in map(harmless, parts):
        if rows[-1] and 4 + sum(len(said) + 3 for said in rows[-1]) + len(part) > width:
            rows.append([])
        rows[-1].append(part)
    lines = [line(("  " if not place else "    ") + "   ".join(row)) for place, row in enumerate(rows)]
    return lines + _asked_by(story, width)


def _asked_by(story: Story, width: int) -> list[Line]:
    main = story.main
    if main is None:
        return []
    # The identity may stand on any request: a refused connection carries none.
    asked = next((verdict for verdict in (main, *reversed(story.verdicts)) if who_asked(verdict.facts)), main)
    who = who_asked(asked.facts, asked.exchange.timing.started)
    if not who:
        if not any(verdict.exchange.response is not None and not verdict.exchange.tunnel for verdict in story.verdicts):
            return []
        who = "nobody: no credential was sent"
    return hanging("  asked by", who, width=width, indent=_INDENT)


def _elapsed(story: Story) -> float | None:
    info = story.info
    if info.started and info.ended >= info.started:
        return info.ended - info.started
    timings = [verdict.exchange.timing for verdict in story.verdicts if verdict.exchange.timing.started]
    if not timings:
        return None
    return max(t.started + t.total for t in timings) - min(t.started for t in timings)


def _table(story: Story, width: int) -> list[Line]:
    rows = story.rows
    most = _MOST_ROWS if story.failed else _MOST_ROWS_WHEN_WELL
    shown = _chosen(rows, most)
    cells = [_cells(row) for row in shown if row is not None]
    if not cells:
        return []
    number = max(len(cell[0]) for cell in cells)
    status = max(3, *(len(cell[2]) for cell in cells))
    took = max(5, *(len(cell[3]) for cell in cells))
    tail = max(len(cell[4]) for cell in cells)
    room = max(20, width - 2 - number - 2 - 2 - status - 2 - took - 2 - tail)
    name = min(room, max(len(cell[1]) for cell in cells))
    lines: list[Line] = []
    left = len(rows) - len(cells)
    before = 0
    for row, after in zip(shown, _first_ids(shown), strict=True):
        lines += _gap(story, before, after, number)
        before = after
        if row is None:
            lines.append(line((f"  {'':>{number}}  … {_count(left, 'more row')}", "dim")))
            continue
        numbers, said, code, time, note = _cells(row)
        style = _row_style(row)
        lines.append(
            line(
                (f"  {numbers:>{number}}  ", "dim"),
                f"{_cut(said, name):<{name}}  ",
                (f"{code:<{status}}", style),
                f"  {time:>{took}}  ",
                (note, style),
            )
        )
    return lines + _gap(story, before, sys.maxsize, number)


def _first_ids(shown: Sequence[Row | None]) -> list[int]:
    """The id that each row begins with; rows that are not shown begin where the next one does."""
    found: list[int] = []
    following = sys.maxsize
    for row in reversed(shown):
        following = row.first.exchange.id if row is not None else following
        found.append(following)
    return found[::-1]


def _gap(story: Story, before: int, after: int, indent: int) -> list[Line]:
    """What is not there between two rows that are."""
    count = sum(span.count for span in story.left_out.between(before, after))
    return [line((f"  {'':>{indent}}  … {story.left_out.said(count)}", "dim"))] if count else []


def _chosen(rows: Sequence[Row], most: int) -> list[Row | None]:
    """At most ``most`` rows that went well, and every one that did not; None once, for what is left out."""
    if len(rows) <= most:
        return list(rows)
    failing = [at for at, row in enumerate(rows) if any(verdict.failed for verdict in row.verdicts)]
    kept = set(failing[-most:]) | {0, len(rows) - 1}
    for at in range(len(rows)):
        if len(kept) >= most:
            break
        kept.add(at)
    chosen: list[Row | None] = []
    for is_kept, group in groupby(range(len(rows)), key=kept.__contains__):
        if is_kept:
            chosen += [rows[at] for at in group]
        elif None not in chosen:
            chosen.append(None)
    return chosen


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    """Number, phrase, status, time, and what there is to say: the rule, that it is noted, or the size."""
    first, last, verdicts = row.first, row.last, row.verdicts
    numbers = _numbers(verdicts)
    spent = sum(verdict.exchange.timing.total for verdict in verdicts)
    time = duration(spent) if spent else ""
    received = sum(v.exchange.response.body_bytes for v in verdicts if v.exchange.response is not None)
    if row.kind == "discovery":
        statuses = dict.fromkeys(_status(verdict) for verdict in verdicts)
        return numbers, f"discovery, {len(verdicts)} requests", ",".join(statuses), time, size(received)
    if row.kind == "retried":
        status = f"{_times(_status(first), len(verdicts) - 1)}, {_status(last)}"
        return numbers, harmless(last.phrase), status, time, "recovered"
    status = _times(_status(first), len(verdicts))
    if last.findings:
        note = last.findings[0].rule
    elif last.raised:
        note = "unknown"
    elif last.failed:
        note = "noted"
    elif last.exchange.live:
        note = "open"
    else:
        note = size(received)
    return numbers, harmless(last.phrase), status, time, note


def _status(verdict: Verdict) -> str:
    response, status = verdict.exchange.response, verdict.facts.status
    if response is None:
        return "none" if verdict.exchange.failure is not None else "…"
    if response.error_event is not None and response.status < 400 and status is not None and status.code:
        return f"{response.status}/{status.code}"
    return str(response.status)


def _row_style(row: Row) -> str:
    if row.last.findings:
        return COLOURS.get(row.last.findings[0].category, "red")
    if row.last.raised:
        return "red"
    return "dim" if any(verdict.failed for verdict in row.verdicts) else ""


def _numbers(verdicts: Sequence[Verdict]) -> str:
    first, last = verdicts[0].exchange.id, verdicts[-1].exchange.id
    if first == last:
        return str(first)
    # Requests that run side by side leave gaps: those between belong to other rows.
    return f"{first}-{last}" if last - first + 1 == len(verdicts) else f"{first}…{last}"


def _noted(story: Story, width: int) -> list[Line]:
    """Why a failure in the table is none, the same reason once; a retry that helped says so in its row."""
    grouped: dict[str, list[Verdict]] = {}
    for row in story.rows:
        for verdict in row.verdicts if row.kind in ("one", "repeated") else ():
            if verdict.failed and verdict.notes:
                what = (
                    verdict.noted[0].summary.rstrip(".") if verdict.noted else f"{verdict.phrase}: {_status(verdict)}"
                )
                grouped.setdefault(f"{what} ({verdict.notes[0]})", []).append(verdict)
    lines: list[Line] = []
    for place, (said, verdicts) in enumerate(grouped.items()):
        if place == _MOST_OTHERS:
            lines += hanging("", f"and {len(grouped) - place} more", width=width, indent=_INDENT)
            break
        times = f" × {len(verdicts)}" if len(verdicts) > 1 else ""
        lines += hanging(
            "  noted" if not lines else "", f"{_numbers(verdicts)}{times}: {said}", width=width, indent=_INDENT
        )
    return lines


def _streams(story: Story, width: int) -> list[Line]:
    """What was seen inside of answers that go on, and of lists that came in pages."""
    told = [(verdict.exchange.id, str(verdict.exchange.id), stream.phrase) for verdict, stream in _seen(story)]
    told += [(found.ids[0], f"{found.ids[0]}-{found.ids[-1]}", found.phrase) for found in _paged(story)]
    lines: list[Line] = []
    for place, (_, numbers, phrase) in enumerate(sorted(told)):
        if place == _MOST_OTHERS:
            lines += hanging("", f"and {len(told) - place} more", width=width, indent=_INDENT)
            break
        lines += hanging("" if lines else "  inside", f"{numbers}: {phrase}", width=width, indent=_INDENT)
    return lines


def _paged(story: Story) -> tuple[PagedList, ...]:
    return paged_lists(
        SeenPage(id=verdict.exchange.id, path=verdict.exchange.request.path, page=verdict.exchange.response.stream)
        for verdict in story.verdicts
        if verdict.exchange.response is not None and isinstance(verdict.exchange.response.stream, ListPage)
    )


def _seen(story: Story) -> Iterator[tuple[Verdict, Watch | Log | Upgraded]]:
    for verdict in story.verdicts:
        response = verdict.exchange.response
        if response is not None and isinstance(response.stream, Watch | Log | Upgraded):
            yield verdict, response.stream


def _asked(story: Story, width: int) -> list[Line]:
    """What mitmkube asked by itself: a reader must not take it for the command's."""
    lines: list[Line] = []
    for verdict in story.asked:
        request = verdict.exchange.request
        asked = f"{verdict.exchange.id}: {request.method} {redact.path(request.path)} → {_status(verdict)}"
        said = asked if lines else f"{asked}, by mitmkube, after the command and as the same user"
        lines += hanging("" if lines else "  asked", said, width=width, indent=_INDENT)
    return lines


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    front = (width - 1) * 2 // 3
    return f"{text[:front]}…{text[len(text) - (width - 1 - front) :]}"


def _times(said: str, number: int) -> str:
    return said if number == 1 else f"{said} × {number}"


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number:,} {unit}s"


def _steps(story: Story, marks: bool, width: int) -> list[Line]:
    shown: list[Line] = []
    for found in steps_of(story):
        number = f"{found.step.number:>2}" if found.step.number is not None else "  "
        mark, style = _STEP_MARKS[found.state]
        words = found.state.value.replace("-", " ")
        if marks:
            said = found.text if found.state in (StepState.PASSED, StepState.FAILED) else words
            if found.text and said == words:
                said = f"{words} ({found.text})"
            head, indent = f"{mark}  ", 23
            said = said or words
        else:
            said, head, indent = found.text, f"{words:<14}  ", 36
        if story.finding is not None and found.step is story.finding.step:
            said = f"{story.finding.rule}, as said above"
        parts = wrapped(said, width - indent)
        shown.append(line((f" {number} {found.step.value:<14}  ", ""), (head, style), parts[0]))
        shown += [line(" " * indent, rest) for rest in parts[1:]]
    return shown


def _footer(story: Story, steps: bool, width: int) -> list[Line]:
    if not story.failed or not story.verdicts:
        return []
    hints = [] if steps else ["--steps shows all fifteen steps"]
    hints.append("--har FILE keeps the traffic")
    return [line((f"  {part}", "dim")) for part in wrapped(f"({', '.join(hints)})", width - 2)]
