"""What one side does not read holds back the other, in that direction only."""

from __future__ import annotations

import threading

from tests.proxy_addons.api_server import tcp_server
from tests.proxy_addons.running_proxy import Client, running_proxy, upstream_of
from tests.proxy_addons.test_connection_handler import SWITCHED, UPGRADE

# More than all buffers on the way hold.
PIECE, PIECES = b"x" * 65536, 600


def test_client_may_write_much_before_it_reads_what_the_server_sends_meanwhile(tmp_path) -> None:
    def both_ways(peer) -> None:
        peer.request()
        peer.send(SWITCHED)
        sending = threading.Thread(target=lambda: [peer.send(PIECE) for _ in range(PIECES)], daemon=True)
        sending.start()
        assert len(peer.exactly(len(PIECE) * PIECES)) == len(PIECE) * PIECES
        heard.set()
        sending.join(20)

    heard = threading.Event()
    with (
        tcp_server(both_ways) as server,
        running_proxy(tmp_path, [upstream_of(server, scheme="http", ca=None)]) as proxy,
        Client(proxy, server).connect() as client,
    ):
        client.send(UPGRADE)
        assert client.recv(len(SWITCHED)) == SWITCHED
        for _ in range(PIECES):
            client.send(PIECE)
        assert heard.wait(20)
        got = 0
        while chunk := client.recv():
            got += len(chunk)
    assert got == len(PIECE) * PIECES
