"""What ``kubectl config view`` shows under mitmkube: nothing else than without it where it is the command, and in a
shell, where the overlay counts, the way through the proxy and the proxy's CA, and no other difference."""

from __future__ import annotations

import base64
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.cluster.cluster import Cluster
from tests.cluster.conftest import MitmkubeRun, RunDirect
from tests.cluster.kubectl import Kubectl

CONFIG = """\
apiVersion: v1
kind: Config
current-context: here
clusters:
- name: files
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority: ca.crt
    tls-server-name: kubernetes
    disable-compression: true
    extensions: [{name: an.example, extension: {kept: true}}]
- name: chained
  cluster: {server: "https://10.0.0.1:6443/prefix", insecure-skip-tls-verify: true, proxy-url: "http://10.0.0.2:3128"}
- name: plain
  cluster: {server: "http://10.0.0.1:8080"}
contexts:
- {name: here, context: {cluster: files, user: who, namespace: dev}}
users:
- {name: who, user: {token: a-token-that-is-long-enough}}
"""
FORMS = ["", "--raw", "--minify", "--flatten", "--raw --minify --flatten", "-o json"]
PROXY = re.compile(r"http://mitmkube-[0-9a-f]{12}:[\w-]{32}@127\.0\.0\.1:\d+")


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_bytes(cluster.ca_file.read_bytes())
    path = tmp_path / "config"
    path.write_text(CONFIG)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_config_view_as_the_command_prints_the_same(
    kubectl: Kubectl, config: Path, run_direct: RunDirect, mitmkube_run: MitmkubeRun, form: str
) -> None:
    view = ["config", "view", *form.split()]
    direct = run_direct(kubectl, view, config)
    through = mitmkube_run(["--quiet", "--", kubectl.path, *view], config)
    assert through == direct
    assert direct.status == 0


@pytest.mark.parametrize("form", FORMS)
def test_config_view_in_a_shell_differs_by_the_way_and_the_ca_alone(
    kubectl: Kubectl, config: Path, run_direct: RunDirect, mitmkube_run: MitmkubeRun, form: str
) -> None:
    direct = run_direct(kubectl, ["config", "view", *form.split()], config)
    through = mitmkube_run(["--quiet", "--", "sh", "-c", f"{kubectl.path} config view {form}"], config)
    assert (through.status, through.stderr) == (direct.status, direct.stderr) == (0, "")
    expected, shown = yaml.safe_load(direct.stdout), yaml.safe_load(through.stdout)
    for own, stanza in zip(_stanzas(expected), _stanzas(shown), strict=True):
        assert PROXY.fullmatch(stanza.pop("proxy-url"))
        for replaced in ("proxy-url", "certificate-authority", "certificate-authority-data"):
            own.pop(replaced, None)
        if own["server"].startswith("https:"):
            _check_authority(stanza.pop("certificate-authority-data"))
        own.pop("insecure-skip-tls-verify", None)
    assert shown == expected


def _stanzas(config: Any) -> list[dict[str, Any]]:
    return [entry["cluster"] for entry in config["clusters"]]


def _check_authority(data: str) -> None:
    if data != "DATA+OMITTED":
        authority = x509.load_pem_x509_certificate(base64.b64decode(data))
        assert "mitmkube" in authority.subject.rfc4514_string()


def test_verbose_output_differs_by_the_file_that_was_loaded_alone(
    cluster: Cluster, kubectl: Kubectl, run_direct: RunDirect, mitmkube_run: MitmkubeRun
) -> None:
    verbose = ["get", "namespace", "default", "-o", "name", "-v=6"]
    outcomes = run_direct(kubectl, verbose), mitmkube_run(["--quiet", "--", kubectl.path, *verbose])
    assert outcomes[0].stdout == outcomes[1].stdout == "namespace/default\n"
    direct, through = (_told(outcome.stderr) for outcome in outcomes)
    assert not direct - through
    assert all(re.search(r"Config loaded from file: +\S+/kubeconfig$", line) for line in through - direct)
    assert sum("/api/v1/namespaces/default" in line for line in through) == 1


def _told(log: str) -> Counter[str]:
    """The lines of kubectl's log, which come in any order, without times and process ids."""
    timeless = re.sub(r"(?<=milliseconds=)\d+|(?<= in )\d+(?= milliseconds)", "MS", log)
    return Counter(re.sub(r"^([IWE])\d{4} [\d:.]+ +\d+ ", r"\1 ", line) for line in timeless.splitlines())
