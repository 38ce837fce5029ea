"""Records what passes on upgraded connections: ``python -m tests.cluster.record_upgraded [NAME …]``.

exec, attach, cp and port-forward of the kubectl that speaks SPDY alone and of two that speak WebSocket, and the
protocols that none of them speaks any more (``old_streaming_client.py``). Nothing typed or forwarded here is a secret.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.command import environment
from tests.cluster.kubectl import Kubectl, find_kubectls
from tests.cluster.old_streaming_client import Streaming
from tests.cluster.upgrade_tap import Tap, save, tap

RECORDINGS = Path(__file__).parents[1] / "analyzers" / "decode" / "upgraded" / "recordings"
VERSIONS = ((1, 27), (1, 33), (1, 36))
SECONDS = 60
TYPED = "the-quick-brown-fox"
"""What is typed wherever something is; a recording's reader must not tell it again."""

_POD = "/api/v1/namespaces/default/pods/p0"
# With its header and the end of the archive one of tar's records: the stand-in for the kubelet does not pass on the end
# of stdin, which tar would wait for otherwise.
_FILE = hashlib.shake_128(b"file").digest(10240 - 512 - 1024)
_PAGE = hashlib.shake_128(b"page").digest(6000)
# What a command needs to be known as running; nothing of it is recorded.
_A_WHILE = 0.5


def main(wanted: list[str]) -> int:
    """Record all, or those called so; 1 when a kubectl that is needed is missing."""
    found = {kubectl.version: kubectl for kubectl in find_kubectls(binaries())}
    if missing := [version for version in VERSIONS if version not in found]:
        print(f"no kubectl of version {missing}", file=sys.stderr)
        return 1
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    with Cluster(binaries()) as cluster, tap(cluster.port, cluster.run / "pki") as between:
        recorder = Recorder(cluster, between, wanted)
        recorder.old_protocols()
        for version in VERSIONS:
            with tempfile.TemporaryDirectory() as home:
                recorder.kubectl(found[version], Path(home))
    return 0


class Recorder:
    """Runs commands through the tap and writes what passed."""

    def __init__(self, cluster: Cluster, between: Tap, wanted: list[str]) -> None:
        self._cluster = cluster
        self._tap = between
        self._wanted = wanted
        config = json.loads(cluster.kubeconfig("token").read_text())
        self._token: str = config["users"][0]["user"]["token"]
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{between.port}"
        self._kubeconfig = cluster.run / "tap.kubeconfig"
        self._kubeconfig.write_text(json.dumps(config))

    def kubectl(self, kubectl: Kubectl, home: Path) -> None:
        """Everything of one kubectl."""
        env = environment(home, self._kubeconfig)

        def run(*arguments: str, stdin: str | None = None) -> None:
            command = [str(kubectl.path), *arguments]
            subprocess.run(
                command, env=env, input=stdin or "", text=True, capture_output=True, timeout=SECONDS, check=False
            )

        def record(name: str, act: Callable[[], object]) -> None:
            self._record(f"{kubectl.version[0]}.{kubectl.version[1]}_{name}", act)

        script = "seq 200; echo wrong >&2"
        record("exec", lambda: run("exec", "p0", "--", "sh", "-c", script))
        record("exec_exit_3", lambda: run("exec", "p0", "--", "sh", "-c", f"{script}; exit 3"))
        record("exec_stdin", lambda: run("exec", "-i", "p0", "--", "head", "-c4", stdin=f"{TYPED}\n"))
        record("exec_no_program", lambda: run("exec", "p0", "--", "/no/such/program"))
        record("exec_terminal", lambda: self._with_terminal(kubectl, env))
        record("attach", lambda: self._attach(kubectl, env))
        with self._pod_file() as (sent, there):
            record("cp_to", lambda: run("cp", str(sent), f"default/p0:{there}"))
            record("cp_from", lambda: run("cp", f"default/p0:{there}", str(home / "received")))
        with self._page():
            record("port_forward", lambda: self._forward(kubectl, env))
        record("port_forward_refused", lambda: self._forward(kubectl, env))

    def old_protocols(self) -> None:
        """What only a client of our own still speaks. The API server passes these on to the kubelet as they are."""
        client = Streaming(self._tap.port, self._cluster.ca_file, self._token)
        flags = "stdin=1&stdout=1&stderr=1"
        script = quote_plus("seq 200; echo wrong >&2; exit 3")
        exits = f"{_POD}/exec?command=sh&command=-c&command={script}&{flags}"
        reads = f"{_POD}/exec?command=head&command=-c4&{flags}"
        missing = f"{_POD}/exec?command=/no/such/program&{flags}"
        typed = TYPED.encode()
        for version in ("", "v4."):
            short = version[:2] or "v1"
            self._record(f"{short}_websocket_exit_3", partial(client.websocket, exits, f"{version}channel.k8s.io"))
            self._record(
                f"{short}_websocket_no_program", partial(client.websocket, missing, f"{version}channel.k8s.io")
            )
            self._record(
                f"{short}_websocket_stdin",
                partial(client.websocket, reads, f"{version}channel.k8s.io", [b"\x00" + typed]),
            )
            self._record(f"{short}_base64_exit_3", partial(client.websocket, exits, f"{version}base64.channel.k8s.io"))
            self._record(
                f"{short}_base64_stdin",
                partial(client.websocket, reads, f"{version}base64.channel.k8s.io", [b"0" + base64.b64encode(typed)]),
            )
        self._record("unnamed_websocket_exit_3", partial(client.websocket, exits, ""))
        kinds = [("error", b""), ("stdin", typed), ("stdout", b""), ("stderr", b"")]
        for version in ("", "v2.", "v3."):
            for name, path in (("exit_3", exits), ("no_program", missing), ("stdin", reads)):
                self._record(
                    f"{version[:2] or 'v1'}_spdy_{name}", partial(client.spdy, path, f"{version}channel.k8s.io", kinds)
                )
        forward = f"{_POD}/portforward?ports=80"
        request = b"GET / HTTP/1.0\r\n\r\n"
        asked = [b"\x00" + request]
        with self._page():
            self._record("v4_websocket_port_forward", partial(client.websocket, forward, "v4.channel.k8s.io", asked))
        for text in ("", "base64."):
            self._record(
                f"v4_{text.rstrip('.') or 'websocket'}_port_forward_refused",
                partial(client.websocket, forward, f"v4.{text}channel.k8s.io"),
            )

    def _record(self, name: str, act: Callable[[], object]) -> None:
        if self._wanted and name not in self._wanted:
            return
        self._tap.passed.clear()
        act()
        documents = self._until_ended()
        if not documents:
            print(f"{name}: nothing was upgraded", file=sys.stderr)
        # cp asks with one connection whether the target is a folder, and copies with the last.
        for document in documents[-1:]:
            assert self._token not in json.dumps(document)
            save(document, RECORDINGS / f"{name}.jsonl")

    def _until_ended(self) -> list[list[Any]]:
        deadline = time.monotonic() + SECONDS
        while not all(one.ended_by for one in self._tap.passed) and time.monotonic() < deadline:
            time.sleep(0.05)
        return self._tap.documents()

    @contextmanager
    def _pod_file(self) -> Iterator[tuple[Path, Path]]:
        folder = self._cluster.run / "exec"
        sent, there = self._cluster.run / "sent", folder / "there"
        sent.write_bytes(_FILE)
        there.unlink(missing_ok=True)
        yield sent, there

    def _with_terminal(self, kubectl: Kubectl, env: dict[str, str]) -> None:
        ours, theirs = pty.openpty()
        script = f"read -r typed; test ${{#typed}} = {len(TYPED)} && echo right; exit 4"
        command = [str(kubectl.path), "exec", "-it", "p0", "--", "sh", "-c", script]
        process = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        time.sleep(_A_WHILE)
        os.write(ours, f"{TYPED}\n".encode())
        with suppress(OSError):
            while os.read(ours, 4096):
                pass
        process.wait(SECONDS)
        os.close(ours)

    def _attach(self, kubectl: Kubectl, env: dict[str, str]) -> None:
        log = self._cluster.run / "pod.log"
        before = log.stat().st_size
        process = subprocess.Popen(
            [str(kubectl.path), "attach", "p0"], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        time.sleep(2 * _A_WHILE)
        for _ in range(3):
            with log.open("a") as file:
                file.write("2026-01-01T00:00:06.000000000Z stdout F news\n")
            time.sleep(_A_WHILE)
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)
        os.truncate(log, before)

    def _forward(self, kubectl: Kubectl, env: dict[str, str]) -> None:
        command = [str(kubectl.path), "port-forward", "pod/p0", "--address=127.0.0.1", ":80", ":81"]
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        ports = [_local_port(process.stdout.readline()) for _ in range(2)]
        for port in (ports[0], ports[0], ports[1]):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read()
        time.sleep(_A_WHILE)
        process.send_signal(signal.SIGINT)
        process.wait(SECONDS)

    @contextmanager
    def _page(self) -> Iterator[None]:
        with http.server.ThreadingHTTPServer(("127.0.0.1", self._cluster.forward_port), _Page) as server:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            yield
            server.shutdown()


class _Page(http.server.BaseHTTPRequestHandler):
    """What listens behind every port of the pod."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _local_port(line: str) -> int:
    found = re.search(r"Forwarding from 127\.0\.0\.1:(\d+)", line)
    assert found is not None, line
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
