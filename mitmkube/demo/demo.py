"""The demo: one command that works and failures of every category, each run by ``mitmkube run`` as a user would.

The commands, the proxy and the reports are real; only the API server is not: it answers from recordings of one.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mitmkube.demo.api_server import ApiServer
from mitmkube.demo.interruption import Interrupted, Interruption
from mitmkube.demo.pki import Authority
from mitmkube.demo.recorded import Recordings
from mitmkube.demo.scenes import SCENES, Scene
from mitmkube.demo.stage import environment, work_folder
from mitmkube.private_files import make_private_folder, private_folder

_COMMAND_SECONDS = 60
_ENDING_SECONDS = 5
_BROKEN_PIPE = 128 + signal.SIGPIPE


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What the commands are run with: ``argv`` starts it, ``shown`` is how the demo writes it."""

    argv: tuple[str, ...]
    shown: tuple[str, ...]
    introduction: str


def demo(environ: Mapping[str, str]) -> int:
    """Run the demo and leave nothing behind. 0 when every command ended as expected, else 1 (128+n after a signal)."""
    with Interruption() as interruption:
        try:
            return _demo(environ, interruption)
        except Interrupted as interrupted:
            return interrupted.status
        except BrokenPipeError:
            # Nobody reads on, and the interpreter must not try again when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _BROKEN_PIPE


def _demo(environ: Mapping[str, str], interruption: Interruption) -> int:
    with _folder(environ, interruption) as folder, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # it never listens, and nobody else can
        own = environment(environ, folder)
        recordings = Recordings.load()
        authority = Authority.create(private_folder(folder / "pki"))
        with ApiServer(recordings, authority.server(), authority.file) as server:
            work = work_folder(folder, authority, recordings, server.url, closed.getsockname()[1])
            client = find_client(own)
            _say(f"No cluster is needed or touched: what answers here is a recording of {_recorded_from(recordings)}.")
            _say(client.introduction)
            for number, scene in enumerate(SCENES, start=1):
                _say("", _bold(f"{number} of {len(SCENES)}  {scene.title}"))
                _say(f"$ {shlex.join([*client.shown, *scene.arguments])}")
                if wrong := _play(scene, client, own, work, interruption):
                    _say("")  # a reader that has gone away is no failure of the command
                    print(f"mitmkube: in the demo, {scene.title}: {wrong}", file=sys.stderr)
                    return 1
    _say("", "Each command ended as it should. Now one of yours:  mitmkube run -- kubectl get pods")
    return 0


def _recorded_from(recordings: Recordings) -> str:
    answer = recordings.answer("admin", "GET", "/version", "")
    return f"kube-apiserver {json.loads(answer.body or b'{}')['gitVersion'] if answer else ''}"


def find_client(environ: Mapping[str, str]) -> Client:
    """kubectl if there is one that starts, else the built-in client."""
    found = shutil.which("kubectl", path=environ.get("PATH"))
    if found is not None and (version := _version(found, environ)):
        return Client(argv=(found,), shown=("kubectl",), introduction=f"Using kubectl {version}: {found}")
    program = (sys.executable, "-m", "mitmkube.demo.client")
    shown = (Path(sys.executable).name, *program[1:])
    missing = "no kubectl found" if found is None else f"{found} does not start"
    return Client(argv=program, shown=shown, introduction=f"{missing}: using the built-in client")


def _version(kubectl: str, environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            [kubectl, "version", "--client", "-o", "json"],
            env={**environ, "KUBECONFIG": os.devnull},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        return str(json.loads(done.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return ""


def _play(scene: Scene, client: Client, environ: Mapping[str, str], work: Path, interruption: Interruption) -> str:
    """Run one command; what went otherwise than expected, "" for nothing."""
    result = work / "result.json"
    result.unlink(missing_ok=True)
    run = [sys.executable, "-m", "mitmkube", "run", f"--json={result}", "--", *client.argv, *scene.arguments]
    try:
        status = _run(run, {**environ, "KUBECONFIG": str(work / f"{scene.who}.kubeconfig")}, work, interruption)
    except subprocess.TimeoutExpired:
        return f"the command did not end within {_COMMAND_SECONDS} seconds"
    try:
        cause = json.loads(result.read_bytes())["cause"]
    except (OSError, ValueError, KeyError):
        return "there is no report"
    rule = (cause or {}).get("rule") or ""
    if rule != scene.rule:
        return f"{rule or 'no failure'} was found, not {scene.rule or 'that all is well'}"
    if (status == 0) != (not scene.rule):
        return f"the command ended with status {status}"
    return ""


def _run(argv: Sequence[str], environ: Mapping[str, str], folder: Path, interruption: Interruption) -> int:
    """Run to the end; also when this is interrupted, for ``mitmkube run`` tidies up after itself."""
    sys.stdout.flush()
    child: subprocess.Popen[bytes] | None = None
    try:
        with interruption.held():
            child = subprocess.Popen(
                argv, env=dict(environ), cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
            )
        return child.wait(_COMMAND_SECONDS)
    finally:
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextmanager
def _folder(environ: Mapping[str, str], interruption: Interruption) -> Iterator[Path]:
    folder: Path | None = None
    try:
        with interruption.held():
            folder = make_private_folder(environ)
        yield folder
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def _bold(text: str) -> str:
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text
