"""No test here may leave an error in mitmproxy's log: an addon that raised, or a layer that crashed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import pki
from tests.proxy_addons.api_server import answer_all, api_server
from tests.proxy_addons.running_proxy import Client, Proxy, running_proxy, upstream_of


class Errors(logging.Handler):
    """Keeps every record of level ERROR; a test that expects some takes them out."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []
        self.formatter = logging.Formatter("%(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def take(self) -> list[str]:
        found = [self.format(record) for record in self.records]
        self.records.clear()
        return found


@pytest.fixture(autouse=True)
def errors() -> Iterator[Errors]:
    """What was logged as an error, of which nothing may be left at the end."""
    handler = Errors()
    root = logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    assert handler.take() == []


@pytest.fixture(scope="session")
def authority() -> pki.Authority:
    """The cluster's CA."""
    return pki.Authority.create("kubernetes")


@pytest.fixture(scope="session")
def leaf(authority: pki.Authority) -> pki.KeyPair:
    """The API server's certificate."""
    return authority.issue("kube-apiserver", usage=pki.SERVER, names=["127.0.0.1", "::1", "localhost"])


@pytest.fixture(scope="session")
def jane(authority: pki.Authority) -> pki.KeyPair:
    return authority.issue("jane", ["dev"], usage=pki.CLIENT)


@pytest.fixture(scope="session")
def admin(authority: pki.Authority) -> pki.KeyPair:
    return authority.issue("admin", ["system:masters"], usage=pki.CLIENT)


class Bench:
    """A server, a proxy to it and clients, all ended with the test."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path, leaf: pki.KeyPair, ca: bytes) -> None:
        self._stack, self.folder, self._leaf, self._ca = stack, folder, leaf, ca
        self.pairs: list[pki.KeyPair] = []

    def start(self, converse=answer_all, *, context=None, host="127.0.0.1", addons=(), sink=None, leaf=None, **changes):
        """``changes`` are of the Upstream."""
        self.server = self._stack.enter_context(
            api_server(leaf or self._leaf, self._ca, converse, context=context, host=host)
        )
        self.proxy: Proxy = self._stack.enter_context(
            running_proxy(
                self.folder, [upstream_of(self.server, **changes)], lambda: self.pairs, addons=addons, sink=sink
            )
        )
        return self

    def client(self, pair: pki.KeyPair | None = None, **options) -> Client:
        target = options.pop("target", self.server)
        return self._stack.enter_context(Client(self.proxy, target, pair, folder=self.folder, **options))


@pytest.fixture
def bench(tmp_path: Path, leaf: pki.KeyPair, authority: pki.Authority) -> Iterator[Bench]:
    with contextlib.ExitStack() as stack:
        yield Bench(stack, tmp_path, leaf, authority.certificate_pem)
