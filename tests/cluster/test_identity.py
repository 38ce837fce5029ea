"""Nobody becomes somebody else through mitmkube: each identity prints what it prints directly, and asks no more."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.cluster import pki, servers
from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome, run
from tests.cluster.conftest import Compare, MitmkubeRun
from tests.cluster.identities import Identity
from tests.cluster.kubectl import Kubectl

NAMES = (
    "admin",
    "jane",
    "jane-files",
    "dave",
    "expired",
    "wrongca",
    "token",
    "bob",
    "badtoken",
    "deployer",
    "as-jane",
    "as-jane-ops",
    "as-uid-extra",
    "as-deployer",
    "jane-as-admin",
    "anonymous",
)

ONE_OF_EACH_KIND = ("jane", "expired", "token", "badtoken", "deployer", "as-uid-extra", "anonymous")

# What a day with kubectl holds, but no ages and no times of writing: those differ between any two runs.
COMMANDS = """\
k get pods -o name
k get ns default -o yaml
k get clusterroles view edit -v=0
k get nosuchtypes
k get --raw /version
k get --raw /metrics/slis -v=0 -o name
k auth whoami
k auth can-i --list
k create configmap parity --from-literal=a=b
k create configmap parity --from-literal=a=b --dry-run=server -o name
k apply -f applied.yaml
k apply -f applied.yaml --server-side
k delete configmap parity parity-applied --ignore-not-found
k explain pods.spec.nodeName
k api-resources -o name
k cluster-info
k version -o json
"""
APPLIED = """\
{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "parity-applied"}, "data": {"a": "b"}}
"""

# A program that speaks to the proxy by itself, as any local process could: it reads where the proxy is in the overlay.
LOCAL_PROCESS = """\
import base64, http.client, json, os, socket, ssl, sys
from urllib.parse import urlsplit
import yaml

overlay = os.environ["KUBECONFIG"].split(os.pathsep)[0]
cluster = yaml.safe_load(open(overlay))["clusters"][0]["cluster"]
proxy, server = urlsplit(cluster["proxy-url"]), urlsplit(cluster["server"])
ca = base64.b64decode(cluster["certificate-authority-data"]).decode()

def tunnel(user=proxy.username, password=proxy.password, to=server.netloc):
    sock = socket.create_connection((proxy.hostname, proxy.port), timeout=30)
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    header = f"Proxy-Authorization: Basic {login}\\r\\n" if user else ""
    sock.sendall(f"CONNECT {to} HTTP/1.1\\r\\nHost: {to}\\r\\n{header}\\r\\n".encode())
    answer = b""
    while b"\\r\\n\\r\\n" not in answer and (byte := sock.recv(1)):
        answer += byte
    return sock, answer.decode("latin-1").partition("\\r\\n")[0]

def over_tls(sock, certificate=None, key=None):
    context = ssl.create_default_context(cadata=ca)
    if certificate:
        context.load_cert_chain(certificate, key)
    return context.wrap_socket(sock, server_hostname=server.hostname)

def get(sock, path, *headers):
    lines = [f"GET {path} HTTP/1.1", f"Host: {server.netloc}", "Connection: close", *headers]
    sock.sendall(("\\r\\n".join(lines) + "\\r\\n\\r\\n").encode())
    answer = b""
    while chunk := sock.recv(65536):
        answer += chunk
    head, _, body = answer.partition(b"\\r\\n\\r\\n")
    return int(head.split()[1]), body.decode("utf-8", "replace")

def whoami(connection):
    review = '{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}'
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, headers)
    answer = json.load(connection.getresponse())
    return answer["status"]["userInfo"]["username"] if answer["kind"] == "SelfSubjectReview" else str(answer["code"])

"""


class LocalProcess(Protocol):
    """Runs ``body`` under ``mitmkube run``, with LOCAL_PROCESS before it; gives the JSON that it printed."""

    def __call__(self, body: str, identity: str | Path = "jane", *arguments: str | Path) -> Any: ...


@pytest.fixture
def local_process(mitmkube_run: MitmkubeRun, tmp_path: Path) -> LocalProcess:
    def start(body: str, identity: str | Path = "jane", *arguments: str | Path) -> Any:
        program = tmp_path / "local_process.py"
        program.write_text(LOCAL_PROCESS + textwrap.dedent(body))
        command = [f"--report={tmp_path / 'report'}", "--", sys.executable, program, *arguments]
        outcome = mitmkube_run(command, identity, seconds=60)
        assert outcome.status == 0, outcome.stderr
        return json.loads(outcome.stdout)

    return start


def key_pair(cluster: Cluster, name: str) -> tuple[Path, Path]:
    """The certificate and key files of an identity."""
    identity = cluster.identity(name)
    assert identity.certificate is not None
    assert identity.key is not None
    return identity.certificate, identity.key


@contextlib.contextmanager
def relay(port: int, host: str = servers.HOST) -> Iterator[tuple[int, list[object]]]:
    """A port of ``host`` that leads to another on loopback, and the connections that were made to it so far."""
    connections: list[object] = []
    open_sockets: list[socket.socket] = []

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, peer = listener.accept()
                connections.append(peer)
                server = socket.create_connection((servers.HOST, port))
                open_sockets.extend((client, server))
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=copy, args=(source, target), daemon=True).start()

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1], connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for each in open_sockets:
                each.close()


def script(kubectl: Kubectl, folder: Path) -> list[str | Path]:
    """A shell that runs COMMANDS one by one, whatever comes of each, and says on both streams where each begins."""
    (folder / "applied.yaml").write_text(APPLIED)
    body = [
        f"cd {shlex.quote(str(folder))}",
        'k() { echo "+ $*"; echo "+ $*" >&2; "$KUBECTL" "$@"; echo "exit status $?"; }',
        COMMANDS,
    ]
    return ["env", f"KUBECTL={kubectl.path}", "sh", "-c", "\n".join(body)]


def by_command(outcome: Outcome) -> list[tuple[str, str]]:
    """What each command of the script printed and how it ended."""
    _, stdout, stderr = outcome.masked
    return list(zip(stdout.split("+ "), stderr.split("+ "), strict=True))


@pytest.mark.parametrize(
    ("age", "identity"), [*(("newest", name) for name in NAMES), *(("oldest", name) for name in ONE_OF_EACH_KIND)]
)
def test_identity_prints_and_asks_for_the_same_as_direct(
    cluster: Cluster,
    kubectls: tuple[Kubectl, ...],
    age: str,
    identity: str,
    mitmkube_run: MitmkubeRun,
    tmp_path: Path,
) -> None:
    command = script(kubectls[0] if age == "oldest" else kubectls[-1], tmp_path)
    (tmp_path / "direct").mkdir()

    def requests() -> Counter[tuple[str, ...]]:
        return Counter(
            (
                event["verb"],
                event["requestURI"],
                event["user"].get("username", ""),
                event.get("impersonatedUser", {}).get("username", ""),
                # The OpenAPI document's ETag comes and goes with the order in which the server wrote it.
                str(event.get("responseStatus", {}).get("code")).replace("304", "200"),
                event.get("userAgent", ""),
            )
            for event in cluster.audit_events(before)
            if not event.get("userAgent", "").startswith(("kube-", "kwok"))
        )

    before = cluster.audit_log.stat().st_size
    direct = run(command, home=tmp_path / "direct", kubeconfig=cluster.kubeconfig(identity))
    asked_direct = requests()
    before = cluster.audit_log.stat().st_size
    through = mitmkube_run(["--report", tmp_path / "report", "--", *command], identity)
    asked_through = requests()

    differing = [pair for pair in zip(by_command(direct), by_command(through), strict=True) if pair[0] != pair[1]]
    assert differing == []
    assert len(by_command(direct)) == len(COMMANDS.splitlines()) + 1
    assert (asked_through - asked_direct, asked_direct - asked_through) == (Counter(), Counter())


# The command line itself, which mitmkube reads and rewrites.


@pytest.mark.parametrize("identity", NAMES)
def test_command_prints_the_same_as_direct(compare: Compare, kubectls: tuple[Kubectl, ...], identity: str) -> None:
    outcome = compare(kubectls[0], ["get", "pods", "-o", "name"], identity)
    assert outcome.through.masked == outcome.direct.masked
    assert outcome.report


def test_every_identity_is_who_it_is_directly(
    cluster: Cluster, identities: dict[str, Identity], kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun
) -> None:
    """All at once through one proxy, over and over: nobody may get a connection that is somebody else's."""
    known = {name: identity.user for name, identity in identities.items() if identity.user and name in NAMES}
    merged = os.pathsep.join(str(cluster.kubeconfig(name)) for name in known)
    ask = f"{shlex.quote(str(kubectls[-1].path))} auth whoami -o jsonpath='{{.status.userInfo.username}}'"
    script = "; ".join(
        f"for i in 1 2 3; do echo {name}=$({ask} --context={name}) & done" for name in known if name != "anonymous"
    )
    outcome = mitmkube_run(["--quiet", "--", "sh", "-c", f"{script}; wait"], Path(merged))
    seen = Counter(outcome.stdout.splitlines())
    assert seen == {f"{name}={user}": 3 for name, user in known.items() if name != "anonymous"}
    assert outcome.stderr == ""


def test_user_and_context_flags_choose_among_identities(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare
) -> None:
    merged = Path(os.pathsep.join(str(cluster.kubeconfig(name)) for name in ("jane", "dave", "bob", "admin")))
    for flags, user in (
        (["--context=dave"], "dave"),
        (["--user=bob"], "bob"),
        (["--context", "dave", "--user", "jane"], "jane"),
        (["--user=jane", "--as=bob"], None),
        (["--context=admin", "--as=bob", "--as-group=dev"], "bob"),
        ([], "jane"),
    ):
        outcome = compare(kubectls[-1], ["get", "secrets", *flags], merged)
        assert outcome.through.masked == outcome.direct.masked
        if user:
            assert f'User "{user}" cannot list' in outcome.through.stderr


def test_no_connection_is_made_but_those_of_the_client(
    cluster: Cluster, local_process: LocalProcess, tmp_path: Path
) -> None:
    with relay(cluster.port) as (port, connections):
        config = cluster.identities.write_kubeconfig(
            tmp_path / "relayed", "jane", cluster.identities.stanza("jane"), {"server": f"https://127.0.0.1:{port}"}
        )
        users = local_process(
            """
            users = []
            for _ in range(3):
                sock, _ = tunnel()
                connection = http.client.HTTPSConnection(server.netloc)
                connection.sock = over_tls(sock, sys.argv[1], sys.argv[2])
                users += [whoami(connection) for _ in range(4)]
            print(json.dumps(users))
            """,
            config,
            *key_pair(cluster, "jane"),
        )
        assert users == ["jane"] * 12
        assert len(connections) == 3


def test_command_that_sends_one_request_makes_one_connection(
    cluster: Cluster, kubectl: Kubectl, mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    with relay(cluster.port) as (port, connections):
        config = cluster.identities.write_kubeconfig(
            tmp_path / "relayed", "jane", cluster.identities.stanza("jane"), {"server": f"https://127.0.0.1:{port}"}
        )
        outcome = mitmkube_run(["--quiet", "--", kubectl.path, "get", "--raw", "/version"], config)
        assert outcome.status == 0
        assert len(connections) == 1


# Another program on this machine


def test_process_without_password_gets_nothing(local_process: LocalProcess) -> None:
    answers = local_process(
        """
        answers = [tunnel(None)[1], tunnel(password="")[1], tunnel(password="guess")[1], tunnel("mitmkube-1", "x")[1]]
        plain = socket.create_connection((proxy.hostname, proxy.port))
        answers.append(get(plain, f"http://{server.netloc}/version")[0])
        print(json.dumps(answers))
        """
    )
    assert answers == ["HTTP/1.1 407 Proxy Authentication Required"] * 4 + [407]


def test_process_without_certificate_is_anonymous(local_process: LocalProcess) -> None:
    """Jane's kubeconfig is in play, but who does not hold her key does not get her identity."""
    assert local_process(
        """
        print(json.dumps(get(over_tls(tunnel()[0]), "/api/v1/namespaces/default/pods")))
        """
    )[0] in (401, 403)


def test_process_with_a_forged_certificate_gets_no_identity(
    cluster: Cluster, local_process: LocalProcess, tmp_path: Path
) -> None:
    """The same names as admin's, and even the same issuer's name: only the key pair counts."""
    forged = pki.Authority.create("mitmkube-test-ca").issue("admin", ["system:masters"], usage=pki.CLIENT)
    before = cluster.audit_log.stat().st_size
    status, text = local_process(
        """
        print(json.dumps(get(over_tls(tunnel()[0], sys.argv[1], sys.argv[2]), "/api/v1/namespaces/default/pods")))
        """,
        "admin",
        *forged.write(tmp_path, "forged"),
    )
    assert status == 503
    assert "certificate whose key no user of the kubeconfig has" in text
    assert [e for e in cluster.audit_events(before) if not e.get("userAgent", "").startswith(("kube-", "kwok"))] == []


def test_proxy_leads_to_no_other_server(cluster: Cluster, local_process: LocalProcess) -> None:
    """Not by CONNECT, not by an absolute URI, and not from within a tunnel that was admitted."""
    with servers.html(200, "the other one", scheme="http") as other:
        answers = local_process(
            """
            other = sys.argv[1]
            login = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
            plain = lambda: socket.create_connection((proxy.hostname, proxy.port))
            answers = [
                tunnel(to=other)[1],
                get(plain(), f"http://{other}/", f"Proxy-Authorization: Basic {login}"),
                get(over_tls(tunnel()[0], sys.argv[2], sys.argv[3]), f"http://{other}/version"),
                get(over_tls(tunnel()[0], sys.argv[2], sys.argv[3]), "/version", f"X-Host: {other}"),
                tunnel(to="localhost.example.test:1")[1],
            ]
            print(json.dumps(answers))
            """,
            "jane",
            f"127.0.0.1:{other.port}",
            *key_pair(cluster, "jane"),
        )
        assert other.connections == []
    refused = f"127.0.0.1:{other.port} is no server of the kubeconfig"
    assert answers[0] == f"HTTP/1.1 403 mitmkube: {refused}"
    assert answers[1][0] == 403
    assert refused in answers[1][1]
    assert answers[3][0] == 200
    assert "the other one" not in str(answers)


def test_tunnel_of_one_identity_is_not_used_by_another(cluster: Cluster, local_process: LocalProcess) -> None:
    """Interleaved tunnels of three clients, two with certificates and one without, each asking twice."""
    users = local_process(
        """
        def client(*pair):
            connection = http.client.HTTPSConnection(server.netloc)
            connection.sock = over_tls(tunnel()[0], *pair)
            return connection
        clients = [client(sys.argv[1], sys.argv[2]), client(sys.argv[3], sys.argv[4]), client()]
        print(json.dumps([whoami(c) for c in clients + clients[::-1]]))
        """,
        Path(f"{cluster.kubeconfig('jane')}{os.pathsep}{cluster.kubeconfig('dave')}"),
        *key_pair(cluster, "jane"),
        *key_pair(cluster, "dave"),
    )
    assert users == ["jane", "dave", "403", "403", "dave", "jane"]


def test_proxy_listens_on_loopback_only_and_keeps_its_files_private(local_process: LocalProcess) -> None:
    assert local_process(
        """
        import stat
        folder = os.path.dirname(overlay)
        modes = {oct(stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)) for name in os.listdir(folder)}
        listening = {line.split()[1] for line in open("/proc/net/tcp") if line.split()[3] == "0A"}
        wanted = f"{proxy.port:04X}"
        print(json.dumps([
            oct(stat.S_IMODE(os.stat(folder).st_mode)), sorted(modes),
            [a.split(":")[0] for a in listening if a.endswith(":" + wanted)],
            [line for line in open("/proc/net/tcp6") if f":{wanted} " in line.split(" 0A ")[0]],
        ]))
        """
    ) == ["0o700", ["0o600"], ["0100007F"], []]
