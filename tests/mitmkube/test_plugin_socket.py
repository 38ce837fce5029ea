"""What the shim of a credential plugin hands over reaches the proxy, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from mitmkube import plugin_shim, plugin_socket
from mitmkube.errors import UserError
from mitmkube.plugin_socket import PluginSocket, key_pair

SECONDS = 60
CREDENTIAL = {
    "kind": "ExecCredential",
    "apiVersion": "client.authentication.k8s.io/v1",
    "status": {"clientCertificateData": "certificate", "clientKeyData": "key", "token": "also"},
}

type Pairs = list[tuple[bytes, bytes]]


@contextlib.contextmanager
def listening(folder: Path) -> Iterator[tuple[Path, Pairs]]:
    """The socket in ``folder``, served beside the test, and the pairs that came."""
    pairs: Pairs = []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def ask[T](made: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(made, loop).result(SECONDS)

    async def close() -> None:
        opened.close()

    try:
        opened = ask(PluginSocket.open(folder, lambda *pair: pairs.append(pair)))
        yield opened.path, pairs
        ask(close())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        loop.close()


def shim(socket_path: Path, script: str) -> subprocess.CompletedProcess[bytes]:
    """The shim around a shell script, as kubectl starts it."""
    argv = [sys.executable, "-IS", plugin_shim.__file__, str(socket_path), "/bin/sh", "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, timeout=SECONDS, check=False)


def sent(path: Path, content: bytes) -> bytes:
    """What another program gets for it: b"" where the connection is closed without a word."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(str(path))
        try:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            return client.recv(10)
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.mark.parametrize("deep", ["", "a-folder-with-a-rather-long-name/" * 5], ids=["short", "long"])
def test_pair_is_there_before_kubectl_has_it(tmp_path: Path, deep: str) -> None:
    """Also where the path is longer than a socket's name may be."""
    with listening(tmp_path / deep) as (path, pairs):
        ended = shim(path, f"echo '{json.dumps(CREDENTIAL)}'; echo hint >&2")
        assert (ended.returncode, json.loads(ended.stdout), ended.stderr) == (0, CREDENTIAL, b"hint\n")
        assert pairs == [(b"certificate", b"key")]


def test_pair_in_yaml_counts_as_for_client_go(tmp_path: Path) -> None:
    with listening(tmp_path) as (path, pairs):
        shim(path, "printf 'status:\\n  clientCertificateData: |\\n    a\\n  clientKeyData: b\\n'")
        assert pairs == [(b"a\n", b"b")]


def test_token_stays_between_the_plugin_and_kubectl(tmp_path: Path) -> None:
    """Nobody answers on this socket: who asked would wait."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        listener.setblocking(False)
        ended = shim(tmp_path / "socket", """echo '{"status": {"token": "secret"}}'""")
        assert (ended.returncode, ended.stdout) == (0, b'{"status": {"token": "secret"}}\n')
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_socket_is_for_its_owner_only(tmp_path: Path) -> None:
    with listening(tmp_path) as (path, _):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_other_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever it is: here it is the proxy that takes itself for somebody else."""
    with listening(tmp_path) as (path, pairs):
        content = json.dumps(CREDENTIAL).encode()
        assert sent(path, content) == b"\n"
        own = os.geteuid()
        monkeypatch.setattr(plugin_socket.os, "geteuid", lambda: own + 1)
        assert sent(path, content) == b""
        assert pairs == [(b"certificate", b"key")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[" * 100_000,
        b"- a\n- b",
        b"null",
        b'{"status": null}',
        b'{"status": {"clientKeyData": "k"}}',
        b'{"status": {"clientKeyData": "k", "clientCertificateData": 7}}',
        b"status: {clientKeyData: &a [*a]}",
        b"!!python/object:os.system {}",
        b'{"status": {"clientKeyData": "", "clientCertificateData": "\\ud800"}}',
    ],
    ids=lambda content: repr(content[:30]),
)
def test_what_holds_no_pair_gives_none(content: bytes) -> None:
    assert key_pair(content) is None


def test_half_a_character_is_no_error() -> None:
    assert key_pair(b'{"status": {"clientKeyData": "k", "clientCertificateData": "\\ud800"}}') == (b"?", b"k")


def test_more_than_any_credential_holds_is_not_taken(tmp_path: Path) -> None:
    with listening(tmp_path) as (path, pairs):
        padded = json.dumps(CREDENTIAL).encode() + b" " * (2 << 20)
        sent(path, padded)
        assert pairs == []
        assert sent(path, json.dumps(CREDENTIAL).encode()) == b"\n"
        assert len(pairs) == 1


def test_socket_of_a_session_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / plugin_socket.SOCKET))
    with listening(tmp_path) as (path, _):
        assert sent(path, b"{}") == b"\n"
    assert not path.exists()


def test_folder_that_holds_no_socket_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--wrap-plugin needs a socket there"):
        asyncio.run(PluginSocket.open(tmp_path / "nowhere", lambda *_: None))
