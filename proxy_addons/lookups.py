"""Looks names up on threads that nobody waits for.

asyncio does it on a few threads that are joined before a program may end: where DNS does not answer, that is tens of
seconds after the command, and lookups of one name keep those of others waiting. Here each name has a thread that ends
when it likes, and whoever asks for a name meanwhile shares its answer, as Go does it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

type _Question = tuple[Any, ...]


class Lookups:
    """The names that are being looked up in one event loop."""

    def __init__(self) -> None:
        self._underway: dict[_Question, asyncio.Future[Any]] = {}

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do it for ``loop`` from now on."""
        loop.getaddrinfo = self._getaddrinfo  # type: ignore[method-assign]

    def is_underway(self, host: str) -> bool:
        """Whether DNS has not answered yet."""
        return any(asked[0] == host for asked in self._underway)

    async def _getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        asked = (host, port, family, type, proto, flags)
        answer = self._underway.get(asked)
        if answer is None:
            answer = self._underway[asked] = asyncio.get_running_loop().create_future()
            threading.Thread(target=self._ask, args=(asked, answer), name=f"lookup of {host}", daemon=True).start()
        return await asyncio.shield(answer)  # who gives up leaves it to the others

    def _ask(self, asked: _Question, answer: asyncio.Future[Any]) -> None:
        tell: Callable[[Any], None]
        said: Any
        try:
            tell, said = answer.set_result, socket.getaddrinfo(*asked)
        except Exception as error:
            tell, said = answer.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody asks any more
            answer.get_loop().call_soon_threadsafe(self._tell, asked, answer, tell, said)

    def _tell(self, asked: _Question, answer: asyncio.Future[Any], tell: Callable[[Any], None], said: Any) -> None:
        del self._underway[asked]
        tell(said)
        answer.exception()  # where nobody is left who would look, asyncio would log it
