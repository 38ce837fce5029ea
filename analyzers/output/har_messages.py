"""``_webSocketMessages``, as Chrome writes them: when, which way, how many bytes, and nothing of what they say.

Where Chrome has the content stands what is left out, in words: so ``opcode`` is that of text, or a viewer would show
none of them, and ``_opcode`` what was sent. Only how it went is told, as the error channel says it, redacted, and in a
close frame.
"""

from __future__ import annotations

from typing import Any

from analyzers import redact
from analyzers.exchange import Exchange
from analyzers.streams.message import CLOSE, ERROR_CHANNEL, TEXT, Message
from analyzers.streams.upgraded import Upgraded

_TYPES = {"client": "send", "server": "receive"}


def messages(exchange: Exchange) -> list[dict[str, Any]] | None:
    """The messages of an upgraded connection, redacted; None where it is no WebSocket."""
    stream = exchange.response.stream if exchange.response is not None else None
    if not isinstance(stream, Upgraded) or stream.messages is None:
        return None
    first, latest, left_out = stream.messages.first, stream.messages.latest, stream.messages.left_out
    last_word = next((one for one in reversed((*first, *latest)) if _is_last_word(one)), None)
    found: list[dict[str, Any]] = []
    for one in (*first, *latest):
        if left_out and latest and one is latest[0]:
            found.append(_gap(left_out, one))
        found.append(_message(one, _said(one, stream, last_word)))
    return found


def _is_last_word(message: Message) -> bool:
    return message.label == ERROR_CHANNEL and message.side == "server"


def _message(message: Message, said: str) -> dict[str, Any]:
    closes = message.opcode == CLOSE
    return {
        "type": _TYPES[message.side],
        "time": message.time,
        "opcode": CLOSE if closes else TEXT,
        "data": said,
        "_opcode": message.opcode,
        "_bytes": message.size,
        **({"_channel": message.label} if message.label and not closes else {}),
    }


def _gap(left_out: int, after: Message) -> dict[str, Any]:
    count = "1 message" if left_out == 1 else f"{left_out:,} messages"
    said = f"[{count} not kept]"
    return {"type": _TYPES[after.side], "time": after.time, "opcode": TEXT, "data": said, "_leftOut": left_out}


def _said(message: Message, stream: Upgraded, last_word: Message | None) -> str:
    if message.opcode == CLOSE:
        return redact.text(message.label)
    if message is last_word and stream.status is not None:
        status = redact.body(stream.status, "application/json")
        if status is not None:
            return status.decode("utf-8", "replace")
    size = "1 byte" if message.size == 1 else f"{message.size:,} bytes"
    return f"[{message.label + ': ' if message.label else ''}{size}, left out]"
