"""The fifteen steps of a command and what the traffic proves of each: passed, failed, or honestly neither.

The client's steps, the wire and the answer are read here; what the API server did in between is in ``server_steps``.
"""

from __future__ import annotations

from dataclasses import dataclass

from analyzers import redact
from analyzers.command import CommandInfo, Story, Verdict, is_failure
from analyzers.decode import document
from analyzers.decode.untrusted import mapping
from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.finding import Step, StepState
from analyzers.identity import claimed
from analyzers.phrase import phrase
from analyzers.server_steps import (
    FAILED,
    NOT_APPLICABLE,
    NOT_OBSERVABLE,
    NOT_REACHED,
    PASSED,
    Line,
    ServerSteps,
    metadata,
    never_sent,
    query,
)
from analyzers.units import duration, size, until


@dataclass(frozen=True, slots=True)
class StepLine:
    """One line of the steps table. ``text`` says what was seen, or why nothing was; it may be empty."""

    step: Step
    state: StepState
    text: str = ""


def steps_of(told: Story | Verdict | Exchange) -> tuple[StepLine, ...]:
    """All fifteen steps and flow control, in the order of ``Step``.

    Of a story, the request steps are those of the request it was about: the one that failed, else the last real one.
    """
    if isinstance(told, Story):
        return _steps(told.main, told.info)
    if isinstance(told, Exchange):
        return _steps(Verdict(exchange=told, facts=Facts.of(told)), CommandInfo())
    return _steps(told, CommandInfo())


def _steps(verdict: Verdict | None, info: CommandInfo) -> tuple[StepLine, ...]:
    if verdict is None:
        lines = _nothing_sent(info)
    else:
        lines = _Seen(verdict, info).lines()
    return tuple(StepLine(step, lines[step][0], redact.text(lines[step][1])) for step in Step)


def _nothing_sent(info: CommandInfo) -> dict[Step, Line]:
    lines: dict[Step, Line] = dict.fromkeys(Step, (NOT_REACHED, ""))
    lines[Step.COMMAND] = (NOT_OBSERVABLE, _command_text(info, ""))
    lines[Step.CREDENTIALS] = (NOT_OBSERVABLE, "")
    lines[Step.REQUEST] = (NOT_OBSERVABLE, "no request came through the proxy")
    lines[Step.OUTPUT] = (NOT_OBSERVABLE, "")
    lines[Step.DISPLAY] = _display(info)
    return lines


class _Seen:
    """The steps of one exchange, worked out from what is known of it."""

    def __init__(self, verdict: Verdict, info: CommandInfo) -> None:
        self.verdict, self.info = verdict, info
        self.exchange, self.facts = verdict.exchange, verdict.facts
        self.request, self.response = self.exchange.request, self.exchange.response
        self.finding = verdict.deciding
        self.now = self.exchange.timing.started
        self.query = query(self.exchange)
        self.body = document.decode(self.response.body if self.response is not None else None)

    def lines(self) -> dict[Step, Line]:
        lines = {
            Step.COMMAND: self._command(),
            Step.CREDENTIALS: self._credentials(),
            Step.REQUEST: self._request(),
            Step.CONNECTION: self._connection(),
            Step.TRANSMISSION: self._transmission(),
            **ServerSteps(self.verdict).lines(),
            Step.RESPONSE: self._response(),
            Step.DELIVERY: self._delivery(),
            Step.OUTPUT: self._output(),
            Step.DISPLAY: _display(self.info),
        }
        if self.finding is not None:
            lines[self.finding.step] = (FAILED, self.finding.summary)
        return lines

    # The client's side

    def _command(self) -> Line:
        text = _command_text(self.info, self.request.headers.get("Kubectl-Command"))
        return (PASSED, text) if text else (NOT_OBSERVABLE, "")

    def _credentials(self) -> Line:
        text = claimed(self.facts, self.now)
        if text:
            return PASSED, text
        if self.exchange.tunnel or never_sent(self.exchange):
            return NOT_OBSERVABLE, "no request was sent that could carry any"
        return NOT_APPLICABLE, "none was sent"

    def _request(self) -> Line:
        if self.exchange.tunnel:
            return NOT_OBSERVABLE, "it waited for the connection"
        said = [phrase(self.exchange, self.facts.request_info)]
        said += [f"{label} {self.query[name]}" for name, label in _SAID_OPTIONS if self.query.get(name)]
        if self.query.get("continue"):
            said.append("next page")
        return PASSED, ", ".join(said)

    # The wire

    def _connection(self) -> Line:
        failure = self.exchange.failure
        if failure is not None and failure.phase in ("dns", "dial", "tls"):
            return FAILED, failure.message
        if self.exchange.tunnel and is_failure(self.exchange):
            return FAILED, f"CONNECT answered {self.response.status}" if self.response is not None else ""
        if failure is not None and failure.phase == "mitmkube":
            return NOT_REACHED, ""
        timing, connection = self.exchange.timing, self.exchange.connection
        said = [connection.peer if connection is not None and connection.peer else self.request.authority]
        if timing.connect is not None:
            said.append(f"TCP {duration(timing.connect)}")
        version = connection.tls_version.replace("TLSv", "TLS ") if connection is not None else ""
        if timing.tls is not None:
            said.append(f"{version or 'TLS'} {duration(timing.tls)}")
        elif version:
            said.append(version)
        certificate = self.facts.server_certificate
        if certificate is not None:
            said.append(
                f"certificate {certificate.subject_cn or 'without CN'} {until(certificate.not_after, self.now)}"
            )
        if connection is not None and connection.verified is False:
            said.append("not verified (insecure-skip-tls-verify)")
        if self.request.scheme == "http":
            said.append("no TLS")
        return PASSED, ", ".join(said)

    def _transmission(self) -> Line:
        if self.exchange.tunnel or never_sent(self.exchange):
            return NOT_REACHED, ""
        said = [self.request.method]
        if kind := self.request.headers.get("Content-Type"):
            said.append(kind.partition(";")[0])
        if self.request.body_bytes:
            said.append(size(self.request.body_bytes))
        said.append(self.request.http_version)
        if self.response is None and self.exchange.failure is not None:
            # Whether the server got it is exactly what a lost connection leaves open.
            return NOT_OBSERVABLE, f"{', '.join(said)}; no answer shows that it arrived"
        return PASSED, ", ".join(said)

    # The answer

    def _response(self) -> Line:
        response = self.response
        if response is None:
            return (
                (NOT_REACHED, "")
                if never_sent(self.exchange) or self.exchange.failure
                else (NOT_OBSERVABLE, "none yet")
            )
        if self.exchange.tunnel:
            return NOT_REACHED, ""
        if self.exchange.failure is not None:
            return FAILED, self.exchange.failure.message
        if response.status == 101 and response.error_event is None:
            told = f"; {response.stream.phrase}" if response.stream is not None else ""
            return PASSED, f"switched to {response.headers.get('Upgrade') or 'another protocol'}{told}"
        if self.facts.status is not None and is_failure(self.exchange):
            reason = self.facts.status.reason
            inside = " inside the connection it became" if response.status == 101 else " inside the watch"
            where = inside if response.status < 400 else ""
            return PASSED, f"Status, reason {reason}{where}" if reason else f"Status without a reason{where}"
        if response.stream is not None:
            return PASSED, response.stream.phrase
        return PASSED, _contents(self.body) or response.headers.get("Content-Type").partition(";")[0]

    def _delivery(self) -> Line:
        response, timing = self.response, self.exchange.timing
        if response is None or self.exchange.tunnel:
            return NOT_REACHED, ""
        said = [str(response.status)]
        if self.exchange.live:
            said.append("still open")
        said.append(size(response.body_bytes))
        if encoding := response.headers.get("Content-Encoding"):
            said.append(encoding)
        if timing.wait is not None:
            said.append(f"first byte after {duration(timing.wait)}")
        if timing.total:
            said.append(f"{duration(timing.total)} in all")
        if self.exchange.failure is not None:
            return FAILED, f"{', '.join(said)}; then {self.exchange.failure.message}"
        return PASSED, ", ".join(said)

    def _output(self) -> Line:
        asked = _asked_output(self.info.argv, self.exchange)
        if self.info.succeeded:
            return PASSED, asked
        return NOT_OBSERVABLE, asked


_SAID_OPTIONS = (
    ("labelSelector", "labels"),
    ("fieldSelector", "fields"),
    ("limit", "limit"),
    ("resourceVersion", "resourceVersion"),
    ("dryRun", "dry run"),
    ("fieldManager", "field manager"),
    ("fieldValidation", "field validation"),
    ("timeout", "timeout"),
)


def _command_text(info: CommandInfo, kubectl_command: str) -> str:
    said = [info.words or kubectl_command]
    if info.context:
        said.append(f"context {info.context}")
    if info.namespace:
        said.append(f"namespace {info.namespace}")
    return ", ".join(part for part in said if part)


def _display(info: CommandInfo) -> Line:
    if info.signal:
        return PASSED, f"ended by {info.signal}"
    if info.exit_status is None:
        return NOT_OBSERVABLE, ""
    return PASSED, f"exit {info.exit_status}"


def _asked_output(argv: tuple[str, ...], exchange: Exchange) -> str:
    for place, argument in enumerate(argv):
        if argument == "--":
            break
        if argument in ("-o", "--output") and place + 1 < len(argv):
            return argv[place + 1].partition("=")[0]
        if argument.startswith("--output="):
            return argument.split("=")[1]
        if argument.startswith("-o") and len(argument) > 2:
            return argument[2:].removeprefix("=").partition("=")[0]
    return "table" if "as=Table" in exchange.request.headers.get("Accept") else ""


def _contents(document: object) -> str:
    """``Table, 3 rows``, ``PodList, 500 items, more to come (120 left)``, ``Pod``; "" for what is no object."""
    body = mapping(document)
    if not isinstance(body.get("kind"), str):
        return ""
    said: list[str] = [body["kind"]]
    for key, unit in (("rows", "row"), ("items", "item")):
        if isinstance(body.get(key), list):
            count = len(body[key])
            said.append(f"{count} {unit}" + ("" if count == 1 else "s"))
    found = metadata(body)
    if found.get("continue"):
        left = found.get("remainingItemCount")
        said.append(f"more to come ({left} left)" if left else "more to come")
    return ", ".join(said)
