"""The embedded API server and the built-in client, without a proxy between them."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mitmkube.demo import client
from mitmkube.demo.api_server import ApiServer
from mitmkube.demo.pki import Authority, KeyPair
from mitmkube.demo.recorded import Recordings

PODS = "/api/v1/namespaces/prod/pods?limit=500"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
TOKEN = {"Authorization": "Bearer nobody-knows-this"}


@dataclass(frozen=True, slots=True)
class Running:
    """A server, and the files of its authority."""

    url: str
    authority: Authority

    def connect(self, pair: KeyPair | None) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return http.client.HTTPSConnection("127.0.0.1", urlsplit(self.url).port, timeout=30, context=context)

    def get(self, path: str, pair: KeyPair | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = self.connect(pair)
        try:
            connection.request("GET", path, headers=dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    authority = Authority.create(tmp_path_factory.mktemp("pki"))
    with ApiServer(Recordings.load(), authority.server(), authority.file) as running:
        yield Running(running.url, authority)


@pytest.fixture(scope="module")
def admin(server: Running) -> KeyPair:
    return server.authority.client("admin", "system:masters")


@pytest.fixture(scope="module")
def jane(server: Running) -> KeyPair:
    return server.authority.client("jane", "dev")


def test_a_client_is_known_by_its_certificate(server: Running, admin: KeyPair, jane: KeyPair) -> None:
    assert server.get(PODS, admin, TABLE)[0] == 200
    status, body = server.get(PODS, jane, TABLE)
    assert status == 403
    assert 'User "jane" cannot list resource "pods"' in json.loads(body)["message"]


def test_a_token_is_not_known(server: Running) -> None:
    assert server.get(PODS, None, {**TABLE, **TOKEN})[0] == 401


def test_a_certificate_goes_before_a_token(server: Running, admin: KeyPair) -> None:
    assert server.get(PODS, admin, {**TABLE, **TOKEN})[0] == 200


def test_a_certificate_of_another_authority_is_not_let_in(server: Running, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path).client("admin", "system:masters")
    with pytest.raises(OSError):
        server.get(PODS, stranger, TABLE)


def test_what_was_not_recorded_is_said_to_be_so(server: Running, admin: KeyPair) -> None:
    status, body = server.get("/api/v1/nodes", admin, TABLE)
    assert status == 501
    assert b"no recording of GET /api/v1/nodes by admin" in body


def test_a_connection_carries_several_requests(server: Running, admin: KeyPair) -> None:
    connection = server.connect(admin)
    try:
        for _ in range(3):
            connection.request("POST", "/api/v1/namespaces/prod/configmaps", b"{}" * 1000)
            response = connection.getresponse()
            assert response.status == 500
            assert response.read()
    finally:
        connection.close()


def test_many_connections_at_once_are_served(server: Running, admin: KeyPair) -> None:
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(server.get("/version", admin, {})[0])) for _ in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40


def test_an_answer_has_the_present_date(server: Running, admin: KeyPair) -> None:
    connection = server.connect(admin)
    try:
        connection.request("GET", "/version")
        response = connection.getresponse()
        response.read()
        assert len(response.headers.get_all("Date", [])) == 1
        assert len(response.headers.get_all("Content-Length", [])) == 1
    finally:
        connection.close()


def write_kubeconfig(path: Path, server: str, ca: Path, user: Mapping[str, str]) -> Path:
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": str(ca)}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "prod"}}],
                "current-context": "x",
            }
        )
    )
    return path


def test_the_client_uses_the_namespace_of_the_context(
    server: Running,
    admin: KeyPair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    user = {"client-certificate": str(admin.certificate), "client-key": str(admin.key)}
    config = write_kubeconfig(tmp_path / "config", server.url, server.authority.file, user)
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert client.main(["get", "pods"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert len(rows) == 3
    assert len({row.index("Running") for row in rows} | {head.index("STATUS")}) == 1


def test_the_client_does_not_trust_another_authority(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Authority.create(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(write_kubeconfig(tmp_path / "config", server.url, other.file, {})))
    assert client.main(["get", "pods"]) == 1
    assert capsys.readouterr().err.startswith("Unable to connect to the server: ")


def test_the_client_says_what_is_wrong_with_a_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert client.main(["get", "pods"]) == 1
    assert capsys.readouterr().err == "error: the current context names no cluster\n"
