"""What cannot be reached reads through the proxy as it does without: kubectl's stdout, stderr and exit status."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from analyzers import kubeconfig
from proxy_addons import kubeconfig_upstreams
from proxy_addons.upstream import KeyPairs, Upstreams
from tests.cluster import pki
from tests.proxy_addons.api_server import Peer, server_context, tcp_server
from tests.proxy_addons.running_proxy import PASSWORD, running_proxy

NOW = dt.datetime.now(dt.UTC)


def kubectls() -> list[Path]:
    """kubectl, and where several versions stand side by side the oldest and the newest instead."""
    found = shutil.which("kubectl")
    if found is None:
        return []
    versions = [p for p in Path(found).resolve().parent.glob("kubectl.1.*") if re.fullmatch(r"kubectl\.1\.\d+", p.name)]
    versions.sort(key=lambda path: int(path.suffix[1:]))
    return [versions[0], versions[-1]] if versions else [Path(found)]


@pytest.fixture(params=["oldest", "newest"])
def kubectl(request: pytest.FixtureRequest) -> Path:
    found = kubectls()
    if not found:
        if os.environ.get("CI"):
            pytest.fail("kubectl is needed")
        pytest.skip("no kubectl on this machine")
    return found[0] if request.param == "oldest" else found[-1]


@dataclass
class Place:
    """Where kubectl is sent, and what its kubeconfig says of the cluster beside the server."""

    url: str
    ca: bytes = b""
    settings: dict[str, Any] = field(default_factory=dict)


CA = pki.Authority.create("kubernetes")
OTHER = pki.Authority.create("other")
NAMESAKE = pki.Authority.create("kubernetes")
HTTP_400 = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request"


def issue(
    names: list[str],
    *,
    ca: pki.Authority = CA,
    usage: x509.ObjectIdentifier = pki.SERVER,
    common_name: str = "kube-apiserver",
    **times: dt.timedelta,
) -> pki.KeyPair:
    return ca.issue(common_name, usage=usage, names=names, **times)


def answer(peer: Peer) -> None:
    while request := peer.request():
        if "/version" in request.line:
            peer.answer(b'{"major": "1", "minor": "33"}')
        else:
            peer.answer(b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":404}', "404 Not Found")


@contextlib.contextmanager
def tls(
    leaf: pki.KeyPair,
    ca: bytes = CA.certificate_pem,
    *,
    host: str = "127.0.0.1",
    name: str = "",
    converse: Callable[[Peer], None] = answer,
    **settings: Any,
):
    with tcp_server(converse, context=server_context(leaf), host=host) as server:
        url = f"https://{name}:{server.port}" if name else server.url
        yield Place(url, ca, settings)


@contextlib.contextmanager
def tcp(converse: Callable[[Peer], None]):
    with tcp_server(converse) as server:
        yield Place(server.url, CA.certificate_pem)


@contextlib.contextmanager
def refused(host: str = "127.0.0.1", name: str = ""):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as held:
        held.bind((host, 0))
        yield Place(f"https://{name or host}:{held.getsockname()[1]}", CA.certificate_pem)


@contextlib.contextmanager
def at(url: str, ca: bytes = CA.certificate_pem):
    yield Place(url, ca)


@contextlib.contextmanager
def version(number: int):
    context = server_context(issue(["127.0.0.1"]), number)
    with tcp_server(answer, context=context) as server:
        yield Place(server.url, CA.certificate_pem)


def alert(number: int) -> Callable[[Peer], None]:
    def send(peer: Peer) -> None:
        peer.recv()
        peer.send(bytes([0x15, 3, 3, 0, 2, 2, number]))

    return send


def says(words: bytes) -> Callable[[Peer], None]:
    def send(peer: Peer) -> None:
        peer.recv()
        peer.send(words)

    return send


def close_after_request(peer: Peer) -> None:
    peer.request()


def close_after_hello(peer: Peer) -> None:
    peer.recv()


def intermediate() -> tuple[pki.Authority, pki.KeyPair]:
    middle = pki.Authority.create("intermediate", issuer=CA)
    return middle, issue(["127.0.0.1"], ca=middle)


def expired_authority() -> pki.Authority:
    fresh = pki.Authority.create("kubernetes")
    certificate = fresh.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(certificate.public_key())
        .serial_number(7)
        .not_valid_before(NOW - dt.timedelta(days=90))
        .not_valid_after(NOW - dt.timedelta(days=30))
    )
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return pki.Authority(builder.sign(fresh.key, hashes.SHA256()), fresh.key)


def organization_only() -> tuple[bytes, pki.KeyPair]:
    """A CA whose subject has no common name, and a leaf of another with the same subject."""

    def make() -> pki.Authority:
        fresh = pki.Authority.create("x")
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(fresh.key.public_key())
            .serial_number(9)
            .not_valid_before(NOW - dt.timedelta(days=9))
            .not_valid_after(NOW + dt.timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        return pki.Authority(builder.sign(fresh.key, hashes.SHA256()), fresh.key)

    return make().certificate_pem, issue(["127.0.0.1"], ca=make())


MIDDLE, MIDDLE_LEAF = intermediate()
OLD = expired_authority()
ACME_CA, ACME_LEAF = organization_only()
EXPIRED = {"not_before": -30 * pki.DAY, "not_after": -pki.DAY}
EARLY = {"not_before": 5 * pki.DAY, "not_after": 9 * pki.DAY}
TEST = "api.example.test"

PLACES: dict[str, Callable[[], contextlib.AbstractContextManager[Place]]] = {
    "works": lambda: tls(issue(["127.0.0.1"])),
    "refused": refused,
    "refused on IPv6": lambda: refused("::1", "[::1]"),
    "refused on localhost": lambda: refused("127.0.0.1", "localhost"),
    "no such name": lambda: at("https://no-such-host.invalid:6443"),
    "unknown authority": lambda: tls(issue(["127.0.0.1"], ca=OTHER)),
    "namesake of the authority": lambda: tls(issue(["127.0.0.1"], ca=NAMESAKE)),
    "namesake without a common name": lambda: tls(ACME_LEAF, ACME_CA),
    "several authorities": lambda: tls(issue(["127.0.0.1"]), OTHER.certificate_pem + CA.certificate_pem),
    "several authorities, none right": lambda: tls(
        issue(["127.0.0.1"], ca=OTHER), NAMESAKE.certificate_pem + CA.certificate_pem
    ),
    "system roots": lambda: tls(issue(["127.0.0.1"]), b""),
    "expired": lambda: tls(issue(["127.0.0.1"], **EXPIRED)),
    "not yet valid": lambda: tls(issue(["127.0.0.1"], **EARLY)),
    "expired authority": lambda: tls(issue(["127.0.0.1"], ca=OLD), OLD.certificate_pem),
    "wrong IP": lambda: tls(issue(["192.0.2.1", "10.0.0.1"])),
    "wrong IP, has names": lambda: tls(issue([TEST, "192.0.2.1"])),
    "names only": lambda: tls(issue([TEST, "kubernetes"])),
    "wrong name": lambda: tls(issue([TEST, "kubernetes", "10.0.0.1"]), name="localhost"),
    "wrong name, addresses only": lambda: tls(issue(["10.0.0.1"]), name="localhost"),
    "wildcard": lambda: tls(issue(["*.example.test"]), **{"tls-server-name": TEST}),
    "wildcard does not span labels": lambda: tls(issue(["*.example.test"]), **{"tls-server-name": "a.b.example.test"}),
    "no names at all": lambda: tls(issue([])),
    "no names at all, name": lambda: tls(issue([]), name="localhost"),
    "common name only": lambda: tls(issue([], common_name="localhost"), name="localhost"),
    "common name only, address": lambda: tls(issue([], common_name="127.0.0.1")),
    "expired and wrong name": lambda: tls(issue([TEST], **EXPIRED), name="localhost"),
    "expired and unknown authority": lambda: tls(issue(["127.0.0.1"], ca=OTHER, **EXPIRED)),
    "unknown authority and wrong name": lambda: tls(issue([TEST], ca=OTHER), name="localhost"),
    "client certificate as server": lambda: tls(issue(["127.0.0.1"], usage=pki.CLIENT)),
    "intermediate as anchor": lambda: tls(MIDDLE_LEAF, MIDDLE.certificate_pem),
    "intermediate not sent": lambda: tls(MIDDLE_LEAF),
    "intermediate sent": lambda: tls(pki.KeyPair(MIDDLE_LEAF.certificate, MIDDLE_LEAF.key, (MIDDLE.certificate,))),
    "tls-server-name": lambda: tls(issue([TEST]), **{"tls-server-name": TEST}),
    "tls-server-name is wrong": lambda: tls(issue(["127.0.0.1"]), **{"tls-server-name": TEST}),
    "insecure": lambda: tls(issue([], ca=OTHER, **EXPIRED), b"", **{"insecure-skip-tls-verify": True}),
    "IPv6": lambda: tls(issue(["::1"]), host="::1"),
    "IPv6, wrong address": lambda: tls(issue(["127.0.0.1", "fe80::1"]), host="::1"),
    "localhost": lambda: tls(issue(["localhost"]), name="localhost"),
    "upper case": lambda: tls(issue(["localhost"]), name="LOCALHOST"),
    "plain HTTP": lambda: tcp(says(HTTP_400)),
    "garbage": lambda: tcp(says(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
    "short garbage": lambda: tcp(says(b"hi\n")),
    "closes": lambda: tcp(close_after_hello),
    "closes after the request": lambda: tls(issue(["127.0.0.1"]), converse=close_after_request),
    "handshake_failure": lambda: tcp(alert(40)),
    "internal_error": lambda: tcp(alert(80)),
    "unrecognized_name": lambda: tcp(alert(112)),
    "protocol_version": lambda: tcp(alert(70)),
    "access_denied": lambda: tcp(alert(49)),
    "TLS 1.1 only": lambda: version(SSL.TLS1_1_VERSION),
    "TLS 1.2 only": lambda: version(SSL.TLS1_2_VERSION),
    "CA is no PEM": lambda: at("https://127.0.0.1:1", b"nonsense"),
    "CA cannot be read": lambda: at(
        "https://127.0.0.1:1", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    ),
}

# Where an identical line is out of reach, and why.
DIFFERS = {
    "CA is no PEM": "kubectl itself is given the proxy's CA, which can be read",
    "CA cannot be read": "kubectl itself is given the proxy's CA, which can be read",
}


def masked(text: str) -> str:
    text = re.sub(r"[EIWF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", "KLOG ", text)
    text = re.sub(r"current time \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "current time NOW", text)
    return re.sub(r" on [\d.:\[\]a-f]+:53(: read udp \S+)?", " on RESOLVER", text)


class Runner:
    def __init__(self, kubectl: Path, folder: Path) -> None:
        self._kubectl, self._folder = kubectl, folder

    def config(self, name: str, cluster: dict[str, Any]) -> Path:
        path = self._folder / name
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": "a-token"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def run(self, config: Path, *argv: str) -> tuple[int, str, str]:
        environ = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "KUBECONFIG": str(config)}
        cache = self._folder / f"cache-{config.name}"
        done = subprocess.run(
            [self._kubectl, "--cache-dir", cache, *argv],
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, masked(done.stdout), masked(done.stderr)

    @contextlib.contextmanager
    def sides(self, place: Place) -> Iterator[tuple[Path, Path, Any]]:
        """The kubeconfig without and with the proxy, and the proxy."""
        own = {"server": place.url, **place.settings}
        if place.ca:
            own["certificate-authority-data"] = base64.b64encode(place.ca).decode()
        direct = self.config("direct", own)
        clusters = kubeconfig.load((direct,)).clusters.values()
        upstreams = tuple(kubeconfig_upstreams.upstream(cluster, "cluster-1") for cluster in clusters)
        with running_proxy(self._folder, Upstreams(lambda: upstreams, KeyPairs(tuple), PASSWORD)) as proxy:
            through = {k: v for k, v in own.items() if k != "insecure-skip-tls-verify"}
            through["certificate-authority-data"] = base64.b64encode(proxy.ca).decode()
            through["proxy-url"] = f"http://cluster-1:{PASSWORD}@127.0.0.1:{proxy.port}"
            yield direct, self.config("through", through), proxy


@pytest.fixture
def runner(kubectl: Path, tmp_path: Path) -> Runner:
    return Runner(kubectl, tmp_path)


@pytest.mark.parametrize("name", [name for name in PLACES if name not in DIFFERS])
def test_kubectl_prints_the_same_through_the_proxy(runner: Runner, name: str) -> None:
    with PLACES[name]() as place, runner.sides(place) as (direct, through, proxy):
        # With and without discovery before it: kubectl words the two differently.
        # A connection that was closed is tried ten times with discovery, and no more words come of it.
        for argv in (["get", "--raw", "/version"], ["get", "pods"])[
            : 1 if name.startswith(("closes", "short garbage")) else 2
        ]:
            got, wanted = runner.run(through, *argv), runner.run(direct, *argv)
            assert got == wanted, f"\nthrough {got}\ndirect  {wanted}"
        if runner.run(direct, "get", "--raw", "/version")[0]:
            failure = proxy.exchange.failure
            assert failure is not None
            assert failure.phase in (("request",) if name == "closes after the request" else ("dns", "dial", "tls"))


@pytest.mark.parametrize("name", DIFFERS)
def test_what_cannot_be_the_same_is_still_one_line(runner: Runner, name: str) -> None:
    with PLACES[name]() as place, runner.sides(place) as (direct, through, _):
        code, out, err = runner.run(through, "get", "--raw", "/version")
        assert (code, out) == (1, "")
        assert len(err.splitlines()) == 1
        assert "unable to load root certificates" in err
        assert runner.run(direct, "get", "--raw", "/version")[0] == 1
