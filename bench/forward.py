"""Bytes through connections that are upgraded: ``kubectl port-forward`` and ``kubectl cp``, both ways."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench import ways
from bench.figures import Figure, Section, column
from bench.paired import Round, ratio, rounds, spread
from bench.setting import Setting, Size
from bench.usage import cpu_seconds, megabytes, until_at_rest
from bench.ways import Way
from tests.cluster.command import environment

SIDES = (ways.DIRECT, ways.HTTP1, ways.MITMKUBE)
NOTE = (
    "one mitmdump stands for all: upgraded connections speak HTTP/1.1 through each, and none holds them back; "
    "peak memory is that of a new proxy"
)
LONGEST_SECONDS = 120
_PART = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One turn: MB/s from the first byte to the last, and of the proxy CPU seconds and the most memory in MB."""

    rate: float
    cpu: float
    peak: float


type Move = Callable[[Setting, Way, int], float]
"""Moves so many bytes and says how many seconds that took."""


def measure(setting: Setting, size: Size) -> Iterator[Section]:
    """The port, both ways; every round with new proxies."""
    megabytes_each = size.forward_bytes // 1_000_000
    works: Mapping[str, Move] = {"from the pod": receive, "to the pod": send}
    for said, move in works.items():
        measured = measure_moves(setting, size.forward_rounds, size.forward_bytes, move)
        yield section(f"kubectl {setting.kubectl} port-forward, {megabytes_each} MB {said}", measured)


def measure_moves(setting: Setting, count: int, size: int, move: Move) -> list[Round[Moved]]:
    """Rounds, each with proxies of its own, because what one moved may stay in its memory."""
    measured: list[Round[Moved]] = []
    for number in range(count):
        with ways.opened(setting, SIDES) as sides:
            turns = {name: _turn(setting, way, size, move) for name, way in sides.items()}
            measured += rounds(1, turns, backwards=number % 2 == 1)
    return measured


def section(title: str, measured: Sequence[Round[Moved]]) -> Section:
    """Its table."""
    return Section(
        title=title,
        figures=list(_figures(measured)),
        note=NOTE,
        rounds=[{name: asdict(turn) for name, turn in one.items()} for one in measured],
    )


def receive(setting: Setting, way: Way, size: int) -> float:
    """``size`` bytes from a server behind the pod's port."""
    with _pod_port(setting, lambda connection: _write(connection, size)), _forwarded(setting, way) as connection:
        started = time.perf_counter()
        received = _read(connection, size)
        took = time.perf_counter() - started
    if received != size:
        raise RuntimeError(f"{received} bytes of {size} came from the forwarded port")
    return took


def send(setting: Setting, way: Way, size: int) -> float:
    """``size`` bytes to a server behind the pod's port, which answers with one when it has them all."""

    def serve(connection: socket.socket) -> None:
        if _read(connection, size) == size:
            connection.sendall(b".")

    with _pod_port(setting, serve), _forwarded(setting, way) as connection:
        started = time.perf_counter()
        _write(connection, size)
        answered = connection.recv(1)
        took = time.perf_counter() - started
    if answered != b".":
        raise RuntimeError(f"not all of the {size} bytes came to the forwarded port")
    return took


def _turn(setting: Setting, way: Way, size: int, move: Move) -> Callable[[], Moved]:
    def turn() -> Moved:
        until_at_rest(way.pid)
        before = cpu_seconds(way.pid)
        took = move(setting, way, size)
        until_at_rest(way.pid)
        return Moved(
            rate=size / 1_000_000 / took,
            cpu=cpu_seconds(way.pid) - before,
            peak=megabytes(way.pid, peak=True),
        )

    return turn


def _figures(measured: Sequence[Round[Moved]]) -> Iterator[Figure]:
    def rate(one: Moved) -> float:
        return one.rate

    proxies = SIDES[1:]
    yield from column("MB/s", SIDES, lambda name: spread(measured, name, rate))
    yield from column("to direct's", proxies, lambda name: ratio(measured, name, ways.DIRECT, rate), digits=2)
    yield from column("CPU s", proxies, lambda name: spread(measured, name, lambda one: one.cpu), digits=2)
    yield from column("peak MB", proxies, lambda name: spread(measured, name, lambda one: one.peak))


@contextmanager
def _pod_port(setting: Setting, serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """A server behind the pod's port, for one connection."""
    with socket.create_server(("127.0.0.1", setting.cluster.forward_port)) as listener:
        listener.settimeout(LONGEST_SECONDS)

        def accept() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(LONGEST_SECONDS)
                    serve(connection)
            except OSError:
                return  # the client sees that too little came, and says so

        threading.Thread(target=accept, daemon=True).start()
        yield


@contextmanager
def _forwarded(setting: Setting, way: Way) -> Iterator[socket.socket]:
    """A connection to the port that kubectl forwards."""
    home = ways.new_folder(setting.folder)
    command = (setting.kubectl.path, "port-forward", "pod/p0", "--address=127.0.0.1", ":80")
    with (
        (home / "stderr").open("wb") as stderr,
        subprocess.Popen(
            command,
            env=environment(home, way.kubeconfig),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            limit = threading.Timer(LONGEST_SECONDS, process.kill)
            limit.start()
            port = re.search(rb"127\.0\.0\.1:(\d+)", process.stdout.readline())
            limit.cancel()
            if port is None:
                raise RuntimeError(f"{' '.join(map(str, command))}: {(home / 'stderr').read_text()[-2000:]}")
            with socket.create_connection(("127.0.0.1", int(port[1])), timeout=LONGEST_SECONDS) as connection:
                yield connection
        finally:
            process.terminate()


def _write(connection: socket.socket, size: int) -> None:
    part = bytes(range(256)) * (_PART // 256)
    while size > 0:
        connection.sendall(part[:size])
        size -= len(part)


def _read(connection: socket.socket, size: int) -> int:
    """How much of ``size`` came before the end."""
    buffer = bytearray(_PART)
    received = 0
    while received < size and (got := connection.recv_into(buffer)):
        received += got
    return received
