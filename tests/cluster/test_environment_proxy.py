"""Programs that take their proxy from the environment are seen too, and reach no more than they are allowed to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.cluster import servers
from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome
from tests.cluster.conftest import MitmkubeRun
from tests.cluster.kubectl import Kubectl

CURL = 'curl -sS --max-time 30 --cacert "$MITMKUBE_CA" --cert "$CERTIFICATE" --key "$KEY" '

# As every HTTP library of Python reads the environment.
URLLIB = """\
import json, os, ssl, sys, urllib.request
trusted = ssl.create_default_context(cafile=os.environ["MITMKUBE_CA"])
trusted.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trusted))
try:
    with opener.open(sys.argv[1], timeout=30) as answer:
        print(answer.status, answer.read(100))
except urllib.error.HTTPError as error:
    print(error.code, json.load(error)["message"])
"""


class EnvironmentProxy(Protocol):
    """Runs a command under ``mitmkube run --env-proxy OPTIONS`` with jane's key pair; gives its requests too."""

    def __call__(
        self, command: Sequence[str | Path], *options: str, **env: str
    ) -> tuple[Outcome, list[dict[str, Any]]]: ...


@pytest.fixture
def env_proxy(cluster: Cluster, mitmkube_run: MitmkubeRun, tmp_path: Path) -> EnvironmentProxy:
    who = cluster.identity("jane")

    def run(command: Sequence[str | Path], *options: str, **env: str) -> tuple[Outcome, list[dict[str, Any]]]:
        story = tmp_path / "story"
        own = {"CERTIFICATE": str(who.certificate), "KEY": str(who.key), "S": cluster.url, **env}
        outcome = mitmkube_run(
            ["--env-proxy", *options, f"--report={tmp_path / 'report'}", f"--json={story}", "--", *command],
            "jane",
            env=own,
        )
        requests: list[dict[str, Any]] = json.loads(story.read_text())["requests"]
        return outcome, requests

    return run


@pytest.fixture
def oauth(tmp_path: Path) -> Iterator[tuple[servers.Server, dict[str, str]]]:
    """A host that is no API server, and the environment in which the system's roots vouch for it."""
    with servers.html(200, "the login page") as server:
        roots = tmp_path / "roots.pem"
        roots.write_bytes(server.ca)
        yield server, {"SSL_CERT_FILE": str(roots)}


def test_curl_is_seen_as_the_identity_that_it_brings(env_proxy: EnvironmentProxy) -> None:
    outcome, requests = env_proxy(["sh", "-c", CURL + '"$S/api/v1/namespaces/default/pods"'])
    assert 'User \\"jane\\" cannot list' in outcome.stdout
    assert [(one["method"], one["status"]) for one in requests] == [("GET", 403)]


def test_library_that_reads_the_environment_is_seen(
    cluster: Cluster, env_proxy: EnvironmentProxy, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(URLLIB)
    outcome, requests = env_proxy([sys.executable, program, f"{cluster.url}/api/v1/namespaces/default/pods"])
    assert outcome.stdout.startswith('403 pods is forbidden: User "jane" cannot list')
    assert len(requests) == 1


def test_trust_in_other_servers_is_left_alone(env_proxy: EnvironmentProxy) -> None:
    """Who does not ask for the proxy's CA does not get it: no variable of theirs is touched."""
    outcome, _ = env_proxy(["sh", "-c", 'curl -sS --max-time 30 "$S/version"; env'])
    assert "certificate" in outcome.stderr
    own = {f"{name}={value}" for name, value in os.environ.items()}
    added = {line.partition("=")[0] for line in outcome.stdout.splitlines() if "=" in line and line not in own}
    assert {name for name in added if "CA" in name or "CERT" in name or "SSL" in name} == {"MITMKUBE_CA", "CERTIFICATE"}


def test_kubectl_says_the_same_beside_it(env_proxy: EnvironmentProxy, kubectls: tuple[Kubectl, ...]) -> None:
    outcome, requests = env_proxy([kubectls[-1].path, "get", "pods"])
    assert outcome.stderr == (
        'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in '
        'the namespace "default"\n'
    )
    assert requests[-1]["phrase"] == "list pods in default"


def test_other_host_is_refused_in_words(
    env_proxy: EnvironmentProxy, oauth: tuple[servers.Server, dict[str, str]], tmp_path: Path
) -> None:
    server, roots = oauth
    outcome, _ = env_proxy(["sh", "-c", f"{CURL} -v https://{servers.HOST}:{server.port}/"], **roots)
    assert f"403 mitmkube: {servers.HOST}:{server.port} is no server of the kubeconfig" in outcome.stderr
    assert "--allow-host" in (tmp_path / "report").read_text()
    assert server.requests == []


def test_host_that_is_allowed_is_reached_and_next_to_nothing_of_it_is_kept(
    env_proxy: EnvironmentProxy, oauth: tuple[servers.Server, dict[str, str]], tmp_path: Path
) -> None:
    server, roots = oauth
    login = f"https://{servers.HOST}:{server.port}/oauth/authorize?code=s3cr3t-code"
    har = tmp_path / "har"
    outcome, requests = env_proxy(
        ["sh", "-c", f'{CURL} -u "$PASSWORD" "$LOGIN"; {CURL} "$S/version"'],
        f"--allow-host={servers.HOST}:{server.port}",
        f"--har={har}",
        PASSWORD="jane:s3cr3t-password",
        LOGIN=login,
        **roots,
    )
    assert "the login page" in outcome.stdout
    assert [one["url"].rpartition(":")[2].partition("/")[2] for one in requests] == ["oauth/authorize", "version"]
    everything = (tmp_path / "report").read_text() + har.read_text() + (tmp_path / "story").read_text()
    for secret in ("s3cr3t-code", "s3cr3t-password", "amFuZTpzM2NyM3QtcGFzc3dvcmQ", "the login page"):
        assert secret not in everything


def test_host_that_is_allowed_is_still_verified(
    env_proxy: EnvironmentProxy, oauth: tuple[servers.Server, dict[str, str]]
) -> None:
    server, _ = oauth
    url = f"https://{servers.HOST}:{server.port}/"
    outcome, _ = env_proxy(["sh", "-c", f"{CURL} -v {url}"], f"--allow-host={servers.HOST}:{server.port}")
    assert "x509: certificate signed by unknown authority" in outcome.stderr
    assert server.requests == []
