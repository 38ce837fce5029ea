"""A line of a log without what the logger and the log's carriers put before it: what was said, and by which file.

klog, zap and logr (console and JSON), logrus and slog (logfmt), and what carries them: kubectl logs --prefix, docker
compose, containerd, journald, syslog, CI systems, terraform's boxes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzers.decode.untrusted import mapping, parse_json
from analyzers.decode.untrusted import text as encodable

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_TIME = r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_CARRIERS = re.compile(
    r"(?:[│|┃╷╵╭╰]\s?"  # a box
    r"|>(?!\s*(?:$|[A-Z]+ \S+ HTTP/|(?:Host|User-Agent|[Aa]ccept|Authorization|Content-|[Xx]-|Impersonate-|Connection"
    r"|Upgrade|Sec-)[\w-]*: ))\s?"  # a quotation, and not what curl -v shows of a request
    r"|[\w.-]{1,60}\s*\|\s+"  # docker compose
    r"|\[(?:pod|event|node)/[^\]\s]{1,200}\]\s+"  # kubectl logs --prefix
    rf"|{_TIME}\s+(?:stdout|stderr)\s+[FP]\s+"  # containerd
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,64} [\w./@-]{1,64}(?:\[\d+\])?: "  # journald
    rf"|{_TIME}\s+\S{{1,64}}\s+[\w./@-]{{1,64}}\[\d+\]: "  # syslog with an ISO time
    rf"|\[?{_TIME}\]?\s+(?=[IWEF]\d{{4}} |\{{|\S+=)"  # a time before a line that has its own
    r"|<\d{1,3}>|\*\*(?=\S)"
    r"|[\w.@-]{1,64}\[\d+\]: (?=[IWEF]\d{4} )"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z )"  # GitHub Actions
)
_INNER_JSON = re.compile(r'\{\s*"(?:level|ts|time|timestamp|severity|msg|message|logger|caller|error|log|stream)"\s*:')
_KLOG = re.compile(
    r"(?P<level>[IWEF])\d{4} \d\d:\d\d:\d\d(?:\.\d+)?\s+\d+ (?P<file>[\w.-]+\.go):\d+\] ?(?P<said>.*)", re.S
)
_CONSOLE = re.compile(
    rf"\[?(?:{_TIME}|\d{{9,10}}\.\d+|\d\.\d+e\+09|\d\d:\d\d:\d\d(?:\.\d+)?|[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d)\]?"
    r"[\s:|-]+(?:\[?(?P<level>TRACE|DEBUG|DBG|INFO|INF|WARN|WARNING|WRN|ERROR|ERR|DPANIC|PANIC|FATAL|FTL)\]?[\s:|-]+)?"
    r"(?P<said>.*)",
    re.IGNORECASE | re.S,
)
# zap's console format, whose time was cut off.
_LEVEL_FIRST = re.compile(r"(?P<level>DEBUG|INFO|WARN|ERROR|DPANIC|PANIC|FATAL)(?:\t| {2,})\s*(?P<said>.*)", re.DOTALL)
_LOGRUS_CONSOLE = re.compile(r"(?P<level>INFO|WARN|ERRO|FATA|DEBU|PANI)\[[^\]]{1,40}\]\s*(?P<said>.*)", re.S)
_LOGFMT_FIELD = re.compile(r'(?:^|\s)"?(?P<key>[A-Za-z_][\w.-]*)"?=(?P<value>"(?:[^"\\]|\\.)*"?|\S+)')
_PLAIN_QUOTE = re.compile(r'(?<!\\)"')
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SAYING = ("msg", "message", "log", "reason", "error", "err", "cause", "exception", "error_message", "textPayload")
_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a line says. ``message`` is the same as a sentence, where a logger wrote fields (``err="…"``).

    ``level`` is in lower case, "" where unknown; ``file`` is klog's source file, such as ``memcache.go``. ``is_log`` is
    false for a line of plain text.
    """

    said: str
    is_log: bool = False
    level: str = ""
    file: str = ""
    fields: str = ""

    @property
    def message(self) -> str:
        return self.fields or self.said


def read(line: str) -> LogLine:
    """``line`` without its carriers and its logger's prefix; a quoting logger's escapes are left to ``unescaped``."""
    line = _without_carriers(_ANSI.sub("", line[:_LONGEST]).rstrip().removeprefix("`"))
    start = line.lstrip()
    for reads in (_klog, _json, _logrus, _logfmt, _console):
        if (found := reads(start)) is not None:
            return found
    return LogLine(line)


def unescaped(text: str) -> str:
    """``text`` as it was before a logger quoted it: ``\\"`` and ``\\n`` undone. What has plain quotes was not."""
    if "\\" not in text or _PLAIN_QUOTE.search(text):
        return text
    return text.replace('\\\\\\"', '"').replace('\\"', '"').replace("\\n", "\n").replace("\\t", "\t")


def _klog(line: str) -> LogLine | None:
    found = _KLOG.match(line)
    if found is None:
        return None
    return LogLine(found["said"], True, _LEVELS[found["level"]], found["file"], _structured(found["said"]))


def _json(line: str) -> LogLine | None:
    """Also with names before the object, from what carries it."""
    inner = _INNER_JSON.search(line)
    at = 0 if line.startswith("{") else inner.start() if inner is not None else -1
    fields = mapping(parse_json(line[at:])) if at >= 0 else {}
    said = _of_fields(fields)
    # An object of Kubernetes, such as a Status, is no log line although it has a message.
    if not said or "kind" in fields:
        return None
    before = _CONSOLE.match(line[:at])
    name = (before["said"] if before is not None else line[:at]).strip(" \t:")
    level = fields.get("level") or fields.get("severity") or (before["level"] if before is not None else "")
    return LogLine(": ".join(filter(None, (name, said))), True, str(level or "").lower())


def _logrus(line: str) -> LogLine | None:
    if (found := _LEVEL_FIRST.match(line)) is not None:
        return LogLine(_with_fields(found["said"]), True, found["level"].lower())
    found = _LOGRUS_CONSOLE.match(line)
    return LogLine(unescaped(found["said"]), True, found["level"].lower()) if found is not None else None


def _logfmt(line: str) -> LogLine | None:
    if "msg=" not in line and "level=" not in line:
        return None
    fields = {one["key"]: _unquoted(one["value"]) for one in _LOGFMT_FIELD.finditer(line)}
    if not fields.keys() & {"msg", "error", "err"} or not fields.keys() & {"level", "time"}:
        return None
    return LogLine(_of_fields(fields), True, fields.get("level", "").lower())


def _console(line: str) -> LogLine | None:
    found = _CONSOLE.match(line)
    return LogLine(_with_fields(found["said"]), True, (found["level"] or "").lower()) if found is not None else None


def _structured(said: str) -> str:
    """klog's structured forms, ``"message" key="value" err="…"`` and once ``"msg"="…" "error"="…"``, as a sentence.

    "" for plain text.
    """
    message = _QUOTED.match(said)
    first = _unquoted(message[0]) if message is not None and said[message.end() : message.end() + 1] != "=" else ""
    if not first and '"msg"=' not in said and '"error"=' not in said:
        return ""
    fields = {one["key"]: _unquoted(one["value"]) for one in _LOGFMT_FIELD.finditer(said, len(first))}
    errors = [fields[key] for key in ("msg", "err", "error", "reason") if key in fields]
    return ": ".join(filter(None, (first, *errors)))


def _without_carriers(line: str) -> str:
    for _ in range(4):
        indent = len(line) - len(line.lstrip())
        found = _CARRIERS.match(line, indent)
        if found is None:
            return line
        line = line[found.end() :]
    return line


def _with_fields(said: str) -> str:
    """logr's console format: a tab, then the fields as JSON."""
    before, brace, rest = said.partition("{")
    if brace and (fields := mapping(parse_json(brace + rest))):
        return f"{before.strip()}: {_of_fields(fields)}" if _of_fields(fields) else before.strip()
    return unescaped(said)


def _of_fields(fields: object) -> str:
    found = mapping(fields)
    parts: list[str] = []
    for key in _SAYING:
        value = found.get(key)
        if isinstance(value, dict):
            value = value.get("message") or value.get("msg")
        if isinstance(value, str) and value.strip() and value not in parts:
            parts.append(unescaped(encodable(value.strip())))
    return ": ".join(parts)


def _unquoted(value: str) -> str:
    return unescaped(value[1:-1]) if len(value) > 1 and value[0] == value[-1] == '"' else value
