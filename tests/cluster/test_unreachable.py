"""A server that cannot be reached is what kubectl itself would say it is, and the report classifies it."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import pki, servers
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import Compare, Comparison, MitmkubeRun, RunDirect
from tests.cluster.kubectl import Kubectl

RAW = ["get", "--raw", "/version"]
# kubectl asks once and does not try again when a POST fails; a GET it repeats ten times, a second apart.
POST = ["create", "--raw", "/api/v1/namespaces", "-f", "/dev/null"]
# Nobody resolves it; a forward proxy may be asked for it, which Go never does for 127.0.0.1.
BEHIND_PROXY = "https://kubernetes.default:6443"

# A name server's address is Go's or libc's to know, and a certificate is out of date as of now.
_PASSING = re.compile(r"(?<= on )[\d.:\[\]a-f]+:53|(?<=current time )\S+|(?<=read tcp )\S+->\S+(?=:)")

type Server = Callable[[], AbstractContextManager[servers.Server]]


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a kubeconfig for a server of ``tests.cluster.servers``; keywords change the cluster stanza."""

    def write(server: servers.Server, /, **stanza: Any) -> Path:
        named = {name.replace("_", "-"): value for name, value in stanza.items()}
        trust = {"certificate-authority-data": base64.b64encode(server.ca).decode()} if server.ca else {}
        file = tmp_path / "config"
        document = {
            "current-context": "there",
            "clusters": [{"name": "there", "cluster": {"server": server.url, **trust, **named}}],
            "users": [{"name": "me", "user": {"token": "unused"}}],
            "contexts": [{"name": "there", "context": {"cluster": "there", "user": "me"}}],
        }
        file.write_text(json.dumps(document))
        return file

    return write


def common_name_only(host: str) -> AbstractContextManager[servers.Server]:
    """A server whose certificate names ``host`` where Go does not look."""
    authority = pki.Authority.create("mitmkube-test-ca")
    return servers._http(servers._Handler, authority.issue(host, usage=pki.SERVER), ca=authority)


def not_yet_valid() -> AbstractContextManager[servers.Server]:
    """A server whose certificate begins tomorrow."""
    authority = pki.Authority.create("mitmkube-test-ca")
    leaf = authority.issue("kube-apiserver", usage=pki.SERVER, names=[servers.HOST], not_before=pki.DAY)
    return servers._http(servers._Handler, leaf, ca=authority)


def said(outcome: Comparison) -> tuple[tuple[int, str, str], tuple[int, str, str]]:
    """What mitmkube's side said and what kubectl's said, without what differs between any two runs."""
    (status, stdout, stderr), (direct, direct_stdout, direct_stderr) = outcome.through.masked, outcome.direct.masked
    return (status, stdout, _PASSING.sub("…", stderr)), (direct, direct_stdout, _PASSING.sub("…", direct_stderr))


def found(outcome: Comparison) -> set[tuple[str, str, str]]:
    """The rules that spoke up, each with its category and step."""
    return {(finding["rule"], finding["category"], finding["step"]) for finding in outcome.story["findings"]}


CASES: dict[str, tuple[Server, tuple[str, str, str]]] = {
    "refused": (servers.refused, ("network-refused", "network", "connection")),
    "not TLS": (servers.plain_http, ("network-not-tls", "network", "connection")),
    "plain HTTP answers over HTTPS": (
        lambda: servers.html(scheme="http"), ("network-not-tls", "network", "connection")
    ),
    "untrusted": (servers.foreign_certificate, ("auth-server-certificate-untrusted", "auth", "connection")),
    "expired": (servers.expired_certificate, ("auth-server-certificate-expired", "auth", "connection")),
    "not yet valid": (not_yet_valid, ("auth-server-certificate-expired", "auth", "connection")),
    "for another name": (
        servers.certificate_for_another_name, ("auth-server-certificate-name", "auth", "connection")
    ),
    "common name only": (
        lambda: common_name_only(servers.HOST), ("auth-server-certificate-name", "auth", "connection")
    ),
    "no gateway": (servers.html, ("health-no-backend", "health", "transmission")),
    "no backend": (
        lambda: servers.html(503, servers.SERVICE_UNAVAILABLE), ("health-no-backend", "health", "transmission")
    ),
}  # fmt: skip


@pytest.mark.parametrize("args", [RAW, ["get", "pods"]], ids=" ".join)
@pytest.mark.parametrize("case", CASES)
def test_failure_reads_as_without_mitmkube_and_is_classified(
    kubectl: Kubectl, compare: Compare, config: Callable[..., Path], case: str, args: list[str]
) -> None:
    make, expected = CASES[case]
    with make() as server:
        server = servers.Server(server.port, server.ca) if server.scheme == "http" else server
        outcome = compare(kubectl, args, config(server))
    through, direct = said(outcome)
    assert through == direct
    assert through[0] == 1
    # kubectl itself shows a page where the server sent one.
    assert "<html" not in through[2] or "<html" in direct[2]
    assert found(outcome) == {expected}


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://nosuch.example.invalid:6443", "network-dns"),
        ("https://[::1]:1", "network-refused"),
        ("https://localhost:1", "network-refused"),
        ("https://255.255.255.255:6443", "network-unreachable"),
    ],
)
def test_address_that_leads_nowhere_reads_as_without_mitmkube(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: Callable[..., Path], url: str, rule: str
) -> None:
    outcome = compare(kubectls[-1], RAW, config(servers.Server(1), server=url))
    through, direct = said(outcome)
    assert through == direct
    assert found(outcome) == {(rule, "network", "connection")}


def test_certificate_that_names_the_host_in_its_common_name_only_is_refused_in_gos_words(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: Callable[..., Path]
) -> None:
    with common_name_only("localhost") as server:
        outcome = compare(kubectls[-1], RAW, config(server, server=server.url.replace(servers.HOST, "localhost")))
    assert outcome.through.masked == outcome.direct.masked
    assert "certificate relies on legacy Common Name field, use SANs instead" in outcome.through.stderr


@pytest.mark.parametrize(
    ("make", "rule", "step"),
    [
        (servers.closes_at_once, "network-tls-failed", "connection"),
        (servers.resets, "network-tls-failed", "connection"),
        (servers.closes_after_request, "network-connection-lost", "transmission"),
    ],
)
def test_connection_that_breaks_is_one_line(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: Callable[..., Path], make: Server, rule: str, step: str
) -> None:
    """Whether kubectl meets EOF or a reset is a race with the server's close; mitmkube says EOF for both."""
    with make() as server:
        outcome = compare(kubectls[-1], POST, config(server))
    reset = "read tcp …: read: connection reset by peer"
    through, direct = ([status, stderr.replace(reset, "EOF")] for status, _, stderr in said(outcome))
    assert through == direct == [1, "Unable to connect to the server: EOF\n"]
    assert found(outcome) == {(rule, "network", step)}


def test_silent_server_ends_at_the_limit_of_a_handshake(
    kubectls: tuple[Kubectl, ...],
    run_direct: RunDirect,
    mitmkube_run: MitmkubeRun,
    config: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Both at once, because each waits ten seconds, which is client-go's limit."""
    with servers.silent() as server, ThreadPoolExecutor() as threads:
        file, story = config(server), tmp_path / "story"
        direct = threads.submit(run_direct, kubectls[-1], RAW, file, seconds=60)
        through = mitmkube_run(["--quiet", "--json", story, "--", kubectls[-1].path, *RAW], file, seconds=60)
        line, _, report = through.stderr.partition("\n")
        assert (through.status, f"{line}\n") == (1, direct.result().stderr)
        assert line == "Unable to connect to the server: net/http: TLS handshake timeout"
        assert "tls" in report.lower()
    (finding,) = json.loads(story.read_text())["findings"]
    assert (finding["rule"], finding["step"]) == ("network-tls-timeout", "connection")


@pytest.mark.parametrize(
    ("make", "rule", "category"),
    [
        (servers.silent, "network-tls-timeout", "network"),
        (servers.silent_after_request, "health-no-answer", "health"),
    ],
)
def test_client_that_gives_up_says_so_itself(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: Callable[..., Path], make: Server, rule: str, category: str
) -> None:
    with make() as server:
        outcome = compare(kubectls[-1], [*RAW, "--request-timeout=2s"], config(server))
    assert (outcome.through.status, outcome.direct.status) == (1, 1)
    # Which of two texts net/http takes depends on which of its two timers fires first.
    for side in (outcome.through, outcome.direct):
        assert side.stderr.count("\n") == 1
        assert "context deadline exceeded" in side.stderr or "Client.Timeout exceeded" in side.stderr
    ((name, kind, _),) = found(outcome)
    assert (name, kind) == (rule, category)


def test_answer_to_a_failed_connection_asks_for_no_retry(
    kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, config: Callable[..., Path], tmp_path: Path
) -> None:
    """Retry-After would make kubectl wait and ask ten times more."""
    with servers.closes_after_request() as server:
        har = tmp_path / "har"
        mitmkube_run(["--quiet", "--har", har, "--", kubectls[-1].path, *POST], config(server))
    (entry,) = json.loads(har.read_text())["log"]["entries"]
    assert "retry-after" not in json.dumps(entry).lower()
    assert len(server.requests) == 1


# A forward proxy on the way


@dataclass(frozen=True, slots=True)
class ForwardProxy:
    """What was asked of a forward proxy that leads every CONNECT to one port on loopback."""

    url: str
    targets: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextlib.contextmanager
def forward_proxy(port: int, context: ssl.SSLContext | None = None) -> Iterator[ForwardProxy]:
    """With ``context`` it speaks TLS."""

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if context is not None:
                client = context.wrap_socket(client, server_side=True)
            answer(client)

    def answer(client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head and (byte := client.recv(1)):
                head += byte
            lines = head.decode().split("\r\n")
            proxy.targets.append(lines[0].split()[1])
            proxy.logins.extend(line.split()[-1] for line in lines if line.lower().startswith("proxy-authorization:"))
            with socket.create_connection((servers.HOST, port)) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=copy, args=(server, client), daemon=True)
                back.start()
                copy(client, server)
                back.join(10)

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((servers.HOST, 0)) as listener:
        scheme = "http" if context is None else "https"
        proxy = ForwardProxy(f"{scheme}://{servers.HOST}:{listener.getsockname()[1]}")
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("given", ["HTTPS_PROXY", "https_proxy", "proxy-url", "flag"])
def test_server_behind_a_forward_proxy_is_reached(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, tmp_path: Path, given: str
) -> None:
    """Under a name that only the proxy can resolve, as jane with her certificate."""
    with forward_proxy(cluster.port) as proxy:
        url = proxy.url.replace("//", "//user:pass%40word@")
        stanza = {"server": BEHIND_PROXY, **({"proxy-url": url} if given == "proxy-url" else {})}
        file = cluster.identities.write_kubeconfig(
            tmp_path / "config", "jane", cluster.identities.stanza("jane"), stanza
        )
        env = {given: url} if given.lower() == "https_proxy" else {}
        flags = [f"--proxy-url={url}"] if given == "flag" else []
        outcome = compare(kubectls[-1], [*flags, "get", "pods"], file, env=env)
    assert outcome.through.masked == outcome.direct.masked
    if given == "flag" and "unknown flag" in outcome.direct.stderr:
        return  # newer than every kubectl here
    assert 'User "jane" cannot list' in outcome.through.stderr
    assert set(proxy.targets) == {"kubernetes.default:6443"}
    assert set(proxy.logins) == {base64.b64encode(b"user:pass@word").decode()}
    assert "pass@word" not in outcome.report
    assert "pass%40word" not in outcome.report


@pytest.mark.parametrize(
    ("signed_by", "stanza", "works"),
    [
        ("the cluster", {}, True),
        ("another", {}, False),
        ("another", {"insecure-skip-tls-verify": True, "certificate-authority-data": None}, True),
        ("the system", {"certificate-authority-data": None}, False),
        ("the cluster", {"tls-server-name": "kubernetes"}, False),
    ],
)
def test_forward_proxy_over_tls_is_known_as_kubectl_knows_it(
    cluster: Cluster,
    kubectl: Kubectl,
    compare: Compare,
    tmp_path: Path,
    signed_by: str,
    stanza: dict[str, Any],
    works: bool,
) -> None:
    """client-go has one TLS configuration, for the proxy as for the server behind it."""
    other = pki.Authority.create("some-public-authority")
    authority = cluster.identities.authority if signed_by == "the cluster" else other
    context = servers.server_context(authority.issue("proxy", usage=pki.SERVER, names=[servers.HOST]))
    roots = tmp_path / "roots.pem"
    roots.write_bytes(other.certificate_pem)
    env = {"SSL_CERT_FILE": str(roots)} if signed_by == "the system" else {}
    with forward_proxy(cluster.port, context) as proxy:
        file = cluster.identities.write_kubeconfig(
            tmp_path / "config",
            "jane",
            cluster.identities.stanza("jane"),
            {"server": BEHIND_PROXY, "proxy-url": proxy.url, **stanza},
        )
        outcome = compare(kubectl, RAW, file, env=env)
    assert outcome.through.masked == outcome.direct.masked
    assert (outcome.through.status == 0) is works


def test_no_proxy_is_honoured(
    cluster: Cluster, kubectls: tuple[Kubectl, ...], compare: Compare, tmp_path: Path
) -> None:
    with forward_proxy(cluster.port) as proxy:
        file = cluster.identities.write_kubeconfig(
            tmp_path / "config", "jane", cluster.identities.stanza("jane"), {"server": BEHIND_PROXY}
        )
        outcome = compare(kubectls[-1], RAW, file, env={"HTTPS_PROXY": proxy.url, "NO_PROXY": "x,.default"})
        assert said(outcome)[0] == said(outcome)[1]
        assert found(outcome) == {("network-dns", "network", "connection")}
        # A server on loopback is never asked of a proxy.
        outcome = compare(kubectls[-1], RAW, "jane", env={"HTTPS_PROXY": proxy.url, "ALL_PROXY": proxy.url})
        assert outcome.through.masked == outcome.direct.masked
        assert outcome.through.status == 0
    assert proxy.targets == []


@pytest.mark.parametrize("status", [407, 403, 502])
@pytest.mark.parametrize("given", ["proxy-url", "HTTPS_PROXY"])
def test_refusal_of_a_forward_proxy_reads_as_without_mitmkube(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: Callable[..., Path], status: int, given: str
) -> None:
    with servers.proxy_refusing(status) as proxy:
        file = config(
            servers.Server(1), server=BEHIND_PROXY, **({"proxy_url": proxy.url} if given == "proxy-url" else {})
        )
        env: Mapping[str, str] = {given: proxy.url} if given == "HTTPS_PROXY" else {}
        outcome = compare(kubectls[-1], ["get", "pods"], file, env=env)
    assert outcome.through.masked == outcome.direct.masked
    assert found(outcome) == {("network-proxy-refused", "network", "connection")}
    assert {finding["hop"] for finding in outcome.story["findings"]} == {"forward-proxy"}
    assert proxy.requests


def test_forward_proxy_that_is_gone_reads_as_without_mitmkube(
    kubectls: tuple[Kubectl, ...], compare: Compare, config: Callable[..., Path]
) -> None:
    with servers.refused() as proxy:
        url = f"http://{servers.HOST}:{proxy.port}"
        outcome = compare(kubectls[-1], RAW, config(servers.Server(1), server=BEHIND_PROXY), env={"HTTPS_PROXY": url})
    assert outcome.through.masked == outcome.direct.masked
    ((_, category, step),) = found(outcome)
    assert (category, step) == ("network", "connection")
