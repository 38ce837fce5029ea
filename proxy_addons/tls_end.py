"""One end of a tunnel whose handshake is done: bytes off the wire to content, content to bytes for the wire.

It uses the OpenSSL connection that mitmproxy's TLS layer made. pyOpenSSL raises an exception each time that there is
nothing more to read, which is after every piece; asking OpenSSL itself costs a tenth of it.
"""

from __future__ import annotations

import contextlib

from mitmproxy.connection import Connection
from OpenSSL import SSL
from OpenSSL.SSL import _ffi, _lib  # type: ignore[attr-defined]  # pyOpenSSL has no name of its own for these

_ROOM = 65536
_buffer = _ffi.new("char[]", _ROOM)


class End:
    """``tls`` is None where the tunnel is not encrypted (a server at http://)."""

    __slots__ = ("alert", "closed", "conn", "notified", "tls")

    def __init__(self, conn: Connection, tls: SSL.Connection | None) -> None:
        self.conn = conn
        self.tls = tls
        self.closed = False
        """Nothing more comes from there."""
        self.notified = tls is not None and bool(tls.get_shutdown() & SSL.RECEIVED_SHUTDOWN)
        """It said so itself: a TLS close_notify."""
        self.alert = ""
        """OpenSSL's words for what made reading impossible; "" while it is not."""

    def decrypt(self, data: bytes) -> bytes:
        """The content of what came off the wire; sets ``notified`` or ``alert`` where it ends."""
        tls = self.tls
        if tls is None:
            return data
        tls.bio_write(data)
        pieces: list[bytes] = []
        while (size := _lib.SSL_read(tls._ssl, _buffer, _ROOM)) > 0:
            pieces.append(_ffi.buffer(_buffer, size)[:])
        error = _lib.SSL_get_error(tls._ssl, size)
        if error == _lib.SSL_ERROR_ZERO_RETURN:
            self.notified = True
        elif error != _lib.SSL_ERROR_WANT_READ:
            try:
                tls._raise_ssl_error(tls._ssl, size)
            except SSL.Error as raised:
                self.alert = f"TLS Error: {raised}"
        return b"".join(pieces)

    def encrypt(self, content: bytes) -> bytes:
        """What must go out for ``content``; b"" when the peer has gone."""
        if self.tls is None:
            return content
        with contextlib.suppress(SSL.ZeroReturnError, SSL.SysCallError):
            self.tls.sendall(content)
        return self.outgoing()

    def outgoing(self) -> bytes:
        """What OpenSSL itself has to say: a key update, an alert."""
        tls = self.tls
        if tls is None:
            return b""
        pieces: list[bytes] = []
        while (size := _lib.BIO_read(tls._from_ssl, _buffer, _ROOM)) > 0:
            pieces.append(_ffi.buffer(_buffer, size)[:])
        return b"".join(pieces)

    def close_notify(self) -> bytes:
        """What tells the peer that nothing more will come."""
        if self.tls is None:
            return b""
        with contextlib.suppress(SSL.Error):
            self.tls.shutdown()
        return self.outgoing()
