"""Tells what kind of file it is by what stands in it: names and endings say little of what people paste."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from analyzers.readers.passage import Kind, Passage
from analyzers.readers.source import Source

Reader = Callable[[Source], Iterator[Passage]]
"""Reads a whole source, passage by passage, without holding it all. Does not raise on any content."""

_HAR = re.compile(rb'^\s*\{\s*"log"\s*:\s*\{')
# Inside a string too: log shippers put the line into a field of their own.
# A tnetstring: a dictionary, whose first key is text.
_FLOWS = re.compile(rb"\d{1,9}:\d{1,2}:[a-z_]+;")
_AUDIT = re.compile(rb'"(?:apiVersion|kind)\\*"\s*:\s*\\*"audit\.k8s\.io/|"auditID\\*"\s*:')
# Behind a time, as log collectors write it.
_AUDIT_LINE = re.compile(rb'[^\n{]{0,200}\{"kind":"Event","apiVersion":"audit\.k8s\.io/')
_RECORDING = re.compile(
    rb"\A(?:[#@][^\n]*\n|[ \t\r]*+\n)*+> [A-Z]+ \S+ HTTP/[\d.]+\n|\A(?:#[^\n]*\n|[ \t\r]*+\n)*+@[a-z-]+ "
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def recognise(head: bytes) -> Kind:
    """The kind of a file that begins with ``head``; "text" for whatever is nothing else.

    Text is looked through for more: a terminal's scroll may hold a Status, a -v log and a curl all at once.
    """
    head = head.removeprefix(_BYTE_ORDER_MARK)
    if _FLOWS.match(head):
        return "flows"
    if _HAR.match(head):
        return "har"
    if (head.lstrip()[:1] in (b"{", b"[") and _AUDIT.search(head)) or _AUDIT_LINE.match(head):
        return "audit-log"
    if _RECORDING.match(head):
        return "recording"
    return "text"
