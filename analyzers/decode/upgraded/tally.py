"""What is counted of a channel. The only bytes kept are those that the API side wrote to an error channel."""

from __future__ import annotations

CLIENT, SERVER = 0, 1
"""Who sent: the index into a pair of counts."""

STATUS_BYTES = 64 * 1024
"""How much of an error channel is kept."""


class Tally:
    """One channel: ``bytes`` from the client and from the server, and how many ``streams`` it was carried by.

    ``most`` is how many bytes of what the server sends are kept in ``said``, 0 for a channel that is nobody's business.
    Of several streams only what came on the one that spoke last is kept; ``speaker`` is its number.
    """

    __slots__ = ("bytes", "ended", "most", "name", "port", "said", "speaker", "streams")

    def __init__(self, name: str, port: int | None = None, *, most: int = 0) -> None:
        self.name = name
        self.port = port
        self.most = most
        self.bytes = [0, 0]
        self.streams = 0
        self.said = bytearray()
        self.speaker = -1
        self.ended = False  # by the server

    def keep(self, speaker: int, piece: bytes) -> None:
        """Keep what the server said on the stream ``speaker``."""
        if speaker != self.speaker:
            self.said.clear()
            self.speaker = speaker
        if (room := self.most - len(self.said)) > 0:
            self.said += piece[:room]

    def take_over(self, other: Tally) -> None:
        """Add what was counted before it was known which channel it belongs to."""
        for side in (CLIENT, SERVER):
            self.bytes[side] += other.bytes[side]
        if self.most and other.said:
            self.keep(other.speaker, bytes(other.said))
        self.ended = self.ended or other.ended
