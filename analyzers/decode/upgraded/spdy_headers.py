"""Header blocks of SPDY/3.1: names and values with their lengths before them, deflated in one go for a direction."""

from __future__ import annotations

import zlib

_WORDS = (
    b"options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    b"authorization cache-control connection content-base content-encoding content-language content-length "
    b"content-location content-md5 content-range content-type date etag expect expires from host if-match "
    b"if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    b"proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    b"user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    b"keep-alive origin"
)
_REST = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    b"Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    b"Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    b"00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    b"application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset="
    b"iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(len(word).to_bytes(4) + word.replace(b"_", b" ") for word in _WORDS.split()) + _REST
"""What deflating begins with (SPDY protocol draft 3, 2.6.10.1)."""

LONGEST_BLOCK = 16 * 1024
"""Bytes, deflated or not. What Kubernetes sends is about a hundred."""

_MOST_HEADERS = 100


class HeaderBlocks:
    """Reads the blocks of one direction: each in turn, because each is deflated with those before it in mind."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, block: bytes) -> dict[str, str] | None:
        """Names, in lower case, and values; None when neither this nor a later one can be read."""
        try:
            plain = self._inflate.decompress(block, LONGEST_BLOCK)
        except zlib.error:
            return None
        if self._inflate.unconsumed_tail:
            return None
        return _parsed(plain)


def _parsed(plain: bytes) -> dict[str, str]:
    """As many headers as are whole."""
    headers: dict[str, str] = {}
    texts: list[str] = []
    at = 4
    for _ in range(2 * min(int.from_bytes(plain[:4]), _MOST_HEADERS)):
        begin = at + 4
        end = begin + int.from_bytes(plain[at:begin])
        if end > len(plain) or begin > len(plain):
            break
        texts.append(plain[begin:end].decode("latin-1"))
        at = end
    for name, value in zip(texts[::2], texts[1::2], strict=False):
        headers[name.lower()] = value
    return headers
