"""kubectl's flags keep their meaning: some stay on the command line, some are honoured behind the proxy."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from analyzers.kubeconfig import KubeconfigError
from mitmkube.invocation import Invocation, prepare
from mitmkube.overlay import Overlay

CA = b"-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"
OTHER_CA = b"-----BEGIN CERTIFICATE-----\nT1RIRVI=\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nS0VZ\n-----END PRIVATE KEY-----\n"

CONFIG = f"""
current-context: dev
clusters:
- name: dev
  cluster:
    server: https://dev.example:6443
    tls-server-name: kube.example
    certificate-authority-data: {base64.b64encode(CA).decode()}
- name: prod
  cluster: {{server: "https://prod.example"}}
contexts:
- {{name: dev, context: {{cluster: dev, user: jane, namespace: ci}}}}
- {{name: prod, context: {{cluster: prod, user: jane}}}}
- {{name: dangling, context: {{cluster: gone, user: jane}}}}
users:
- name: jane
  user:
    client-certificate-data: {base64.b64encode(CA).decode()}
    client-key-data: {base64.b64encode(KEY).decode()}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(CONFIG)
    (tmp_path / "other.crt").write_bytes(OTHER_CA)
    (tmp_path / "key.pem").write_bytes(KEY)
    (tmp_path / "garbage").write_text("no PEM")
    return tmp_path


def prepared(line: str, home: Path, **environ: str) -> Invocation:
    return prepare(shlex.split(line), environ, home, home)


def test_plain_command_stays_as_it_is(home: Path) -> None:
    invocation = prepared("kubectl get pods", home)
    assert invocation.argv == ("kubectl", "get", "pods")
    assert (invocation.selection.context, invocation.namespace) == ("dev", "ci")
    assert invocation.selection.cluster == invocation.upstreams["dev"]
    assert set(invocation.upstreams) == {"dev", "prod"}
    assert not invocation.direct


@pytest.mark.parametrize(
    "line", ["helm list --kubeconfig x --server y", "kubectl neat --kubeconfig x --insecure-skip-tls-verify"]
)
def test_command_line_of_other_programs_and_plugins_is_untouched(home: Path, line: str) -> None:
    invocation = prepared(line, home)
    assert invocation.argv == tuple(shlex.split(line))
    assert not invocation.upstreams["dev"].insecure
    assert invocation.selection.cluster_name == "dev"


def test_offline_command_runs_directly_even_with_a_broken_kubeconfig(home: Path) -> None:
    (home / ".kube" / "config").write_text("{")
    assert prepared("kubectl config view", home).direct


def test_broken_kubeconfig_is_one_line_that_names_the_file(home: Path) -> None:
    (home / ".kube" / "config").write_text("clusters: [")
    with pytest.raises(KubeconfigError, match=r"^error loading config file .*config") as caught:
        prepared("kubectl get pods", home)
    assert "\n" not in str(caught.value)


def test_command_without_any_cluster_runs_directly(home: Path) -> None:
    (home / ".kube" / "config").unlink()
    invocation = prepared("kubectl get pods --insecure-skip-tls-verify", home)
    assert invocation.direct
    assert invocation.argv == ("kubectl", "get", "pods", "--insecure-skip-tls-verify")


def test_kubeconfig_flag_is_taken_out_and_counts_alone(home: Path) -> None:
    (home / "x").write_text(CONFIG.replace("dev.example", "x.example"))
    invocation = prepared("kubectl --kubeconfig x get pods", home, KUBECONFIG="/nowhere")
    assert invocation.argv == ("kubectl", "get", "pods")
    assert (invocation.explicit, invocation.paths) == (Path("x"), (Path("x"),))
    assert invocation.upstreams["dev"].host == "x.example"


@pytest.mark.parametrize("named", ["missing", "garbage", "a:b", "."])
def test_kubeconfig_flag_that_cannot_be_used_is_left_to_kubectl(home: Path, named: str) -> None:
    invocation = prepared(f"kubectl --kubeconfig {named} get pods", home)
    assert invocation.direct
    assert invocation.argv == ("kubectl", "--kubeconfig", named, "get", "pods")


@pytest.mark.parametrize("flag", ["--context=nowhere", "--cluster=nowhere", "--user=nowhere"])
def test_name_that_does_not_exist_is_left_to_kubectl(home: Path, flag: str) -> None:
    invocation = prepared(f"kubectl get pods {flag} --insecure-skip-tls-verify", home)
    assert invocation.direct
    assert invocation.argv == ("kubectl", "get", "pods", flag, "--insecure-skip-tls-verify")


def test_certificate_authority_is_honoured_behind_the_proxy(home: Path) -> None:
    invocation = prepared("kubectl get pods --certificate-authority other.crt", home)
    assert invocation.argv == ("kubectl", "get", "pods")
    assert invocation.upstreams["dev"].ca == OTHER_CA
    assert invocation.upstreams["prod"].ca is None


@pytest.mark.parametrize("file", ["missing.crt", "garbage"])
def test_certificate_authority_that_cannot_be_used_is_left_to_kubectl(home: Path, file: str) -> None:
    invocation = prepared(f"kubectl get pods --certificate-authority={file}", home)
    assert invocation.direct
    assert invocation.argv[-1] == f"--certificate-authority={file}"


@pytest.mark.parametrize("flag", ["--insecure-skip-tls-verify", "--insecure-skip-tls-verify=1"])
def test_insecure_is_honoured_behind_the_proxy(home: Path, flag: str) -> None:
    invocation = prepared(f"kubectl {flag} get pods", home)
    assert invocation.argv == ("kubectl", "get", "pods")
    assert (invocation.upstreams["dev"].insecure, invocation.upstreams["dev"].ca) == (True, None)
    assert not invocation.upstreams["prod"].insecure


def test_insecure_that_says_false_changes_nothing(home: Path) -> None:
    invocation = prepared("kubectl get pods --insecure-skip-tls-verify=false", home)
    assert invocation.upstreams["dev"].ca == CA
    assert not invocation.direct


@pytest.mark.parametrize(
    "flags", ["--insecure-skip-tls-verify --certificate-authority other.crt", "--insecure-skip-tls-verify=maybe"]
)
def test_flags_that_kubectl_refuses_are_left_to_kubectl(home: Path, flags: str) -> None:
    invocation = prepared(f"kubectl get pods {flags}", home)
    assert invocation.direct
    assert invocation.argv == ("kubectl", "get", "pods", *flags.split())


def test_insecure_makes_a_cluster_with_an_unreadable_ca_usable(home: Path) -> None:
    text = 'current-context: a\nclusters: [{name: a, cluster: {server: "https://a", certificate-authority: missing}}]\n'
    (home / ".kube" / "config").write_text(text + "contexts: [{name: a, context: {cluster: a}}]")
    assert prepared("kubectl get pods", home).direct
    invocation = prepared("kubectl get pods --insecure-skip-tls-verify", home)
    assert [cluster.name for cluster in invocation.overlay_clusters] == ["a"]
    assert invocation.upstreams["a"].insecure


def test_server_stays_and_keeps_the_ca_and_drops_the_server_name(home: Path) -> None:
    invocation = prepared("kubectl get pods --server https://u.example:7443/p", home)
    assert invocation.argv == ("kubectl", "get", "pods", "--server", "https://u.example:7443/p")
    effective = invocation.upstreams["dev"]
    assert (effective.host, effective.port, effective.path_prefix) == ("u.example", 7443, "/p")
    assert (effective.ca, effective.server_name) == (CA, "u.example")
    stanza = next(cluster for cluster in invocation.overlay_clusters if cluster.name == "dev")
    assert stanza.host == "dev.example"


def test_tls_server_name_stays_and_is_used_behind_the_proxy(home: Path) -> None:
    invocation = prepared("kubectl get pods --tls-server-name=n.example --server=https://u.example", home)
    assert invocation.argv[-2:] == ("--tls-server-name=n.example", "--server=https://u.example")
    assert invocation.upstreams["dev"].server_name == "n.example"


def test_flags_apply_to_the_selected_cluster_only(home: Path) -> None:
    by_context = prepared("kubectl get pods --context=prod --tls-server-name=n.example", home)
    assert by_context.upstreams["prod"].server_name == "n.example"
    assert by_context.upstreams["dev"].server_name == "kube.example"
    assert by_context.namespace == "default"
    by_cluster = prepared("kubectl get pods --cluster=prod --insecure-skip-tls-verify", home)
    assert by_cluster.upstreams["prod"].insecure
    assert by_cluster.selection.user_name == "jane"
    assert by_cluster.argv == ("kubectl", "get", "pods", "--cluster=prod")


@pytest.mark.parametrize("context", ["", " --context=dangling"])
def test_server_without_a_cluster_gets_one_in_the_overlay(home: Path, context: str) -> None:
    if not context:
        (home / ".kube" / "config").unlink()
    invocation = prepared(f"kubectl get pods --server=https://u.example --token=t{context}", home)
    assert invocation.argv[:2] == ("kubectl", "--cluster=mitmkube")
    assert invocation.extra is not None
    assert invocation.upstreams["mitmkube"].host == "u.example"
    assert invocation.extra in invocation.overlay_clusters


def test_https_server_in_the_place_of_an_http_one_gets_the_proxys_ca(home: Path) -> None:
    (home / ".kube" / "config").write_text(CONFIG.replace("https://prod", "http://prod"))
    invocation = prepared("kubectl get pods --context=prod --server=https://u.example", home)
    overlay = Overlay.write(
        home / "overlay", invocation.kubeconfig, lambda c: c.name, CA, clusters=invocation.overlay_clusters
    )
    stanzas = {entry["name"]: entry["cluster"] for entry in overlay.document["clusters"]}
    assert stanzas["prod"]["server"] == "http://prod.example"
    assert "certificate-authority-data" in stanzas["prod"]


def test_kubernetes_master_is_the_server_when_no_cluster_is_selected(home: Path) -> None:
    (home / ".kube" / "config").unlink()
    invocation = prepared("kubectl get pods", home, KUBERNETES_MASTER="https://m.example")
    assert invocation.argv == ("kubectl", "--cluster=mitmkube", "get", "pods")
    assert invocation.upstreams["mitmkube"].host == "m.example"


def test_client_certificate_flags_stay_and_their_pair_joins(home: Path) -> None:
    invocation = prepared("kubectl get pods --client-certificate other.crt --client-key=key.pem", home)
    assert invocation.argv == ("kubectl", "get", "pods", "--client-certificate", "other.crt", "--client-key=key.pem")
    pair = invocation.key_pair_sources[-1].read()
    assert (pair.certificate, pair.key) == (OTHER_CA, KEY)


def test_client_certificate_flag_alone_joins_the_users_key(home: Path) -> None:
    invocation = prepared("kubectl get pods --client-certificate other.crt", home)
    assert len(invocation.key_pair_sources) == 2
    assert invocation.key_pair_sources[-1].read().certificate == OTHER_CA


def test_proxy_url_flag_becomes_the_upstreams(home: Path) -> None:
    invocation = prepared("kubectl get pods --proxy-url http://corporate:3128", home)
    assert invocation.argv == ("kubectl", "--proxy-url=", "get", "pods")
    assert invocation.upstreams["dev"].proxy_url == "http://corporate:3128"


@pytest.fixture
def pod(home: Path) -> Path:
    (home / ".kube" / "config").unlink()
    folder = home / "var/run/secrets/kubernetes.io/serviceaccount"
    folder.mkdir(parents=True)
    (folder / "token").write_text("the-token")
    (folder / "namespace").write_text("ci\n")
    (folder / "ca.crt").write_bytes(CA)
    return home


POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.mark.parametrize("line", ["kubectl get pods", "helm list", "kubectl get pods --insecure-skip-tls-verify"])
def test_pod_without_a_kubeconfig_uses_its_service_account(pod: Path, line: str) -> None:
    invocation = prepared(line, pod, **POD)
    assert invocation.pod is not None
    assert (invocation.namespace, invocation.selection.cluster_name) == ("ci", "in-cluster")
    assert invocation.upstreams["in-cluster"].ca == CA
    assert not invocation.upstreams["in-cluster"].insecure


def test_pod_with_a_usable_kubeconfig_does_not_use_its_service_account(pod: Path) -> None:
    (pod / ".kube" / "config").write_text(CONFIG)
    assert prepared("kubectl get pods", pod, **POD).pod is None


@pytest.mark.parametrize("flag", ["--server=https://u.example", "--as=jane", "--request-timeout=5s"])
def test_pod_does_not_lend_its_service_account_where_kubectl_would_not(pod: Path, flag: str) -> None:
    assert prepared(f"kubectl get pods {flag}", pod, **POD).pod is None


def test_token_flag_in_a_pod_takes_the_place_of_the_token_file(pod: Path) -> None:
    invocation = prepared("kubectl get pods --token=t", pod, **POD)
    assert invocation.pod is not None
    assert invocation.pod.users["in-cluster"].raw == {}


def test_pod_ignores_client_certificate_flags_as_kubectl_does(pod: Path) -> None:
    invocation = prepared("kubectl get pods --client-certificate=other.crt --client-key=key.pem", pod, **POD)
    assert invocation.argv == ("kubectl", "get", "pods")


@pytest.mark.parametrize(
    "flags",
    [
        "--server=https://127.0.0.1:1 --token=t",
        "--server=https://127.0.0.1:1 --token=t --insecure-skip-tls-verify",
        "--server=https://127.0.0.1:1 --token=t --certificate-authority=missing.crt",
        "--server=https://127.0.0.1:1 --token=t --certificate-authority=other.crt --insecure-skip-tls-verify",
        "--server=https://127.0.0.1:1 --token=t --context=nowhere",
        "--server=https://127.0.0.1:1 --token=t --user=nowhere",
        "--server=https://127.0.0.1:1 --token=t --cluster=nowhere",
        "--kubeconfig=missing",
        "--kubeconfig=garbage",
        "--insecure-skip-tls-verify=maybe",
        "--proxy-url=http://corporate:3128",
    ],
)
def test_kubectl_prints_what_it_prints_without_the_overlay(home: Path, kubectl: str, flags: str) -> None:
    """The proxy URL is left empty here, so that kubectl dials the refused port itself in both runs."""
    (home / ".kube" / "config").unlink()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"]}
    argv = [kubectl, "get", "pods", *flags.split()]
    invocation = prepare(argv, environ, home, home)
    overlay = Overlay.write(
        home / "overlay", invocation.kubeconfig, lambda _: "", CA_OF_PROXY, clusters=invocation.overlay_clusters
    )
    through = environ if invocation.direct else overlay.environment(environ, home, invocation.explicit)
    direct = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    got = subprocess.run(invocation.argv, env=through, capture_output=True, text=True, timeout=60, check=False)
    assert masked(got.stderr) == masked(direct.stderr)
    assert (got.returncode, got.stdout) == (direct.returncode, direct.stdout)


def masked(stderr: str) -> str:
    return "\n".join(line for line in stderr.splitlines() if not line.startswith("E"))


CA_OF_PROXY = b""


def test_overlay_names_exactly_the_clusters_behind_it(home: Path) -> None:
    invocation = prepared("kubectl get pods", home)
    overlay = Overlay.write(
        home / "overlay", invocation.kubeconfig, lambda c: c.name, CA, clusters=invocation.overlay_clusters
    )
    assert overlay.names == ("dev", "prod")
    assert [entry["name"] for entry in yaml.safe_load(overlay.path.read_text())["clusters"]] == ["dev", "prod"]
