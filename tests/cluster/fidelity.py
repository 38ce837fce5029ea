"""One command straight to the cluster and through ``mitmkube run``, held against each other.

Both are run by ``Sides`` at the same time, each with a home, a working folder and, where they write, a namespace of its
own. What is compared is stdout, stderr and the exit status; ``tests.cluster.masking`` says what may differ.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import shlex
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome, run
from tests.cluster.masking import masked

_numbers = itertools.count(1)
# kubectl cp ends with the archive, whether or not it has printed what tar says by then (1 of 40 runs without a proxy
# does not), and 1.31 over WebSockets may throw away what comes before it listens.
_RACING = ("cp",)
_ATTEMPTS = 5
# What an editor is to ``kubectl edit``: the program and its first arguments.
EDITOR = "sed -i s/before-edit/after-edit/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One way to the cluster, through mitmkube where there is a folder for its ``reports``. ``namespace`` is the one
    that commands work in."""

    reports: Path | None
    home: Path
    folder: Path
    kubeconfig: Path
    namespace: str

    def run(self, command: Sequence[str], *, stdin: str | None, env: Mapping[str, str]) -> Outcome:
        """Run ``command`` with $NS and $HERE in it replaced by the side's own namespace and folder."""
        return run(
            self.words(command),
            home=self.home,
            kubeconfig=self.kubeconfig,
            env=self.env(env),
            stdin=stdin,
            folder=self.folder,
            seconds=300,
        )

    def env(self, more: Mapping[str, str]) -> dict[str, str]:
        """What the environment of a command has besides the usual."""
        return {"KUBE_EDITOR": EDITOR, "TMPDIR": str(self.home), **more}

    def words(self, command: Sequence[str]) -> list[str]:
        """The whole command line of ``command`` on this side."""
        words = [word.replace("$NS", self.namespace).replace("$HERE", str(self.folder)) for word in command]
        if self.reports is None:
            return words
        # One each, because several may run at once.
        report = self.reports / str(next(_numbers))
        return [sys.executable, "-m", "mitmkube", "run", f"--report={report}", "--", *words]

    def masked(self, outcome: Outcome, masks: Mapping[str, str]) -> tuple[int, str, str]:
        """What can be compared of ``outcome``: without the names that this side alone has."""
        status, stdout, stderr = outcome.masked
        return status, self._masked(stdout, masks), self._masked(stderr, masks)

    def _masked(self, text: str, masks: Mapping[str, str]) -> str:
        for name, own in (("HERE", str(self.folder)), ("HOME", str(self.home)), ("NAMESPACE", self.namespace)):
            text = text.replace(own, name)
        return masked(text, masks)


class Sides:
    """Direct and through. ``namespaces`` are theirs, in that order, and of equal length; ``files`` are put into both
    working folders, with $NS replaced. ``user`` is the stanza of who asks."""

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        *,
        user: Mapping[str, Any],
        namespaces: tuple[str, str],
        masks: Mapping[str, str],
        files: Mapping[str, str] | None = None,
    ) -> None:
        self._masks = masks
        stanza = {"server": cluster.url, "certificate-authority-data": b64encode(cluster.ca_file.read_bytes()).decode()}
        self._reports = folder / "reports"
        self._reports.mkdir()
        self.direct = _side(folder / "a", None, namespaces[0], user, stanza, files or {})
        self.through = _side(folder / "b", self._reports, namespaces[1], user, stanza, files or {})

    def run(
        self, command: Sequence[str], *, stdin: str | None = None, env: Mapping[str, str] | None = None
    ) -> tuple[Outcome, Outcome]:
        """Run it on both sides at once: direct, through."""
        with ThreadPoolExecutor(2) as pool:
            direct, through = (
                pool.submit(side.run, command, stdin=stdin, env=env or {}) for side in (self.direct, self.through)
            )
            return direct.result(), through.result()

    def seen(self) -> int:
        """How many commands mitmkube saw requests of, as its reports say."""
        reports = (file.read_text() for file in self._reports.iterdir())
        return sum(bool(re.search(r"\b[1-9]\d* requests?\b", report)) for report in reports)

    def differences(self, program: Path, line: str) -> list[str]:
        """Run one line of a list of commands, ``STATUS[,STATUS] ARGUMENTS [< FILE]``: what differs, and a status
        that is none of these. One that races with itself is run until both sides say the same."""
        for _ in range(_ATTEMPTS if line.split()[1] in _RACING else 1):
            if not (found := self._differences(program, line)):
                break
        return found

    def _differences(self, program: Path, line: str) -> list[str]:
        status, _, arguments = line.partition(" ")
        arguments, _, file = arguments.partition(" < ")
        stdin = (self.direct.folder / file.strip()).read_text() if file else None
        outcomes = self.run([str(program), *shlex.split(arguments)], stdin=stdin)
        found = self.compare(line, outcomes)
        if outcomes[0].status not in map(int, status.split(",")):
            found.append(f"{line}: ended with {outcomes[0].status} directly: {outcomes[0].stderr}")
        return found

    def compare(self, name: str, outcomes: tuple[Outcome, Outcome]) -> list[str]:
        """What differs between the two, as a diff for each stream that does."""
        direct = self.direct.masked(outcomes[0], self._masks)
        through = self.through.masked(outcomes[1], self._masks)
        found = []
        for stream, one, other in zip(("status", "stdout", "stderr"), direct, through, strict=True):
            if one != other:
                lines = str(one).splitlines(), str(other).splitlines()
                diff = "\n".join(difflib.unified_diff(*lines, "direct", "through", lineterm="", n=1))
                found.append(f"{name}: {stream} differs\n{diff or (one, other)}")
        return found


def _side(
    folder: Path,
    reports: Path | None,
    namespace: str,
    user: Mapping[str, Any],
    cluster: Mapping[str, Any],
    files: Mapping[str, str],
) -> Side:
    home, here = folder / "home", folder / "here"
    for each in (folder, home, here):
        each.mkdir(mode=0o700)
    for name, text in files.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text.replace("$NS", namespace))
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "dev", "cluster": dict(cluster)}],
        "users": [{"name": "who", "user": dict(user)}],
        "contexts": [{"name": "here", "context": {"cluster": "dev", "user": "who", "namespace": namespace}}],
    }
    kubeconfig = folder / "config"
    kubeconfig.write_text(json.dumps(config))
    kubeconfig.chmod(0o600)
    return Side(reports=reports, home=home, folder=here, kubeconfig=kubeconfig, namespace=namespace)
