"""Records what kubectl -v prints: ``python -m tests.cluster.record_kubectl_logs``.

Both generations of client-go's log format and the one between them, at every level that says something of its own, for
commands that are refused, not known, not reached, invalid, and fine. Paths of the cluster's folder are replaced;
kubectl itself masks the Authorization header.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.binaries import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.kubectl import Kubectl, find_kubectls

RECORDINGS = Path(__file__).parents[1] / "analyzers" / "readers" / "kubectl_log"
# The last of the old format, the one that mixes both, the first and the newest of the new one.
VERSIONS = ((1, 27), (1, 31), (1, 32), (1, 33), (1, 36))
INVALID = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","labels":{"team":"-ops-"}}}'


def main() -> int:
    """Record all; 1 when a kubectl that is needed is missing."""
    found = {kubectl.version: kubectl for kubectl in find_kubectls(binaries())}
    if missing := [version for version in VERSIONS if version not in found]:
        print(f"no kubectl of version {missing}", file=sys.stderr)
        return 1
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    with Cluster(binaries()) as cluster, tempfile.TemporaryDirectory() as home:
        for version in VERSIONS:
            _record(cluster, found[version], Path(home) / found[version].name)
    return 0


def _record(cluster: Cluster, kubectl: Kubectl, home: Path) -> None:
    def run(name: str, identity: str, command: str, *more: str, stdin: str = "") -> None:
        argv = [*command.split()[1:], *more]
        done = subprocess.run(
            [kubectl.path, "--kubeconfig", cluster.kubeconfig(identity), *argv],
            env={**os.environ, "HOME": str(home), "KUBECONFIG": os.devnull},
            input=stdin,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        if name:
            text = done.stdout.replace(str(cluster.run), "/home/me").replace(str(home), "/home/me")
            assert not re.search(r"Bearer (?!<masked>)", text)
            minor = f"{kubectl.version[0]}.{kubectl.version[1]}"
            (RECORDINGS / f"{minor}_{name}.txt").write_text(f"$ {command}\n{text}", "utf-8")

    run("", "jane", "kubectl get pods -n prod")  # discovery is cached from here on: its 25 requests say nothing new
    for level in (6, 7, 8, 9, 10):
        run(f"forbidden_v{level}", "jane", f"kubectl get secrets -n kube-system -v={level}")
    run("unauthorized_v7", "badtoken", "kubectl get pods -v=7")
    run("refused_v8", "jane", "kubectl get pods -v=8", "--server=https://127.0.0.1:1")
    run("invalid_v8", "admin", "kubectl create -f - -v=8", stdin=INVALID)
    run("fine_v8", "admin", "kubectl get pods -v=8")


if __name__ == "__main__":
    sys.exit(main())
