"""Gathers lines of text into statements: a message with the lines that continue it.

A message may run over lines (the causes of an invalid object, an indented document, klog's long values), and a new one
may begin anywhere: at a prompt, with a logger's prefix, with the words by which programs say that they gave up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analyzers.readers import curl, log_line, not_said, statement
from analyzers.readers.log_line import LogLine
from analyzers.readers.source import Source, as_utf8

_PROMPT = re.compile(
    r"^\s*(?:\S{0,120}[\w~)\]]\s?[$#%❯➜λ»]|[$#%❯➜λ»+]|PS [^>]*>|[A-Z]:\\[^>]*>|>)\s*"
    r"(?P<command>(?:sudo |time |[A-Z_]+=\S+ )*"
    r"(?:kubectl|k|oc|helm|helmfile|terraform|pulumi|kustomize|flux|argocd|k3s|microk8s|minikube|kind|curl|mitmkube)\b.*)$"
)
_SUBCOMMANDS = (
    "annotate api-resources apply attach auth certificate cluster-info config cordon cp create debug delete describe "
    "diff drain edit events exec explain expose get install label list login logs patch port-forward proxy replace "
    "rollback rollout run scale set status taint template top uninstall uncordon upgrade version wait"
)
_BARE_COMMAND = re.compile(
    r"^(?P<command>(?:sudo )?(?:(?:microk8s|k3s|minikube) )?(?:kubectl|oc|helm) (?:-\S+ )*"
    rf"(?:{_SUBCOMMANDS.replace(' ', '|')})\b(?!.*: ).*)$"
)
# kubectl apply prints the patch and the object before it says what is wrong with them.
_GOES_ON = re.compile(r"(?:error when applying patch|current configuration of|^to):\s*$")
_TABLE_ROW = re.compile(r"^\s*(?:(?:\d+[smhd]){1,3}\s+(?:\(x\d+ over \S+\)\s+)?)?(?:Warning|Normal)\s+[A-Z]\w+\s")
_DOCUMENT = re.compile(r"^\s*(?:\{\s*$|\{\s*\"|\[\s*\{?\s*$)")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_HERE_DOCUMENT_ENDS = re.compile(r"(?:EOF|EOT|END)\Z")
# The lines under the first one of an ApiException of Python's client.
_OF_EXCEPTION = re.compile(r"(?:Reason|HTTP response (?:headers|body)): ")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?')  # the last one may go on in the next line
_MOST_LINES = 60
_MOST_DOCUMENT_LINES = 5000
_LONGEST_LINE = 1 << 16
_MOST_TEXT = 1 << 22
# A tenth of these, and it is no text, whatever words stand in it. Terminals' logs hold \x07, \x08 and \x1b.
_NO_TEXT = re.compile(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\ufffd]")


@dataclass(frozen=True, slots=True)
class Statement:
    """A message of one or more lines, ``first`` to ``last``, counted from 1.

    ``text`` is what was said, ``said`` the same with a logger's fields as they stood. ``file`` is klog's source file.
    ``final`` is true for what a program says when it gives up, ``curl`` for a transfer that curl -v shows.
    """

    first: int
    last: int
    text: str
    said: str
    is_log: bool
    file: str
    final: bool = False
    curl: bool = False


def statements(source: Source) -> Iterator[Statement]:
    """The statements of a text, in its order."""
    source = as_utf8(source)
    if not_said.is_source_code(source.peek().decode("utf-8", "replace")):
        return iter(())
    return _statements(not_said.without_objects(_lines(source)))


def command_in(said: str) -> str | None:
    """The command behind a prompt, or on a line of its own; None for any other line."""
    found = _PROMPT.match(said) or _BARE_COMMAND.match(said)
    return found["command"] if found else None


def _lines(source: Source) -> Iterator[tuple[int, str]]:
    last = 0
    for line in source.lines(_LONGEST_LINE):
        if source.line == last:
            continue  # the rest of a line that is too long for a message
        last = source.line
        text = line[:_LONGEST_LINE].decode("utf-8", "replace").rstrip("\r\n")
        text = text.removeprefix("\ufeff") if last == 1 else text
        yield last, "" if len(_NO_TEXT.findall(text)) * 10 > len(text) else text


def _statements(lines: Iterable[tuple[int, str]]) -> Iterator[Statement]:
    """Messages with the lines that continue them, and prompts and blank lines as statements of their own."""
    gathered: list[tuple[int, LogLine]] = []
    in_value = False  # of klog, that runs over lines: name=<, the lines, " >"
    depth = 0  # of braces, inside a document of JSON that runs over lines
    size = 0
    for number, line in lines:
        size = size + len(line) if gathered else 0
        may_go_on = bool(gathered) and len(gathered) < _MOST_DOCUMENT_LINES and size < _MOST_TEXT
        if may_go_on and in_value:
            gathered.append((number, LogLine(line)))
            in_value = not line.startswith(" >") or line.endswith("=<")
            continue
        read_line = log_line.read(line)
        in_value = bool(read_line.file) and read_line.said.endswith("=<")
        if curl.BEGINS.match(line) and not (gathered and curl.CONTINUES.match(gathered[0][1].said)):
            if gathered:
                yield _gathered(gathered)
            gathered, depth = [], 0
        inside = may_go_on and depth > 0
        if gathered and not inside and (size >= _MOST_TEXT or _begins(read_line, gathered)):
            yield _gathered(gathered)
            gathered, depth, size = [], 0, 0
        if read_line.said.strip() or gathered:
            gathered.append((number, read_line))
        if not read_line.is_log and (depth > 0 or _DOCUMENT.match(read_line.said)):
            depth = max(depth + _depth(read_line.said), 0)
    if gathered:
        yield _gathered(gathered)


def _depth(line: str) -> int:
    bare = _STRING.sub("", line)
    return sum(map(bare.count, "{[")) - sum(map(bare.count, "}]"))


def _begins(line: LogLine, gathered: list[tuple[int, LogLine]]) -> bool:
    """Whether ``line`` begins something new instead of going on with what stands before it."""
    said, first = line.said, gathered[0][1]
    if curl.CONTINUES.match(first.said):
        return command_in(said) is not None or bool(statement.FINAL.match(said)) or said.startswith("curl: (")
    if line.is_log or len(gathered) >= _MOST_LINES or command_in(said) is not None:
        return True
    if _GOES_ON.search(gathered[-1][1].said) and not statement.FINAL.match(said):
        return False
    if statement.FINAL.match(said) or _TABLE_ROW.match(said) or _DOCUMENT.match(said) or _FENCE.match(said):
        return True
    if not said.strip():
        # kubectl leaves a line empty inside the message of a conflict, and after "is invalid:".
        return not first.said.rstrip().endswith(":")
    if command_in(first.said) is not None or _FENCE.match(first.said) or _HERE_DOCUMENT_ENDS.match(first.said):
        return True
    if _OF_EXCEPTION.match(said):
        return False
    return (
        not first.is_log
        and not statement.FINAL.match(first.said)
        and statement.read(first.said) is not None
        and (statement.read(said) is not None)
    )


def _gathered(lines: list[tuple[int, LogLine]]) -> Statement:
    first_number, first = lines[0]
    rest = [line.said for _, line in lines[1:]]
    return Statement(
        first=first_number,
        last=lines[-1][0],
        text="\n".join((first.message, *rest)),
        said="\n".join((first.said, *rest)),
        is_log=first.is_log,
        file=first.file,
        final=bool(statement.FINAL.match(first.said)) and not first.is_log,
        curl=bool(curl.BEGINS.match(first.said)),
    )
