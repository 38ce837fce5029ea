"""exec and attach: stdin, stdout, stderr, an error channel that tells how it ended, and the terminal's size.

From v4 on the error channel carries a Status as JSON, without its kind (k8s.io/client-go, tools/remotecommand/v4.go).
Before that it carried the message alone, and nothing where all went well (k8s.io/cri-streaming, remotecommand/exec.go).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from analyzers.decode import status as status_decoder
from analyzers.decode.status import Cause, Details, Status
from analyzers.decode.untrusted import mapping, parse_json, text
from analyzers.decode.upgraded.tally import STATUS_BYTES, Tally
from analyzers.streams.upgraded import NON_ZERO_EXIT, Channel

# In the order of their numbers over WebSocket.
_NAMES = ("stdin", "stdout", "stderr", "error", "resize")
_ERROR = _NAMES.index("error")
_FIRST_WITH_STATUS = 4

_NON_ZERO = "command terminated with non-zero exit code"
_EXIT_CODE = re.compile(r"exit (?:code|status) ([0-9]{1,10})\b")
# How kwok, which stands in for kubelets, says the same.
_EXIT_CODE_OF_KWOK = re.compile(
    r"error executing command in container: cmd wait: .*: exit status ([0-9]{1,10})\Z", re.DOTALL
)
_LONGEST_MESSAGE = 4096


class RemoteCommand:
    """The channels of one session. ``version`` is that of the protocol; ``attached``: attach, which runs no program."""

    def __init__(self, version: int, *, attached: bool) -> None:
        self._version = version
        self._attached = attached
        self._tallies: dict[str, Tally] = {}

    def of_number(self, number: int) -> Tally | None:
        """What a WebSocket channel is counted in; None for one that there is not, such as v5's 255, which says that
        another is closed."""
        return self._of(_NAMES[number]) if 0 <= number < len(_NAMES) else None

    def of_headers(self, headers: Mapping[str, str]) -> Tally:
        """What a SPDY stream with such headers is counted in."""
        kind = headers.get("streamtype", "")
        return self._of(kind) if kind in _NAMES else Tally("")

    def channels(self) -> tuple[Channel, ...]:
        """Those that were used."""
        found = (self._tallies.get(name) for name in _NAMES)
        return tuple(
            Channel(name=one.name, client_bytes=one.bytes[0], server_bytes=one.bytes[1])
            for one in found
            if one is not None
        )

    def outcome(self, *, ended: bool) -> tuple[Status | None, int | None]:
        """What the error channel said, and the exit code of the program; ``ended``: the server will say no more."""
        error = self._tallies.get(_NAMES[_ERROR])
        if error is None or not error.said:
            silent = self._version < _FIRST_WITH_STATUS and (ended or (error is not None and error.ended))
            return None, 0 if silent and not self._attached else None
        said = bytes(error.said)
        if self._version >= _FIRST_WITH_STATUS and said.lstrip().startswith(b"{"):
            status = _of_json(said)
        else:
            status = _of_text(said.decode("utf-8", "replace"))
        return status, None if status is None else self._exit_code(status)

    def _of(self, name: str) -> Tally:
        tally = self._tallies.get(name)
        if tally is None:
            most = STATUS_BYTES if name == _NAMES[_ERROR] else 0
            tally = self._tallies[name] = Tally(name, most=most)
        return tally

    def _exit_code(self, status: Status) -> int | None:
        if not status.failure:
            return None if self._attached else 0
        if status.reason != NON_ZERO_EXIT:
            found = _EXIT_CODE_OF_KWOK.search(status.message[:_LONGEST_MESSAGE])
            return int(found[1]) if found else None
        told = (cause.message for cause in status.causes if cause.reason == "ExitCode")
        return next((int(code) for code in told if re.fullmatch(r"[0-9]{1,10}", code)), None)


def failed(message: str) -> Status:
    """A Status of a message that came without one."""
    return Status(status="Failure", reason="InternalError", code=500, message=text(message[:_LONGEST_MESSAGE]))


def _of_json(said: bytes) -> Status | None:
    """None where it is another document, or not whole yet."""
    document = mapping(parse_json(said))
    if document.get("status") not in ("Success", "Failure"):
        return None
    return status_decoder.from_document({**document, "kind": "Status", "apiVersion": "v1"})


def _of_text(said: str) -> Status:
    if not said.startswith(_NON_ZERO):
        return failed(said)
    found = _EXIT_CODE.search(said[:_LONGEST_MESSAGE])
    causes = (Cause(reason="ExitCode", message=found[1]),) if found else ()
    message = text(said[:_LONGEST_MESSAGE])
    return Status(status="Failure", reason=NON_ZERO_EXIT, message=message, details=Details(causes=causes))
