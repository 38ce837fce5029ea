"""Wire text as a file to explain: the form of mitmkube's own recordings, and of bug reports."""

from __future__ import annotations

from collections.abc import Iterator

from analyzers.readers import wire_text
from analyzers.readers.passage import Passage
from analyzers.readers.source import Source

_LARGEST = 64 << 20


def read(source: Source) -> Iterator[Passage]:
    """All exchanges as one story. A file that cannot be read whole yields a note that says where it breaks."""
    text = bytearray()
    for block in source.blocks():
        text += block
        if len(text) > _LARGEST:
            yield Passage(kind="recording", line=1, notes=("a recording of more than 64 MiB is not read",))
            return
    try:
        exchanges = wire_text.read(text.decode("utf-8", "replace"))
    except ValueError as error:
        yield Passage(kind="recording", line=1, notes=(f"not a whole recording: {error}",))
        return
    yield Passage(kind="recording", line=1, exchanges=exchanges)
