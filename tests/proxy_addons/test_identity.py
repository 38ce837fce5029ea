"""Who the server sees is who the client is: never more, never somebody else."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from tests.cluster import pki
from tests.proxy_addons.api_server import server_context

VERSIONS = {"TLSv1.2": SSL.TLS1_2_VERSION, "TLSv1.3": SSL.TLS1_3_VERSION}


def fingerprint(pair: pki.KeyPair) -> str:
    return pair.certificate.fingerprint(hashes.SHA256()).hex()


def identity_seen(client) -> str:
    status, body = client.request()
    assert status == 200, body
    return str(json.loads(body)["identity"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client_version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate_reaches_the_server(bench, leaf, jane, admin, version, client_version) -> None:
    bench.pairs = [admin, jane]
    bench.start(context=server_context(leaf, VERSIONS[version]))
    with bench.client(jane, version=client_version).open() as client:
        assert identity_seen(client) == fingerprint(jane)
    assert bench.server.peers[0].tls_version == version
    assert len(bench.server.peers) == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_no_certificate_stays_none_although_key_pairs_are_known(bench, leaf, jane, admin, version) -> None:
    bench.pairs = [admin, jane]
    bench.start(context=server_context(leaf, VERSIONS[version]))
    with bench.client().open() as client:
        assert identity_seen(client) == ""


def test_two_certificates_with_one_common_name_are_told_apart(bench, authority) -> None:
    bench.pairs = [authority.issue("twin", ["a"], usage=pki.CLIENT), authority.issue("twin", ["a"], usage=pki.CLIENT)]
    bench.start()
    for pair in bench.pairs:
        with bench.client(pair).open() as client:
            assert identity_seen(client) == fingerprint(pair)


def test_chain_of_the_kubeconfig_is_sent(bench, authority) -> None:
    middle = pki.Authority.create("intermediate", issuer=authority)
    pair = middle.issue("jane", usage=pki.CLIENT, chain=(middle.certificate,))
    bench.pairs = [pair]
    bench.start()
    with bench.client(pair).open() as client:
        client.request()
    assert bench.server.peers[0].chain == (pair.certificate, middle.certificate)


def test_renewed_certificate_is_used_while_the_proxy_runs(bench, authority, jane) -> None:
    bench.pairs = [jane]
    bench.start()
    with bench.client(jane).open() as client:
        assert identity_seen(client) == fingerprint(jane)
    renewed = authority.issue("jane", ["dev"], usage=pki.CLIENT)
    bench.pairs = [renewed]
    with bench.client(renewed).open() as client:
        assert identity_seen(client) == fingerprint(renewed)


def test_certificate_whose_key_is_renewed_after_it_is_found_once_both_are_there(bench, authority, jane) -> None:
    renewed = authority.issue("jane", ["dev"], usage=pki.CLIENT)
    half = pki.KeyPair(renewed.certificate, jane.key)  # a login tool writes one file after the other
    bench.pairs = [half]
    bench.start()
    with bench.client(renewed).open() as client:
        assert client.request()[0] == 503
    bench.pairs = [renewed]
    with bench.client(renewed).open() as client:
        assert identity_seen(client) == fingerprint(renewed)


def test_key_of_a_kind_that_cannot_be_read_does_not_hide_the_others(tmp_path, bench, jane) -> None:
    # An EC key over a curve (secp160r1) that OpenSSL knows and its Python binding does not.
    broken = (
        b"-----BEGIN PRIVATE KEY-----\n"
        b"MGECAQAwEAYHKoZIzj0CAQYFK4EEAAgESjBIAgEBBBUAtPoTXb4GTpJFGTIud/6y\n"
        b"KuhMnyehLAMqAAQI2EGo6oh7MoKrx+eT2G3Oqpsm9xItRn2zGPxZmhhaulgkYnCq\n"
        b"UIoE\n"
        b"-----END PRIVATE KEY-----\n"
    )

    class Unreadable:
        certificate_pem, key_pem = jane.certificate_pem, broken

    bench.pairs = [Unreadable(), jane]
    bench.start()
    with bench.client(jane).open() as client:
        assert identity_seen(client) == fingerprint(jane)


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_certificate_is_refused_in_one_line(bench, leaf, authority, admin, version) -> None:
    bench.pairs = [admin]
    bench.start(context=server_context(leaf, VERSIONS[version]))
    stranger = authority.issue("stranger", usage=pki.CLIENT)
    with bench.client(stranger).open() as client:
        status, body = client.request()
        assert status == 503
        message = json.loads(body)["message"]
        assert message.startswith("mitmkube: the client presented a certificate whose key no user")
        assert "\n" not in message
        status, body = client.request(path="/api?timeout=32s")
        assert (status, body) == (502, message.encode())
    assert bench.server.requests == []
    first, second = bench.proxy.take(2)
    assert [first.failure.phase, second.failure.phase] == ["mitmkube", "mitmkube"]
    assert len(first.connection.client_certificates) == 1


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("presents", [True, False])
def test_server_that_requires_a_certificate_gets_it_or_its_alert_is_told(bench, leaf, jane, version, presents) -> None:
    bench.pairs = [jane]
    bench.start(context=server_context(leaf, VERSIONS[version], requires=True))
    with bench.client(jane if presents else None).open() as client:
        status, body = client.request()
        if presents:
            assert json.loads(body)["identity"] == fingerprint(jane)
            return
    assert status == 503
    told = "remote error: tls: certificate required" if version == "TLSv1.3" else "remote error: tls: handshake failure"
    assert json.loads(body)["message"] == told
    failure = bench.proxy.exchange.failure
    assert failure is not None
    assert (failure.phase, failure.message) == ("tls", told)


@pytest.mark.parametrize("version", VERSIONS)
def test_second_connection_of_a_tunnel_is_the_same_identity(bench, leaf, jane, admin, version) -> None:
    def one_answer(peer) -> None:
        if peer.request():
            peer.answer(json.dumps({"identity": peer.identity}).encode())

    bench.pairs = [admin, jane]
    bench.start(one_answer, context=server_context(leaf, VERSIONS[version]))
    with bench.client(jane).open() as client:
        for _ in range(4):
            assert identity_seen(client) == fingerprint(jane)
    assert len(bench.server.peers) == 4
    exchanges = bench.proxy.take(4)
    assert len({e.connection.id for e in exchanges}) == 4
    assert all(e.timing.tls is not None for e in exchanges)


def test_concurrent_clients_each_get_their_own_identity(bench, authority) -> None:
    bench.pairs = [authority.issue(f"user-{i}", usage=pki.CLIENT) for i in range(50)]
    bench.start()
    seen: dict[int, set[str]] = {}
    clients = [bench.client(pair) for pair in bench.pairs]

    def work(number: int) -> None:
        client = clients[number].open()
        seen[number] = {identity_seen(client) for _ in range(3)}

    threads = [threading.Thread(target=work, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == {i: {fingerprint(pair)} for i, pair in enumerate(bench.pairs)}
    for client in clients:
        client.close()
    exchanges = bench.proxy.take(150)
    assert sorted(e.id for e in exchanges) == list(range(1, 151))
    # TCP and TLS are paid for once per connection, whoever else comes and goes.
    assert sum(e.timing.tls is not None for e in exchanges) == 50


def test_only_the_leaf_that_was_proved_counts(bench, authority, admin) -> None:
    """A chain may name any certificate; only the leaf's key was shown."""
    stranger = authority.issue("stranger", usage=pki.CLIENT, chain=(admin.certificate,))
    bench.pairs = [admin]
    bench.start()
    with bench.client(stranger).open() as client:
        assert client.request()[0] == 503
    assert bench.server.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_that_resumes_its_session_is_served(bench, jane, version) -> None:
    bench.pairs = [jane]
    bench.start()
    first = bench.client(jane, version=version).open()
    assert identity_seen(first) == fingerprint(jane)
    session = first.tls.session
    first.close()
    second = bench.client(jane, context=first.context, session=session).open()
    assert identity_seen(second) == fingerprint(jane)
    second.close()


def test_clusters_at_one_address_are_told_apart_by_the_proxy_user(bench, leaf, authority, tmp_path) -> None:
    other = pki.Authority.create("other")
    bench.start()
    from tests.proxy_addons.running_proxy import Client, Refused, running_proxy, upstream_of

    upstreams = [
        upstream_of(bench.server, cluster="right", user="cluster-1"),
        upstream_of(bench.server, cluster="foreign", user="cluster-2", ca=other.certificate_pem),
        upstream_of(bench.server, cluster="named", user="cluster-3", server_name="localhost"),
        upstream_of(bench.server, cluster="misnamed", user="cluster-4", server_name="api.example.test"),
    ]
    with running_proxy(tmp_path / "..", upstreams) as proxy:
        with Client(proxy, bench.server, user="cluster-1").open() as client:
            assert client.request()[0] == 200
        with Client(proxy, bench.server, user="cluster-3").open() as client:
            assert client.request()[0] == 200
        assert bench.server.peers[-1].sni == "localhost"
        told = []
        for user in ("cluster-2", "cluster-4"):
            client = Client(proxy, bench.server, user=user)
            with client, pytest.raises(Refused) as refused:
                client.connect()
            told.append(refused.value.reason)
        assert told == [
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
            "tls: failed to verify certificate: x509: certificate is valid for localhost, not api.example.test",
        ]
        assert [e.cluster for e in proxy.take(4)] == ["right", "named", "foreign", "misnamed"]


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL X509 objects")
@pytest.mark.parametrize("oddity", ["month 13", "version 4"])
def test_certificate_that_cannot_be_read_is_never_taken_for_the_next_in_its_chain(
    bench, authority, admin, oddity
) -> None:
    """OpenSSL shakes hands with certificates that its Python binding cannot read, and mitmproxy passes those over.

    Somebody who has no key but their own could put the administrator's certificate behind such a one.
    """
    stranger = authority.issue("stranger", usage=pki.CLIENT)
    der = bytearray(stranger.certificate.public_bytes(Encoding.DER))
    if oddity == "month 13":
        at = der.index(b"\x17\x0d") + 4
        der[at : at + 2] = b"13"
    else:
        der[der.index(bytes.fromhex("a003020102")) + 4] = 4
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, bytes(der)))
    context.use_privatekey(stranger.key)
    context.add_extra_chain_cert(admin.certificate)
    bench.pairs = [admin]
    bench.start()
    client = bench.client().connect()
    tls = SSL.Connection(context, client.raw)
    tls.set_connect_state()
    client.raw.settimeout(None)  # pyOpenSSL knows no time limits; the proxy's end closes in any case
    got = b""
    with contextlib.suppress(SSL.Error):
        tls.do_handshake()
        tls.sendall(b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n")
        got = tls.recv(1000)
    assert b"200 OK" not in got
    client.close()
    bench.proxy.idle()
    assert bench.server.requests == []
