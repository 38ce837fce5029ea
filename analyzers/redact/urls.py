"""URLs: user info, tokens in the query, and the command that ``kubectl exec`` puts there."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from analyzers.decode.request_info import decode as request_info
from analyzers.redact.net import URL_MASK, net, text

_USER_INFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*:)?//[^/?#]*@")
_SECRET_PARAMETER = re.compile(
    r"token|passw|secret|signature|api.?key|access.?key|private.?key|credential|authorization|assertion|jwt|session"
    r"|^(?:sig|key|code|auth|pwd|pass)$"
)


def url(value: str) -> str:
    """A URL without user info and without what its query may give away."""
    return path(_USER_INFO.sub(lambda found: f"{found[1] or ''}//{URL_MASK}@", value, count=1))


def path(value: str) -> str:
    """A path and query: tokens and the like masked, and all of a command (``kubectl exec``) but its first word.

    What is sent through the API server to a pod, service or node keeps its path, and of its query only the names.
    """
    before, mark, rest = value.partition("?")
    if not mark:
        return text(value)
    query, hash_mark, fragment = rest.partition("#")
    info = request_info("GET", before)
    proxied = info.subresource == "proxy" or info.verb == "proxy"
    pairs = []
    commands = 0
    for pair in query.split("&"):
        key, equals, content = pair.partition("=")
        lowered = unquote_plus(key).lower()
        if lowered in ("command", "cmd"):
            commands += 1
            content = _first_word(content) if commands == 1 else URL_MASK
        elif content and lowered != "continue" and (proxied or _SECRET_PARAMETER.search(lowered)):
            content = URL_MASK
        elif lowered != "continue":
            content = net(content, URL_MASK)
        pairs.append(key + equals + content)
    return text(before) + mark + "&".join(pairs) + (hash_mark + net(fragment, URL_MASK) if hash_mark else "")


def _first_word(command: str) -> str:
    found = re.match(r"(?:(?!%20|%09|%0a|%3d)[^+= ])*", command, re.IGNORECASE)
    word = found[0] if found else ""
    return word if len(word) == len(command) else f"{word}+{URL_MASK}"
