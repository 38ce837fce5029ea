"""The certificate that a client sees: for the servers at the address it asked for, whatever name it says."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.proxy_addons.running_proxy import Client, Proxy, running_proxy, upstream_of


def leaf_for(proxy: Proxy, client: Client, name: str | None) -> x509.Certificate:
    """What is presented to a client that says ``name``, and that verifies the chain but no name."""
    context = ssl.create_default_context(cadata=proxy.ca.decode())
    context.check_hostname = False
    with client, context.wrap_socket(client.connect().raw, server_hostname=name) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def names(leaf: x509.Certificate) -> set[str]:
    return {str(name.value) for name in leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value}


@pytest.mark.parametrize("said", [None, "127.0.0.1", "localhost", "elsewhere.test", "deep.localhost"])
def test_leaf_is_for_the_names_of_the_servers_at_the_address(bench, tmp_path: Path, said: str | None) -> None:
    bench.start()
    upstreams = [
        upstream_of(bench.server),
        upstream_of(bench.server, cluster="named", user="cluster-2", server_name="localhost"),
        upstream_of(bench.server, cluster="other", user="cluster-3", host="other.test", server_name="other.test"),
    ]
    with running_proxy(tmp_path / "..", upstreams) as proxy:
        leaf = leaf_for(proxy, Client(proxy, bench.server), said)
    assert names(leaf) == {"127.0.0.1", "localhost"}
    assert list(leaf.subject) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_server_that_is_an_address_is_believed_by_an_openssl_client(bench, host: str) -> None:
    bench.start(host=host)
    with bench.client().open() as client:
        assert client.request()[0] == 200


def test_name_that_the_kubeconfig_has_not_is_not_believed(bench) -> None:
    bench.start()
    client = bench.client().connect()
    with pytest.raises(ssl.SSLCertVerificationError):
        client.context.wrap_socket(client.raw, server_hostname="elsewhere.test")
