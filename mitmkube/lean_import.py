"""Imports mitmproxy without what a proxy for Kubernetes clients does not need.

QUIC, HTTP/2, WebSocket messages, a command language, option files and most of its addons take more than half of
mitmproxy's start-up time, and ``run`` uses none of them. While ``lean()`` is open, a stand-in is imported in the place
of each. It becomes the real module as soon as anything of it is used. What was imported *from* it is one too, for
the real thing wherever that is called, looked into, derived from or compared with.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

# Each with the names that mitmproxy imports from it. Any other name makes it the real module at once.
_STAND_INS: dict[str, frozenset[str]] = {
    "aioquic.h3.connection": frozenset({"H3_ALPN"}),
    "aioquic.tls": frozenset({"CipherSuite"}),
    "brotli": frozenset(),
    "mitmproxy.addons": frozenset(),
    "mitmproxy.command_lexer": frozenset({"unquote"}),
    "mitmproxy.contrib.kaitaistruct.dtls_client_hello": frozenset(),
    "mitmproxy.eventsequence": frozenset(),
    "mitmproxy.net.http.multipart": frozenset(),
    "mitmproxy.proxy.layers.dns": frozenset({"DNSLayer"}),
    "mitmproxy.proxy.layers.http._http2": frozenset({"Http2Client", "Http2Server"}),
    "mitmproxy.proxy.layers.http._http3": frozenset({"Http3Client", "Http3Server"}),
    "mitmproxy.proxy.layers.quic": frozenset({
        "ClientQuicLayer", "QuicStreamEvent", "QuicStreamLayer", "RawQuicLayer", "ServerQuicLayer",
        "QuicTlsData", "quic_parse_client_hello_from_datagrams",
    }),
    "mitmproxy.proxy.layers.udp": frozenset({"UDPLayer", "UdpMessageInjected"}),
    "mitmproxy.proxy.layers.websocket": frozenset({"WebSocketMessageInjected", "WebsocketLayer"}),
    "mitmproxy.udp": frozenset(),
    "pyparsing": frozenset(),
    "ruamel.yaml": frozenset(),
    "wsproto": frozenset(),
    "wsproto.frame_protocol": frozenset({"Opcode"}),
    "wsproto.handshake": frozenset(),
    "zstandard": frozenset(),
}  # fmt: skip


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Import stand-ins in this block, as far as the real thing is not imported already. For one thread."""
    sys.meta_path.insert(0, _FINDER)
    _FINDER.open = True
    try:
        yield
    finally:
        _FINDER.open = False
        sys.meta_path.remove(_FINDER)


class _Finder:
    """Finds stand-ins. As long as it is ``open``, they give out stand-ins too."""

    open = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self.open or name not in _STAND_INS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Postponed(spec.loader)  # type: ignore[assignment]  # importlib.abc takes long to import
        return spec


_FINDER = _Finder()


class _Postponed:
    """Makes a stand-in, and the module when it is needed."""

    def __init__(self, real: SourceFileLoader) -> None:
        self._real = real
        self._lock = threading.RLock()
        self._begun = False

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet."""

    def load(self, module: ModuleType) -> None:
        """Make ``module`` real, and with it what it imports. Other threads wait."""
        with self._lock:
            if self._begun:
                return  # it asks for something of itself, or another thread was faster
            self._begun = True
            was_open, _FINDER.open = _FINDER.open, False
            try:
                self._real.exec_module(module)
            finally:
                _FINDER.open = was_open
            module.__class__ = ModuleType


class _StandIn(ModuleType):
    """Is asked only for what it has not got."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            if _FINDER.open:
                if name in _STAND_INS[self.__name__]:
                    return _Later(self, name)
                if self._is_package_with(name):
                    raise _missing(self, name)  # so that the import statement looks for it
            _load(self)
        try:
            return vars(self)[name]
        except KeyError:
            raise _missing(self, name) from None

    def _is_package_with(self, name: str) -> bool:
        path = vars(self).get("__path__")
        return path is not None and PathFinder.find_spec(f"{self.__name__}.{name}", path) is not None


class _Later:
    """Something of a module that is not loaded yet."""

    def __init__(self, module: _StandIn, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *arguments: object, **named: object) -> object:
        return self._real()(*arguments, **named)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real(), name)

    def __getitem__(self, key: object) -> object:
        return self._real()[key]

    def __iter__(self) -> Iterator[object]:
        return iter(self._real())

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[object, ...]:
        return (self._real(),)

    def __instancecheck__(self, value: object) -> bool:
        # As long as the module is not there, nothing of its making can be.
        return type(self._module) is ModuleType and isinstance(value, self._real())

    def __ror__(self, other: object) -> object:
        return other  # a signature: int | Opcode

    def _real(self) -> Any:
        if isinstance(self._module, _StandIn):
            _load(self._module)
        return getattr(self._module, self._name)


def _load(module: _StandIn) -> None:
    loader = vars(module)["__loader__"]
    assert isinstance(loader, _Postponed)
    loader.load(module)


def _missing(module: ModuleType, name: str) -> AttributeError:
    return AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
