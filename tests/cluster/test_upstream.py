"""What the kubeconfig and kubectl's flags say about the server is honoured by mitmkube as kubectl would honour it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster import pki, servers
from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome, environment, run
from tests.cluster.conftest import Compare, MitmkubeRun, RunDirect
from tests.cluster.kubectl import Kubectl
from tests.cluster.test_identity import relay

PODS = ["get", "pods", "-o", "name"]

type WriteConfig = Callable[..., Path]


@pytest.fixture
def config(cluster: Cluster, tmp_path: Path) -> WriteConfig:
    """Writes a kubeconfig for an identity, its cluster stanza changed by keywords; None takes a key out."""

    def write(identity: str = "jane", **stanza: Any) -> Path:
        named = {name.replace("_", "-"): value for name, value in stanza.items()}
        user = cluster.identities.stanza(identity)
        return cluster.identities.write_kubeconfig(tmp_path / f"{identity}.config", identity, user, named)

    return write


# Flags


def flags_about_server(cluster: Cluster) -> dict[str, tuple[Mapping[str, Any], list[str]]]:
    """What the cluster stanza says, and what the command line adds, for each flag that is about the server."""
    url, ca, other = cluster.url, str(cluster.ca_file), str(cluster.identities.pki / "other-ca.crt")
    elsewhere, no_ca = {"server": "https://127.0.0.1:1"}, {"certificate_authority_data": None}
    misnamed = {"tls_server_name": "elsewhere.example.test"}
    return {
        "server": (elsewhere, [f"--server={url}"]),
        "server, short": (elsewhere, ["-s", url]),
        "server and its name forgotten": (misnamed, ["--server", url]),
        "server by name": (elsewhere, [f"--server={url.replace('127.0.0.1', 'localhost')}"]),
        "certificate-authority": (no_ca, [f"--certificate-authority={ca}"]),
        "certificate-authority over data": ({}, ["--certificate-authority", ca]),
        "certificate-authority that is missing": ({}, ["--certificate-authority=/nonexistent.crt"]),
        "insecure-skip-tls-verify": (no_ca, ["--insecure-skip-tls-verify"]),
        "insecure-skip-tls-verify with CA data": ({}, ["--insecure-skip-tls-verify=true"]),
        "insecure-skip-tls-verify with CA file": (
            no_ca, ["--insecure-skip-tls-verify", f"--certificate-authority={ca}"]
        ),
        "insecure-skip-tls-verify that is no boolean": ({}, ["--insecure-skip-tls-verify=maybe"]),
        "tls-server-name": (misnamed, ["--tls-server-name=kubernetes.default"]),
        "server, certificate-authority": (
            {**elsewhere, "certificate_authority_data": None}, [f"-s={url}", f"--certificate-authority={ca}"]
        ),
        "server, insecure-skip-tls-verify": (
            {**elsewhere, "certificate_authority": other, "certificate_authority_data": None},
            ["--insecure-skip-tls-verify", f"--server={url}"],
        ),
    }  # fmt: skip


FLAGS_ABOUT_SERVER = (
    "server",
    "server, short",
    "server and its name forgotten",
    "server by name",
    "certificate-authority",
    "certificate-authority over data",
    "certificate-authority that is missing",
    "insecure-skip-tls-verify",
    "insecure-skip-tls-verify with CA data",
    "insecure-skip-tls-verify with CA file",
    "insecure-skip-tls-verify that is no boolean",
    "tls-server-name",
    "server, certificate-authority",
    "server, insecure-skip-tls-verify",
)


@pytest.mark.parametrize("case", FLAGS_ABOUT_SERVER)
def test_flag_about_the_server_keeps_its_meaning(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, config: WriteConfig, case: str
) -> None:
    cases = flags_about_server(cluster)
    assert set(cases) == set(FLAGS_ABOUT_SERVER)
    stanza, flags = cases[case]
    outcome = compare(kubectls[-1], [*flags, *PODS], config("jane", **stanza))
    assert outcome.through.masked == outcome.direct.masked
    works = not any(word in case for word in ("missing", "CA file", "no boolean"))
    assert ('User "jane" cannot list' in outcome.through.stderr) is works


@pytest.mark.parametrize(
    ("identity", "flags"),
    [
        ("jane", ["--client-certificate={pki}/dave.crt", "--client-key={pki}/dave.key"]),
        ("anonymous", ["--client-certificate", "{pki}/dave.crt", "--client-key", "{pki}/dave.key"]),
        ("bob", ["--client-certificate", "{pki}/expired.crt", "--client-key", "{pki}/expired.key"]),
        ("jane", ["--client-certificate={pki}/dave.crt"]),
        ("jane", ["--client-certificate={pki}/dave.crt", "--client-key=/nonexistent.key"]),
        ("jane", ["--token=nonsense"]),
        ("bob", ["--token=nonsense"]),
        ("anonymous", ["--token={bob}"]),
        ("jane", ["--token", "{bob}", "--as", "jane"]),
        ("jane", ["--as=bob"]),
        ("jane", ["--user=nobody"]),
        ("jane", ["--context=nowhere"]),
        ("jane", ["--cluster=nowhere"]),
        ("anonymous", ["--username=a", "--password=b"]),
        ("jane", ["--request-timeout=5s", "-v=0", "-n", "kube-system"]),
    ],
    ids=str,
)
def test_flag_about_the_user_keeps_its_meaning(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, identity: str, flags: list[str]
) -> None:
    bob = cluster.identity("bob").headers["Authorization"].removeprefix("Bearer ")
    filled = [flag.format(pki=cluster.identities.pki, bob=bob) for flag in flags]
    outcome = compare(kubectls[-1], [*PODS, *filled], identity)
    assert outcome.through.masked == outcome.direct.masked


def test_kubeconfig_flag_replaces_the_environment(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, tmp_path: Path
) -> None:
    for flags in (
        ["--kubeconfig", cluster.kubeconfig("dave")],
        [f"--kubeconfig={os.path.relpath(cluster.kubeconfig('dave'))}"],
        ["--kubeconfig", cluster.kubeconfig("jane"), f"--kubeconfig={cluster.kubeconfig('dave')}"],
    ):
        outcome = compare(kubectls[-1], [*flags, *PODS], "admin")
        assert outcome.through.masked == outcome.direct.masked
        assert 'User "dave" cannot list' in outcome.through.stderr
    outcome = compare(kubectls[-1], ["--kubeconfig", tmp_path / "nowhere", *PODS], "admin")
    assert outcome.through.masked == outcome.direct.masked


def test_cluster_and_context_flags_choose_the_server(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, tmp_path: Path
) -> None:
    document = json.loads(cluster.kubeconfig("jane").read_text())
    here = document["clusters"][0]["cluster"]
    document["clusters"].append({"name": "gone", "cluster": {**here, "server": "https://127.0.0.1:1"}})
    document["contexts"].append({"name": "gone", "context": {"cluster": "gone", "user": "jane"}})
    file = tmp_path / "two"
    file.write_text(json.dumps(document))
    for flags, reaches in (
        ([], True),
        (["--cluster=gone"], False),
        (["--context=gone"], False),
        (["--context=gone", "--cluster=dev"], True),
    ):
        outcome = compare(kubectls[-1], [*PODS, *flags], file)
        assert outcome.through.masked == outcome.direct.masked
        assert ('User "jane" cannot list' in outcome.through.stderr) is reaches


# Trust


def test_certificate_authority_is_a_file_beside_the_kubeconfig(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, config: WriteConfig, tmp_path: Path
) -> None:
    shutil.copy(cluster.ca_file, tmp_path / "relative.crt")
    file = config(certificate_authority_data=None, certificate_authority="relative.crt")
    outcome = compare(kubectls[-1], PODS, file)
    assert outcome.through.masked == outcome.direct.masked
    assert 'User "jane" cannot list' in outcome.through.stderr


@pytest.mark.parametrize(
    ("anchor", "sends_chain", "trusted"),
    [("root", True, True), ("root", False, False), ("intermediate", True, True), ("intermediate", False, True)],
)
def test_any_certificate_of_the_chain_can_be_the_anchor(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: WriteConfig, anchor: str, sends_chain: bool, trusted: bool
) -> None:
    with servers.intermediate(anchor, sends_chain=sends_chain) as server:
        file = config(server=server.url, certificate_authority_data=base64.b64encode(server.ca).decode())
        outcome = compare(kubectls[-1], ["get", "--raw", "/api"], file)
    assert (outcome.through.status == 0) is trusted
    assert (outcome.direct.status == 0) is trusted
    if trusted:
        assert outcome.through.masked == outcome.direct.masked


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_without_certificate_authority_the_system_roots_count(
    cluster: Cluster, kubectl: Kubectl, compare: Compare, config: WriteConfig, tmp_path: Path, variable: str
) -> None:
    roots = tmp_path / "roots"
    roots.mkdir()
    shutil.copy(cluster.ca_file, roots / "whatever.pem")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "none.pem").touch()
    here = {"SSL_CERT_FILE": roots / "whatever.pem", "SSL_CERT_DIR": roots}
    elsewhere = {"SSL_CERT_FILE": empty / "none.pem", "SSL_CERT_DIR": empty}
    env = {name: str(path) for name, path in {**elsewhere, variable: here[variable]}.items()}
    outcome = compare(kubectl, PODS, config(certificate_authority_data=None), env=env)
    assert outcome.through.masked == outcome.direct.masked
    assert 'User "jane" cannot list' in outcome.through.stderr

    # ... and nothing else does.
    env = {name: str(path) for name, path in elsewhere.items()}
    outcome = compare(kubectl, ["get", "--raw", "/api"], config(certificate_authority_data=None), env=env)
    assert (outcome.direct.status, outcome.through.status) == (1, 1)
    assert "x509: certificate signed by unknown authority" in outcome.through.stderr


@pytest.mark.parametrize("name", ["kubernetes.default", "127.0.0.1", "10.0.0.1"])
def test_tls_server_name_is_what_the_certificate_must_be_for(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: WriteConfig, name: str
) -> None:
    outcome = compare(kubectls[-1], PODS, config(tls_server_name=name))
    assert outcome.through.masked == outcome.direct.masked
    assert 'User "jane" cannot list' in outcome.through.stderr


def test_server_without_verification_is_reached_and_reported(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: WriteConfig
) -> None:
    file = config(certificate_authority_data=None, insecure_skip_tls_verify=True)
    outcome = compare(kubectls[-1], PODS, file)
    assert outcome.through.masked == outcome.direct.masked
    assert "nobody checked whose server this is" in " ".join(outcome.report.split())


@pytest.mark.parametrize(
    "stanza",
    [
        {"certificate_authority": "/nonexistent.crt", "certificate_authority_data": None},
        {"certificate_authority": os.devnull, "certificate_authority_data": None},
        {"certificate_authority_data": base64.b64encode(b"no certificate").decode()},
        {"insecure_skip_tls_verify": True},
        {"server": None},
        {"server": ""},
        {"server": "https://127.0.0.1:notaport"},
        {"proxy_url": "ftp://127.0.0.1:1"},
    ],
    ids=str,
)
def test_stanza_that_cannot_be_used_is_refused_in_kubectls_words(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: WriteConfig, stanza: dict[str, Any]
) -> None:
    outcome = compare(kubectls[-1], PODS, config(**stanza))
    assert outcome.through.masked == outcome.direct.masked


def test_two_clusters_at_one_address_keep_their_own_trust(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    document = json.loads(cluster.kubeconfig("jane").read_text())
    other = base64.b64encode((cluster.identities.pki / "other-ca.crt").read_bytes()).decode()
    stanzas: dict[str, dict[str, object]] = {
        "trusted": {"certificate-authority": str(cluster.ca_file)},
        "foreign": {"certificate-authority-data": other},
        "insecure": {"insecure-skip-tls-verify": True},
        "misnamed": {"certificate-authority": str(cluster.ca_file), "tls-server-name": "elsewhere.example.test"},
    }
    document["clusters"] = [{"name": n, "cluster": {"server": cluster.url, **s}} for n, s in stanzas.items()]
    document["contexts"] = [{"name": name, "context": {"cluster": name, "user": "jane"}} for name in stanzas]
    file = tmp_path / "four"
    file.write_text(json.dumps(document))
    kubectl = shlex.quote(str(kubectls[-1].path))
    script = "; ".join(
        f"(echo {name}; {kubectl} get pods --context={name}) 2>&1 | tr '\\n' ' '; echo" for name in stanzas
    )
    outcome = mitmkube_run(["--report", tmp_path / "report", "--", "sh", "-c", script], file)
    said = dict(line.split(" ", 1) for line in outcome.stdout.splitlines())
    assert 'User "jane" cannot list' in said["trusted"]
    assert "certificate signed by unknown authority" in said["foreign"]
    assert 'User "jane" cannot list' in said["insecure"]
    assert "not elsewhere.example.test" in said["misnamed"]


# Where the server is


class _Prefixed(http.server.BaseHTTPRequestHandler):
    """A reverse proxy that serves the API below a path, as Rancher does; what was asked outside it is 404."""

    protocol_version = "HTTP/1.1"
    prefix = "/k8s/clusters/c-1"
    cluster: Cluster

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.path.startswith(f"{self.prefix}/"):
            self.send_error(404)
            return
        context = ssl.create_default_context(cafile=str(self.cluster.ca_file))
        server = http.client.HTTPSConnection(servers.HOST, self.cluster.port, context=context, timeout=30)
        kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        server.request(self.command, self.path.removeprefix(self.prefix), body or None, kept)
        response = server.getresponse()
        content = response.read()
        server.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def below_a_path(cluster: Cluster) -> Iterator[tuple[str, bytes]]:
    """The URL of the API server below a path, and the PEM of the authority of the server in front of it."""
    authority = pki.Authority.create("mitmkube-test-rancher")
    leaf = authority.issue("rancher", usage=pki.SERVER, names=[servers.HOST])
    server = http.server.ThreadingHTTPServer((servers.HOST, 0), type("Handler", (_Prefixed,), {"cluster": cluster}))
    server.block_on_close = False
    server.daemon_threads = True
    server.socket = servers.server_context(leaf).wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"https://{servers.HOST}:{server.server_address[1]}{_Prefixed.prefix}", authority.certificate_pem
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def test_server_below_a_path_is_reached_and_understood(
    cluster: Cluster, kubectl: Kubectl, compare: Compare, config: WriteConfig
) -> None:
    with below_a_path(cluster) as (url, ca):
        for slash in ("", "/"):
            stanza = {"server": url + slash, "certificate_authority_data": base64.b64encode(ca).decode()}
            outcome = compare(kubectl, ["get", "secrets"], config("bob", **stanza))
            assert outcome.through.masked == outcome.direct.masked
            assert [found["rule"] for found in outcome.story["findings"]] == ["rbac-denied"]
            request = outcome.story["requests"][-1]["request_info"]
            assert (request["verb"], request["resource"], request["namespace"]) == ("list", "secrets", "default")
        outcome = compare(kubectl, ["get", "pods", "-o", "name"], config("token", **stanza))
        assert (outcome.through.stdout, outcome.through.stderr) == ("pod/p0\n", "")


@pytest.fixture
def kubectl_proxy(cluster: Cluster, kubectls: tuple[Kubectl, ...], tmp_path: Path) -> Iterator[str]:
    """The URL of a ``kubectl proxy`` that runs as admin: an API server over plain HTTP."""
    (tmp_path / "proxy-home").mkdir()
    process = subprocess.Popen(
        [kubectls[-1].path, "proxy", "--port=0", "--reject-paths=^/none$"],
        env=environment(tmp_path / "proxy-home", cluster.kubeconfig("admin")),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert address is not None
        yield f"http://{address[0]}"
    finally:
        process.terminate()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize(
    "args",
    [
        PODS,
        ["get", "nosuchtypes"],
        ["get", "pod", "nobody"],
        ["logs", "p0", "--tail=1"],
        ["create", "configmap", "some", "--from-literal=a=b", "--dry-run=server", "-o", "name"],
        ["exec", "p0", "--", "echo", "hello"],
        ["-s={url}", "get", "--raw", "/version"],
    ],
    ids=" ".join,
)
def test_server_over_plain_http_is_reached(
    kubectl: Kubectl, compare: Compare, config: WriteConfig, kubectl_proxy: str, args: list[str]
) -> None:
    plain = config("anonymous", server=kubectl_proxy, certificate_authority_data=None)
    # Without any credential kubectl would ask for a user name.
    document = json.loads(plain.read_text())
    document["users"][0]["user"] = {"token": "unused"}
    plain.write_text(json.dumps(document))
    outcome = compare(kubectl, [arg.format(url=kubectl_proxy) for arg in args], plain)
    assert outcome.through.masked == outcome.direct.masked
    assert outcome.story["requests"]


@pytest.mark.parametrize("address", ["[::1]", "[0:0:0:0:0:0:0:1]"])
def test_server_at_an_ipv6_address_is_reached(
    cluster: Cluster, kubectl: Kubectl, compare: Compare, config: WriteConfig, address: str
) -> None:
    with relay(cluster.port, "::1") as (port, connections):
        outcome = compare(kubectl, PODS, config(server=f"https://{address}:{port}"))
        assert outcome.through.masked == outcome.direct.masked
        assert 'User "jane" cannot list' in outcome.through.stderr
        assert connections
        # ... and what goes wrong there reads the same.
        stanza = {"server": f"https://{address}:{port}", "tls_server_name": "elsewhere.example.test"}
        outcome = compare(kubectl, ["get", "--raw", "/version"], config(**stanza))
    assert outcome.through.masked == outcome.direct.masked
    assert outcome.through.status == 1


def test_several_clusters_and_users_are_used_at_once(
    cluster: Cluster,
    kubectls: tuple[Kubectl, ...],
    kubectl_proxy: str,
    mitmkube_run: MitmkubeRun,
    tmp_path: Path,
    fresh_home: Iterator[Path],
) -> None:
    """Three servers, one of them below a path and one over plain HTTP, and a user of each kind, in every pair."""
    identities = cluster.identities
    with below_a_path(cluster) as (url, ca):
        clusters: dict[str, dict[str, Any]] = {
            "dev": {"server": cluster.url, "certificate-authority": str(cluster.ca_file)},
            "path": {"server": url, "certificate-authority-data": base64.b64encode(ca).decode()},
            "plain": {"server": kubectl_proxy},
        }
        sso = plugin(tmp_path, {"token": identities.stanza("bob")["token"]})
        users = {"jane": identities.stanza("jane"), "token": identities.stanza("token"), "sso": sso}
        file = tmp_path / "all"
        file.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "dev-jane",
            "clusters": [{"name": name, "cluster": stanza} for name, stanza in clusters.items()],
            "users": [{"name": name, "user": stanza} for name, stanza in users.items()],
            "contexts": [
                {"name": f"{one}-{other}", "context": {"cluster": one, "user": other}}
                for one in clusters for other in users
            ],
        }))  # fmt: skip
        kubectl = shlex.quote(str(kubectls[-1].path))
        names = [f"{one}-{other}" for one in clusters for other in users] * 2
        # Each with a cache of its own: who may not look up the types prints something else where another one has.
        script = " ".join(
            f"echo {name} $({kubectl} get pods -o name --context={name} --cache-dir=$HOME/{name} 2>&1 | tail -1) &"
            for name in names
        )
        direct = run(["sh", "-c", f"{script} wait"], home=next(fresh_home), kubeconfig=file)
        through = mitmkube_run(["--quiet", "--", "sh", "-c", f"{script} wait"], file)
    said = sorted(through.stdout.splitlines())
    assert said == sorted(direct.stdout.splitlines())
    assert len(said) == 18
    assert len({line for line in said if "pod/p0" in line}) == 5  # the admin's token twice, and all that is plain
    assert any('dev-jane Error from server (Forbidden): pods is forbidden: User "jane"' in line for line in said)


IN_POD = """\
set -e
mount -t tmpfs tmpfs /run
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
cp "$FILES"/token "$FILES"/ca.crt "$FILES"/namespace /var/run/secrets/kubernetes.io/serviceaccount/
exec "$@"
"""


@pytest.fixture
def in_pod(cluster: Cluster, fresh_home: Iterator[Path], tmp_path: Path) -> Callable[..., Outcome]:
    """Runs a command where the files and variables of a pod of ci/deployer are, in a mount namespace of its own."""
    files = tmp_path / "serviceaccount"
    files.mkdir()
    (files / "token").write_text(cluster.identities.stanza("deployer")["token"])
    (files / "namespace").write_text("ci")
    shutil.copy(cluster.ca_file, files / "ca.crt")
    pod = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port), "FILES": str(files)}

    def start(*command: str | Path, env: Mapping[str, str] | None = None) -> Outcome:
        return run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", IN_POD, "in-pod", *command],
            home=next(fresh_home),
            env={**pod, **(env or {})},
        )

    return start


@pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces are Linux's")
@pytest.mark.parametrize(
    "args",
    [["get", "pods"], ["get", "pods", "-n", "default"], ["--token=nonsense", "get", "pods"], ["config", "view"]],
    ids=" ".join,
)
def test_service_account_counts_where_there_is_no_kubeconfig(
    kubectl: Kubectl, in_pod: Callable[..., Outcome], tmp_path: Path, args: list[str]
) -> None:
    direct = in_pod(kubectl.path, *args)
    report = tmp_path / "report"
    through = in_pod(sys.executable, "-m", "mitmkube", "run", "--report", report, "--", kubectl.path, *args)
    assert through.masked == direct.masked
    if args == ["get", "pods"]:
        assert 'User "system:serviceaccount:ci:deployer" cannot list' in through.stderr
        assert 'in the namespace "ci"' in through.stderr
        assert "list pods in ci" in report.read_text()


# Credential plugins


def plugin(folder: Path, status: Mapping[str, str] | None) -> dict[str, Any]:
    """A user stanza with a plugin that returns ``status``, or fails."""
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    said = folder / "credential.json"
    said.write_text(json.dumps(credential))
    command = folder / "plugin"
    command.write_text(f"#!/bin/sh\ncat {shlex.quote(str(said))}\n" if status else "#!/bin/sh\necho no >&2\nexit 3\n")
    command.chmod(0o755)
    version = credential["apiVersion"]
    return {"exec": {"command": str(command), "apiVersion": version, "interactiveMode": "Never"}}


def test_token_of_a_credential_plugin_passes(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, tmp_path: Path
) -> None:
    token = cluster.identities.stanza("bob")["token"]
    file = cluster.identities.write_kubeconfig(tmp_path / "config", "sso", plugin(tmp_path, {"token": token}))
    outcome = compare(kubectls[-1], PODS, file)
    assert outcome.through.masked == outcome.direct.masked
    assert 'User "bob" cannot list' in outcome.through.stderr


def test_credential_plugin_that_fails_says_so_itself(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, tmp_path: Path
) -> None:
    file = cluster.identities.write_kubeconfig(tmp_path / "config", "sso", plugin(tmp_path, None))
    outcome = compare(kubectls[-1], PODS, file)
    assert outcome.through.masked == outcome.direct.masked
    assert outcome.through.status == 1


@pytest.mark.parametrize("args", [PODS, ["get", "--raw", "/version"], ["exec", "p0", "--", "true"]], ids=" ".join)
def test_certificate_of_a_credential_plugin_is_said_to_be_a_limit(
    cluster: Cluster, kubectl: Kubectl, compare: Compare, tmp_path: Path, args: list[str]
) -> None:
    stanza = cluster.identities.stanza("jane")
    status = {
        "clientCertificateData": base64.b64decode(stanza["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(stanza["client-key-data"]).decode(),
    }
    file = cluster.identities.write_kubeconfig(tmp_path / "config", "sso", plugin(tmp_path, status))
    outcome = compare(kubectl, args, file)
    assert "Forbidden" in outcome.direct.stderr or outcome.direct.status == 0
    assert outcome.through.status == 1
    assert outcome.through.stdout == ""
    # kubectl says it once, and once more for every time it tried to discover what there is.
    for line in outcome.through.stderr.splitlines():
        assert "mitmkube: the client presented a certificate" in line
        assert "(a credential plugin that returns a certificate keeps the key to itself without --wrap-plugin)" in line
    found = {(found["rule"], found["category"], found["hop"]) for found in outcome.story["findings"]}
    assert found == {("auth-key-not-available", "auth", "mitmkube")}


# The user's own files


def by_name(document: dict[str, Any]) -> dict[str, Any]:
    """A kubeconfig with its lists as maps: the order in them says nothing."""
    return {
        key: {entry["name"]: entry for entry in value} if isinstance(value, list) else value
        for key, value in document.items()
    }


@pytest.mark.parametrize(
    "command",
    [
        "config use-context other",
        "config set-context --current --namespace=prod",
        "config set-context fresh --cluster=dev --user=jane",
        "config set-cluster dev --server=https://moved.example.test",
        "config set-cluster dev --tls-server-name=kubernetes",
        "config set-cluster fresh --server=https://new.example.test",
        "config set-credentials jane --token=new",
        "config set-credentials fresh --token=new",
        "config delete-context other",
        "config rename-context other another",
        "config unset current-context",
    ],
)
def test_change_made_by_a_command_lands_in_the_users_own_file(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], tmp_path: Path, fresh_home: Iterator[Path], command: str
) -> None:
    """By a program that calls kubectl: mitmkube cannot know beforehand that it will change anything."""
    left = []
    for name in ("direct", "through"):
        file = tmp_path / name
        document = json.loads(cluster.kubeconfig("jane").read_text())
        document["contexts"].append({"name": "other", "context": {"cluster": "dev", "user": "jane"}})
        file.write_text(json.dumps(document))
        around = [sys.executable, "-m", "mitmkube", "run", "--quiet", "--"] if name == "through" else []
        outcome = run(
            [*around, "sh", "-c", f'"$KUBECTL" {command}'],
            home=next(fresh_home),
            kubeconfig=file,
            env={"KUBECTL": str(kubectls[-1].path)},
        )
        assert (outcome.status, outcome.stderr) == (0, "" if name == "direct" else outcome.stderr)
        assert "carried back" not in outcome.stderr
        left.append(by_name(yaml.safe_load(file.read_text())))
    assert left[1] == left[0]
    assert left[0] != by_name(document)


def test_config_command_itself_is_left_alone(cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare) -> None:
    for args in (["config", "view"], ["config", "current-context"], ["config", "get-contexts"]):
        outcome = compare(kubectls[-1], args, "jane")
        assert outcome.through.masked == outcome.direct.masked


# What mitmkube says of itself


def test_nested_run_works_and_says_so(
    kubectls: tuple[Kubectl, ...], run_direct: RunDirect, mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    inner: list[str | Path] = [
        sys.executable,
        "-m",
        "mitmkube",
        "run",
        "--report",
        tmp_path / "inner",
        "--",
        kubectls[-1].path,
        *PODS,
    ]
    outcome = mitmkube_run(["--report", tmp_path / "outer", "--", *inner], "jane")
    assert outcome.masked == run_direct(kubectls[-1], PODS, "jane").masked
    assert "This ran inside another mitmkube" in (tmp_path / "inner").read_text()
    assert "rbac-denied" in (tmp_path / "inner").read_text()
    assert "Nothing was sent through the proxy" in (tmp_path / "outer").read_text()


@pytest.mark.parametrize("command", [["true"], ["{kubectl}", "version", "--client"], ["{kubectl}", "config", "view"]])
def test_command_that_sent_nothing_is_said_in_words(
    kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, command: list[str]
) -> None:
    outcome = mitmkube_run(["--", *(word.format(kubectl=kubectls[-1].path) for word in command)], "jane")
    assert outcome.status == 0
    assert "Nothing was sent through the proxy" in outcome.stderr
