"""A client of the streaming protocols that no kubectl here speaks any more, for recordings of them.

WebSocket with the channel protocols before v5, and SPDY with the remote command protocols before v4. It sends what it
is given, reads until the server is done or silent, and ends the connection.
"""

from __future__ import annotations

import os
import socket
import ssl
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from analyzers.decode.upgraded.spdy_headers import DICTIONARY

_SILENCE_SECONDS = 1.5


class Streaming:
    """Connections to one API server, each for one upgraded request; ``token`` says who asks."""

    def __init__(self, port: int, ca_file: Path, token: str) -> None:
        self._port = port
        self._trusted = ssl.create_default_context(cafile=str(ca_file))
        self._token = token

    def websocket(self, path: str, protocol: str, messages: Sequence[bytes] = ()) -> None:
        """Send ``messages``, binary or as text where the protocol is a base64 one, then a close frame."""
        fields = [("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
        if protocol:
            fields.append(("Sec-WebSocket-Protocol", protocol))
        with self._upgraded("GET", path, "websocket", fields) as connection:
            for message in messages:
                connection.sendall(_frame(0x1 if "base64" in protocol else 0x2, message))
            _read_on(connection)
            _end(connection, _frame(0x8, b"\x03\xe8"))

    def spdy(self, path: str, protocol: str, streams: Sequence[tuple[str, bytes]]) -> None:
        """Open a stream of each type, send its content, and say goodbye when the server is silent."""
        fields = [("X-Stream-Protocol-Version", protocol)]
        deflate = zlib.compressobj(9, zdict=DICTIONARY)
        with self._upgraded("POST", path, "SPDY/3.1", fields) as connection:
            for number, (kind, _) in enumerate(streams):
                connection.sendall(_syn_stream(2 * number + 1, {"streamtype": kind}, deflate))
            for number, (_, content) in enumerate(streams):
                if content:
                    connection.sendall(_word(2 * number + 1) + b"\x01" + _word(len(content))[1:] + content)
            _read_on(connection)
            _end(connection, b"\x80\x03\x00\x07\x00\x00\x00\x08" + _word(0) + _word(0))

    def _upgraded(self, method: str, path: str, protocol: str, fields: Sequence[tuple[str, str]]) -> ssl.SSLSocket:
        connection = self._trusted.wrap_socket(
            socket.create_connection(("127.0.0.1", self._port)), server_hostname="127.0.0.1"
        )
        sent = [
            ("Host", "127.0.0.1"),
            ("Authorization", f"Bearer {self._token}"),
            ("Connection", "Upgrade"),
            ("Upgrade", protocol),
            *fields,
        ]
        head = "".join(f"{name}: {value}\r\n" for name, value in sent)
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += connection.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return connection


def _read_on(connection: ssl.SSLSocket) -> None:
    connection.settimeout(_SILENCE_SECONDS)
    try:
        while connection.recv(65536):
            pass
    except OSError:
        return


def _end(connection: ssl.SSLSocket, goodbye: bytes) -> None:
    # The server may have gone already.
    with suppress(OSError):
        connection.sendall(goodbye)
        _read_on(connection)


def _frame(kind: int, content: bytes) -> bytes:
    assert len(content) < 126
    key = os.urandom(4)
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(content))
    return bytes((0x80 | kind, 0x80 | len(content))) + key + masked


def _syn_stream(number: int, headers: dict[str, str], deflate: zlib._Compress) -> bytes:
    block = _word(len(headers)) + b"".join(
        _word(len(text)) + text.encode() for field in headers.items() for text in field
    )
    content = _word(number) + _word(0) + b"\x00\x00" + deflate.compress(block) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return b"\x80\x03\x00\x01\x00" + _word(len(content))[1:] + content


def _word(number: int) -> bytes:
    return number.to_bytes(4, "big")
