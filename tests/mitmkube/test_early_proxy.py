"""The proxy that can be connected to before it is there."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from analyzers.exchange import Exchange
from mitmkube import authority, early_proxy
from mitmkube.early_proxy import EarlyProxy
from proxy_addons.limits import Limits
from proxy_addons.upstream import KeyPairs, Upstreams

NOBODY = Upstreams(lambda: (), KeyPairs(tuple), "password")
REQUEST = b"CONNECT 192.0.2.1:6443 HTTP/1.1\r\nHost: 192.0.2.1:6443\r\n\r\n"


async def serve(proxy: EarlyProxy, folder: Path, *, is_over: bool = False) -> None:
    authority.create(folder, dt.datetime.now(dt.UTC), dt.timedelta(days=1), NOBODY.hosts)
    exchanges: list[Exchange] = []
    await proxy.serve(NOBODY, lambda exchange, _: exchanges.append(exchange), None, Limits(), folder, lambda: is_over)


@contextlib.asynccontextmanager
async def connected(proxy: EarlyProxy) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def test_who_connects_before_the_proxy_is_there_is_answered_once_it_is(tmp_path: Path) -> None:
    async def main() -> bytes:
        proxy = EarlyProxy()
        async with connected(proxy) as (reader, writer):
            writer.write(REQUEST)
            await serve(proxy, tmp_path)
            answer = await asyncio.wait_for(reader.readline(), 10)
        await proxy.stop()
        return answer

    assert asyncio.run(main()).startswith(b"HTTP/1.1 407 ")


def test_who_comes_and_goes_before_the_proxy_is_there_is_waited_for_in_the_end(tmp_path: Path) -> None:
    async def main() -> list[bool]:
        proxy = EarlyProxy()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(REQUEST)
        await serve(proxy, tmp_path, is_over=True)
        before = proxy._has_waiting()
        await proxy.settle()
        after = proxy._has_waiting()
        await proxy.stop()
        return [before, after]

    assert asyncio.run(main()) == [True, False]


def test_nothing_is_imported_for_a_command_that_has_ended_unconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_proxy, "_IMPORTS", ("no_such_module",))

    async def main() -> None:
        proxy = EarlyProxy()
        await serve(proxy, tmp_path, is_over=True)
        await proxy.settle()
        await proxy.stop()

    asyncio.run(main())
    with pytest.raises(ModuleNotFoundError):
        asyncio.run(serve(EarlyProxy(), tmp_path))


async def fails(*_: object) -> None:
    raise OSError("something is missing")


@pytest.mark.parametrize("what", ["_imported", "_start"])
def test_proxy_that_cannot_start_leaves_nobody_waiting(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EarlyProxy, what, fails)

    async def main() -> None:
        proxy = EarlyProxy()
        async with connected(proxy) as (reader, writer):
            writer.write(REQUEST)
            with pytest.raises(OSError, match="something is missing"):
                await serve(proxy, tmp_path)
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(), 10)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.stop()

    asyncio.run(main())


def test_time_for_which_a_connection_was_held_is_known(tmp_path: Path) -> None:
    async def main() -> tuple[float, float]:
        held, free = EarlyProxy(), EarlyProxy()
        async with connected(held):
            await serve(held, tmp_path)
        await serve(free, tmp_path)
        await held.stop()
        await free.stop()
        return held.held_seconds, free.held_seconds

    held, free = asyncio.run(main())
    assert held > 0
    assert free == 0


def test_socket_is_on_the_loopback_interface_and_not_inherited() -> None:
    with early_proxy.listening_socket() as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert not listener.get_inheritable()


def test_many_may_wait_before_the_proxy_is_there(tmp_path: Path) -> None:
    count = 100

    async def main() -> list[bytes]:
        proxy = EarlyProxy()
        clients = [socket.create_connection(("127.0.0.1", proxy.port), 10) for _ in range(count)]
        for client in clients:
            client.sendall(REQUEST)
        await serve(proxy, tmp_path)
        answers: list[bytes] = []

        def read() -> None:
            for client in clients:
                with client:
                    answers.append(client.recv(12))

        reading = threading.Thread(target=read)
        reading.start()
        await asyncio.to_thread(reading.join)
        await proxy.stop()
        return answers

    assert asyncio.run(main()) == [b"HTTP/1.1 407"] * count
