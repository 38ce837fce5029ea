"""Where the shim of a credential plugin shows the proxy what the plugin printed.

A key that a plugin returns exists in kubectl's memory alone, so nobody else could prove to hold it. It goes from the
shim to the proxy over this socket, and stands in no file, on no command line and in no environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mitmkube.errors import UserError

SOCKET = "plugins.sock"
"""The file name of the socket."""

_LARGEST = 1 << 20
_PATIENCE_SECONDS = 10

type Take = Callable[[bytes, bytes], None]
"""Told the certificate and the key, both as PEM."""


class PluginSocket:
    """A socket in a folder of the session, which only its owner can enter."""

    def __init__(self, path: Path, server: asyncio.Server) -> None:
        self.path = path
        self._server = server

    @classmethod
    async def open(cls, folder: Path, take: Take) -> PluginSocket:
        """Listen in ``folder``; ``take`` gets every key pair. Raises UserError."""
        path = folder / SOCKET

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, TimeoutError), contextlib.closing(writer):
                if not _is_own_user(writer.get_extra_info("socket")):
                    return
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    pair = await asyncio.to_thread(key_pair, await _all(reader))  # YAML takes its time
                    if pair is not None:
                        take(*pair)
                    writer.write(b"\n")
                    await writer.drain()

        path.unlink(missing_ok=True)  # of a session that was killed
        try:
            listener = _listening(path)
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or error}; --wrap-plugin needs a socket there") from None
        return cls(path, await asyncio.start_unix_server(connected, sock=listener))

    def close(self) -> None:
        """Take nothing more."""
        self._server.close()
        self.path.unlink(missing_ok=True)


def key_pair(said: bytes) -> tuple[bytes, bytes] | None:
    """The certificate and key of an ExecCredential, JSON or YAML as client-go reads both; None where it has none."""
    try:
        document: Any = json.loads(said)
    except (ValueError, RecursionError):
        try:
            document = yaml.safe_load(said)
        except (yaml.YAMLError, ValueError, RecursionError):
            return None
    status = document.get("status") if isinstance(document, dict) else None
    pair = [status.get(key) for key in ("clientCertificateData", "clientKeyData")] if isinstance(status, dict) else []
    certificate, key = (one.encode("utf-8", "replace") if isinstance(one, str) else b"" for one in pair or ("", ""))
    return (certificate, key) if certificate and key else None


async def _all(reader: asyncio.StreamReader) -> bytes:
    """All that comes; b"" where it is more than any credential has."""
    received = bytearray()
    while chunk := await reader.read(65536):
        received += chunk
        if len(received) > _LARGEST:
            return b""
    return bytes(received)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(str(path))
        except OSError:
            # Its name may have a hundred characters; Linux has a short one for every folder.
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                listener.bind(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
        path.chmod(0o600)
        listener.listen()
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _is_own_user(peer: socket.socket) -> bool:
    """Where the system does not tell, the folder has let nobody else in."""
    if sys.platform != "linux":
        return True
    _, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(uid == os.geteuid())
