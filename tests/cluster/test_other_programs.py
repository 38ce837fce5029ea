"""Programs that are not kubectl, or that call it, go through mitmkube as kubectl does."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.conftest import MitmkubeRun
from tests.cluster.kubectl import Kubectl

# What a client in another language does with a kubeconfig that it has merged.
CURL = """\
set -e
overlay=${KUBECONFIG%%:*}
proxy=$(sed -n 's/.*proxy-url: *//p' "$overlay")
sed -n 's/.*certificate-authority-data: *//p' "$overlay" | base64 -d > "$HOME/ca.crt"
curl() {
    command curl --silent --show-error --max-time 30 --proxy "$proxy" --cacert "$HOME/ca.crt" \
        --cert "$CERTIFICATE" --key "$KEY" "$@"
}
"""


@pytest.fixture
def curl(cluster: Cluster, mitmkube_run: MitmkubeRun, tmp_path: Path) -> Curl:
    return Curl(cluster, mitmkube_run, tmp_path)


class Curl:
    """Runs a shell script under mitmkube in which ``curl`` is set up as jane's or admin's client, $S the server."""

    def __init__(self, cluster: Cluster, mitmkube_run: MitmkubeRun, folder: Path) -> None:
        self._cluster, self._run, self._folder = cluster, mitmkube_run, folder

    def __call__(self, script: str, identity: str = "jane") -> tuple[str, list[dict[str, object]]]:
        """What it printed, and the requests as mitmkube saw them."""
        who = self._cluster.identity(identity)
        env = {"CERTIFICATE": str(who.certificate), "KEY": str(who.key), "S": self._cluster.url}
        story = self._folder / "story.json"
        outcome = self._run(["--quiet", f"--json={story}", "--", "sh", "-c", CURL + script], identity, env=env)
        assert outcome.status == 0, outcome.stderr
        requests: list[dict[str, object]] = json.loads(story.read_text())["requests"]
        return outcome.stdout, requests


def test_connection_is_used_again_and_resumed(curl: Curl) -> None:
    """OpenSSL's clients resume a TLS session on a second connection, which Go's never do."""
    printed, requests = curl(
        """
        curl -o /dev/null -w '%{http_code}:%{num_connects} ' "$S/version" -o /dev/null "$S/version"
        curl -o /dev/null -w '%{http_code} ' -H 'Connection: close' "$S/version" -o /dev/null "$S/version"
        curl --http2 -o /dev/null -w '%{http_version}' "$S/version"
        """
    )
    assert printed.split() == ["200:1", "200:0", "200", "200", "1.1"]
    assert [request["status"] for request in requests] == [200] * 5


def test_every_method_and_framing_passes(cluster: Cluster, curl: Curl) -> None:
    printed, requests = curl(
        """
        path="$S/api/v1/namespaces/default/configmaps"
        said() { curl -o /dev/null -w '%{http_code}\\n' "$@"; }
        head -c 900000 /dev/zero | tr '\\0' a > big
        { printf '{"metadata":{"name":"curl"},"data":{"a":"'; cat big; printf '"}}'; } > body
        said -H 'Content-Type: application/json' -H 'Expect: 100-continue' --data-binary @body "$path"
        said -H 'Content-Type: application/json' -H 'Transfer-Encoding: chunked' -X PUT --data-binary @body "$path/curl"
        said -H 'Content-Type: application/merge-patch+json' -X PATCH -d '{"data":{"a":"b"}}' "$path/curl"
        said --compressed "$path/curl"
        said --head "$path/curl"
        said -X OPTIONS "$path/curl"
        said -X DELETE "$path/curl"
        said "$S/api/v1/namespaces/default/configmaps/%2e%2e%2fsecrets?x=%00&y=a%20b;c"
        said --path-as-is "$S/api//v1/../v1/namespaces"
        rm big body
        """,
        "admin",
    )
    direct = [
        cluster.call("GET", path).status
        for path in (
            "/api/v1/namespaces/default/configmaps/%2e%2e%2fsecrets?x=%00&y=a%20b;c",
            "/api//v1/../v1/namespaces",
        )
    ]
    statuses = [int(line) for line in printed.split()]
    # The API server knows HEAD and OPTIONS, but not for objects.
    assert statuses == [201, 200, 200, 200, 405, 405, 200, *direct]
    methods = [request["method"] for request in requests]
    assert methods == ["POST", "PUT", "PATCH", "GET", "HEAD", "OPTIONS", "DELETE", "GET", "GET"]


def test_answer_is_passed_byte_for_byte(cluster: Cluster, curl: Curl) -> None:
    printed, _ = curl('curl --raw -i -H \'Accept-Encoding: gzip\' "$S/openapi/v2" | sha256sum; curl "$S/openapi/v3"')
    direct = cluster.call("GET", "/openapi/v3", identity="jane")
    assert json.loads(printed.partition("\n")[2]) == direct.json
    assert printed.split()[0].isalnum()


def test_client_that_does_not_know_the_proxys_authority_gets_nothing(cluster: Cluster, curl: Curl) -> None:
    """The proxy vouches for itself with a certificate of its own, which only the overlay's readers trust."""
    printed, _ = curl(f'curl --cacert {shlex.quote(str(cluster.ca_file))} "$S/version" || echo refused')
    assert printed == "refused\n"


def test_plugin_of_kubectl_goes_through(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    plugin = tmp_path / "kubectl-greet"
    plugin.write_text('#!/bin/sh\necho "$@"\nexec "$KUBECTL" get pods -o name\n')
    plugin.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin", "KUBECTL": str(kubectls[-1].path)}
    story = tmp_path / "story"
    command = [str(kubectls[-1].path), "greet", "--token=mine", "--kubeconfig", "also mine"]
    outcome = mitmkube_run(["--quiet", f"--json={story}", "--", *command], env=env)
    assert (outcome.status, outcome.stdout) == (0, "--token=mine --kubeconfig also mine\npod/p0\n")
    assert json.loads(story.read_text())["requests"]


def test_pipeline_keeps_its_streams_and_status(kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun) -> None:
    kubectl = shlex.quote(str(kubectls[-1].path))
    make, send = "create configmap some --from-file=/dev/stdin --dry-run=client -o yaml", "apply --dry-run=server -f -"
    script = f"{kubectl} {make} | {kubectl} {send}; exit 5"
    outcome = mitmkube_run(["--quiet", "--", "sh", "-c", script], stdin="from stdin")
    assert (outcome.status, outcome.stdout) == (5, "configmap/some created (server dry run)\n")


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_makefile_that_calls_kubectl_is_explained(
    kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    (tmp_path / "Makefile").write_text(f"all:\n\t@{shlex.quote(str(kubectls[-1].path))} get pods -n prod\n")
    outcome = mitmkube_run(["--", "make", "-s", "-C", tmp_path], "jane")
    assert outcome.status == 2
    assert "jane may not list pods in namespace prod." in outcome.stderr
