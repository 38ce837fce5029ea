"""mitmkube started as a user would, in a home folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import har_schema

MITMKUBE = (sys.executable, "-m", "mitmkube")
CLIENT = (sys.executable, str(Path(__file__).with_name("client.py")))
"""A client that is not kubectl; takes paths to GET."""
SECONDS = 60
"""No command here takes as long; one that does hangs."""


def python(program: str) -> tuple[str, ...]:
    """A command line that runs ``program``."""
    return (sys.executable, "-c", program)


WAITING = python("import sys; print('up', flush=True); sys.stdin.read()")
"""A command that says that it is there and ends with its stdin."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where commands run: ``home`` is HOME, ``work`` the working folder, ``runtime`` where mitmkube keeps its files."""

    home: Path
    work: Path
    runtime: Path
    environ: dict[str, str] = field(repr=False)

    @classmethod
    def make(cls, folder: Path, kubeconfig: Path | str | None = None) -> Place:
        home, work, runtime = (folder / name for name in ("home", "work", "runtime"))
        for path in (home, work, runtime):
            path.mkdir(mode=0o700)
        left_out = ("KUBE", "XDG_", "LC_", "LANG", "NO_COLOR", "MITMKUBE")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environ |= {"HOME": str(home), "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(runtime)}
        if kubeconfig is not None:
            environ["KUBECONFIG"] = str(kubeconfig)
        return cls(home, work, runtime, environ)

    def mitmkube(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, stdin: bytes = b"", **more: Any
    ) -> subprocess.CompletedProcess[bytes]:
        """Run mitmkube to its end, its output captured unless ``more`` says otherwise. Fails where it leaves a HAR that
        the specification does not allow."""
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if "stdin" not in more:
            options["input"] = stdin
        done = subprocess.run(
            [*MITMKUBE, *map(str, arguments)],
            env={**self.environ, **(env or {})},
            cwd=self.work,
            timeout=SECONDS,
            check=False,
            **{**options, **more},
        )
        har_schema.check_written([str(argument) for argument in arguments], self.work)
        return done

    def killed_session(self) -> Path:
        """The folder of a run that was killed."""
        before = set(self.runtime.iterdir())
        with self.started("run", "--quiet", "--", *WAITING) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            process.kill()
            process.wait(SECONDS)
            (left,) = set(self.runtime.glob("mitmkube-*")) - before
        assert left.is_dir()
        return left

    @contextlib.contextmanager
    def started(
        self, *arguments: str | Path, through: Sequence[str] = (), **more: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """mitmkube with pipes for stdin, stdout and stderr, until the block ends. ``through`` is put before it."""
        options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        argv = [*through, *MITMKUBE, *map(str, arguments)]
        options |= {"env": self.environ, "cwd": self.work}
        with subprocess.Popen(argv, **{**options, **more}) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def shell(self, script: str, *arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a bash script in which ``mitmkube`` is mitmkube, its output captured."""
        return subprocess.run(
            ["bash", "-c", f'mitmkube() {{ {_quoted(MITMKUBE)} "$@"; }}\n{script}', "bash", *arguments],
            env=self.environ,
            cwd=self.work,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            **more,
        )


def _quoted(words: Sequence[str]) -> str:
    return " ".join(f"'{word}'" for word in words)


@dataclass(frozen=True, slots=True)
class Web:
    """A running ``mitmkube web``: what it printed, and how to ask its page."""

    place: Place
    process: subprocess.Popen[bytes]
    exported: str
    url: str

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a shell in which the printed line was pasted."""
        return {**self.place.environ, "KUBECONFIG": self.exported}

    @property
    def token(self) -> str:
        return self.url.partition("?token=")[2]

    def run(self, *command: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
        """Run a command in that shell."""
        return subprocess.run(
            command, env=self.environ, cwd=self.place.work, capture_output=True, timeout=SECONDS, check=False, **more
        )

    def get(self, path: str, token: str | None = None) -> tuple[int, bytes]:
        """Status and body of a page; with the token unless another is given."""
        request = urllib.request.Request(
            self.url.partition("/?")[0] + path,
            headers={"Authorization": f"Bearer {self.token if token is None else token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def flows(self, number: int) -> list[dict[str, Any]]:
        """The flows, as soon as there are ``number`` of them or more, each with a comment."""
        deadline = time.monotonic() + SECONDS
        while True:
            found: list[dict[str, Any]] = json.loads(self.get("/flows")[1])
            if len(found) >= number and all(flow["comment"] for flow in found):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def stop(self) -> tuple[bytes, bytes]:
        """End it with SIGTERM; returns what it printed since it was up."""
        self.process.terminate()
        return self.process.communicate(timeout=SECONDS)


@contextlib.contextmanager
def web(place: Place, *arguments: str) -> Iterator[Web]:
    """``mitmkube web`` with these options, up and listening."""
    with place.started("web", *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline().decode()
        if not line:
            raise AssertionError(process.stderr.read().decode())
        (exported,) = shlex.split(line.removeprefix("export KUBECONFIG="))
        yield Web(place, process, exported, process.stderr.readline().decode().split()[-1])


def free_ports(number: int) -> list[str]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [str(one.getsockname()[1]) for one in sockets]
