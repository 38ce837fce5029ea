"""The sides that are compared: direct, bare mitmdump in three ways, and mitmkube with everything on."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.setting import Setting
from tests.cluster.cluster import free_ports
from tests.cluster.command import environment

DIRECT, MITMKUBE = "direct", "mitmkube"
AS_IT_COMES, HTTP1, STREAMING = "mitmdump HTTP/2", "mitmdump", "mitmdump streaming"
MITMDUMPS = (AS_IT_COMES, HTTP1, STREAMING)
ALL = (DIRECT, *MITMDUMPS, MITMKUBE)

IDENTITY = "token"
"""Who asks, of the cluster's identities. A token passes a bare mitmdump as it is; a client certificate would not."""

READY_SECONDS, END_SECONDS = 30, 600
_ENTRY = b'"startedDateTime"'
_OPTIONS: dict[str, tuple[str, ...]] = {
    AS_IT_COMES: (),
    HTTP1: ("http2=false",),
    STREAMING: ("http2=false", "stream_large_bodies=1"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One side, ready to be used. ``kubeconfig`` is a value for KUBECONFIG, ``pid`` that of the proxy, if there is one.

    ``proxy`` is a URL with the password in it, "" without a proxy; ``ca`` is PEM. ``http2``: whether the client of the
    benchmarks speaks it there; kubectl does wherever it is offered, directly too.
    """

    name: str
    kubeconfig: str
    ca: str = field(repr=False)
    proxy: str = field(default="", repr=False)
    pid: int | None = None
    http2: bool = False


@contextmanager
def opened(setting: Setting, names: Sequence[str] = ALL) -> Iterator[dict[str, Way]]:
    """All of them at once, by name."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(_open(setting, name)) for name in names}


def _open(setting: Setting, name: str) -> AbstractContextManager[Way]:
    if name == DIRECT:
        return nullcontext(direct(setting))
    return mitmkube(setting, new_folder(setting.folder)) if name == MITMKUBE else _mitmdump(setting, name)


def direct(setting: Setting) -> Way:
    """No proxy."""
    cluster = setting.cluster
    return Way(name=DIRECT, kubeconfig=str(cluster.kubeconfig(IDENTITY)), ca=cluster.ca_file.read_text())


@contextmanager
def _mitmdump(setting: Setting, name: str) -> Iterator[Way]:
    """A mitmdump that trusts the cluster's CA and does nothing else."""
    cluster, folder = setting.cluster, new_folder(setting.folder)
    (port,) = free_ports(1)
    where = ("listen_host=127.0.0.1", f"listen_port={port}", f"confdir={folder}")
    options = (*_OPTIONS[name], *where, f"ssl_verify_upstream_trusted_ca={cluster.ca_file}")
    sets = [word for option in options for word in ("--set", option)]
    with _process([setting.mitmdump, "-q", *sets], environment(folder)) as process:
        _until_listening(process, port)
        ca = (folder / "mitmproxy-ca-cert.pem").read_text()
        kubeconfig = cluster.identities.kubeconfig(
            f"through-{name.replace(' ', '-').replace('/', '')}",
            cluster.identities.stanza(IDENTITY),
            {
                "proxy-url": f"http://127.0.0.1:{port}",
                "certificate-authority-data": base64.b64encode(ca.encode()).decode(),
            },
        )
        yield Way(
            name=name,
            kubeconfig=str(kubeconfig),
            ca=ca,
            proxy=f"http://127.0.0.1:{port}",
            pid=process.pid,
            http2=name == AS_IT_COMES,
        )


@contextmanager
def mitmkube(setting: Setting, folder: Path) -> Iterator[Way]:
    """``mitmkube run`` with every output on, in ``folder``. Its command says where the overlay is and waits.

    So the client is no child of it, which changes nothing for the proxy, and can be started again and again.
    """
    outputs = [f"--{kind}={folder / kind}" for kind in ("report", "har", "json")]
    says = 'echo "$KUBECONFIG"; exec cat'
    command: list[str | Path] = [setting.mitmkube, "run", "--steps", *outputs, "--", "sh", "-c", says]
    env = environment(folder, setting.cluster.kubeconfig(IDENTITY))
    with _process(command, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        kubeconfig = process.stdout.readline().decode().strip()
        if not kubeconfig:
            raise RuntimeError("mitmkube run did not start")
        overlay = yaml.safe_load(Path(kubeconfig.split(os.pathsep)[0]).read_text())
        stanza: Mapping[str, Any] = overlay["clusters"][0]["cluster"]
        yield Way(
            name=MITMKUBE,
            kubeconfig=kubeconfig,
            ca=base64.b64decode(stanza["certificate-authority-data"]).decode(),
            proxy=str(stanza["proxy-url"]),
            pid=process.pid,
        )
        process.stdin.close()
        if process.wait(END_SECONDS):
            raise RuntimeError(f"mitmkube run ended with status {process.returncode}")
        if not entries(folder) or not (folder / "json").stat().st_size or not (folder / "report").stat().st_size:
            raise RuntimeError("mitmkube run wrote nothing down: what was measured is not everything on")


def entries(folder: Path) -> int:
    """How many entries the HAR in ``folder`` has, which may be larger than what is good to have in memory."""
    count, before = 0, b""
    with (folder / "har").open("rb") as file:
        while part := file.read(1 << 20):
            seen = before + part
            count += seen.count(_ENTRY)
            before = seen[len(seen) - len(_ENTRY) + 1 :]
    return count


def new_folder(parent: Path) -> Path:
    """A new 0700 folder in ``parent``."""
    return Path(tempfile.mkdtemp(dir=parent))


def token(setting: Setting) -> str:
    """The bearer token of ``IDENTITY``."""
    return str(setting.cluster.identities.stanza(IDENTITY)["token"])


def program(name: str) -> Path:
    """A console script of the environment that this Python is of."""
    found = Path(sys.executable).parent / name
    if not found.exists():
        raise RuntimeError(f"{found} is not there: make bench sets it up")
    return found


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
