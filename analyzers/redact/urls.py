"""URLs: user info, tokens in the query, and the command that ``kubectl exec`` puts there."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

from analyzers.redact.net import net, text, user_info_mask
from analyzers.redact.placeholder import IS_URL_MASK, URL_MASK, url_mask

_USER_INFO = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*:)?//([^/?#]*)@")
_SECRET_PARAMETER = re.compile(
    r"token|passw|secret|signature|api.?key|access.?key|private.?key|credential|authorization|assertion|jwt|session"
    r"|passphrase|passcode|connection.?string|kubeconfig|sessid|oauth_verifier|dbpass$|authkey$"
    r"|(?:^|[_.\[-])(?:sig|key|code|auth|pwd|pw|pass|pin|otp|totp|psk|dsn|hmac|sas|sid|sso|ticket|bearer|cookie|[cx]srf)\]?$"
    r"|^(?:code_verifier|samlrequest|samlresponse|samlart|relaystate|state|nonce|st|wresult|wctx)$"
)
# Behind any path prefix. The second is how the first was written before Kubernetes 1.4.
_PROXIED = re.compile(
    r"(.*?/api/v1/(?:(?:namespaces/[^/]+/(?:pods|services)|nodes)/[^/]+/proxy"
    r"|proxy/(?:namespaces/[^/]+/(?:pods|services)|nodes)/[^/]+))(/.*|)",
    re.DOTALL,
)
# What monitoring asks everywhere, and the kubelet's own.
_KNOWN_PATH = re.compile(r"|/|/(?:healthz|readyz|livez|metrics|version|index\.html)/?")
_KUBELET_PATH = re.compile(
    r"/(?:healthz/[a-z]+|metrics/(?:cadvisor|probes|resource)|configz|pods|runningpods|logs|stats/summary|spec"
    r"|(?:run|exec|attach|portForward|containerLogs|checkpoint)/[a-z0-9.-]+/[a-z0-9.-]+(?:/[a-z0-9-]+)?)/?"
)


def url(value: str) -> str:
    """A URL without user info and without what its query may give away."""
    return path(_USER_INFO.sub(lambda found: f"{found[1] or ''}//{user_info_mask(found[2])}@", value, count=1))


def path(value: str) -> str:
    """A path and query: tokens and the like masked, and all of a command (``kubectl exec``) but its first word.

    Of what is sent through the API server to a pod, a service or a node, the application's own path is masked, unless
    it is a well-known one, and of its query all but the names.
    """
    target, hash_mark, fragment = value.partition("#")
    before, mark, query = target.partition("?")
    # Servers take it in any spelling.
    proxied = _PROXIED.match(before) or _PROXIED.match(re.sub("//+", "/", unquote(before)))
    shown = text(proxied[1]) + _application_path(proxied[2], "/nodes/" in proxied[1]) if proxied else text(before)
    if mark:
        shown += mark + _pairs(query, proxied=proxied is not None)
    route, route_mark, rest = fragment.rpartition("?")  # "#/callback?code=" of an application in one page
    return shown + hash_mark + net(route, url_mask) + route_mark + _pairs(rest, proxied=proxied is not None)


def _pairs(query: str, *, proxied: bool) -> str:
    shown = []
    commands = 0
    for pair in query.split("&"):
        key, equals, content = pair.partition("=")
        lowered = unquote_plus(key).lower().removesuffix("[]")
        if lowered in ("command", "cmd"):
            commands += 1
            content = _first_word(content) if commands == 1 else _hidden(content, grants=False)
        elif _SECRET_PARAMETER.search(lowered) and lowered != "continue":
            content = _hidden(content)
        elif proxied:
            key, content = (key, _hidden(content, grants=False)) if equals else (_hidden(key, grants=False), "")
        elif lowered != "continue":
            content = _nested(content)
        shown.append(net(key, url_mask) + equals + content)
    return "&".join(shown)


def _nested(content: str) -> str:
    """A value, which may be a URL or a document itself, spelled as a URL wants it."""
    said = unquote_plus(content)
    if (
        said != content
        and any(sign in said for sign in ("=", "://", '":'))
        and (path(said) != said or url(said) != said)
    ):
        return _hidden(content)
    return net(content, url_mask)


def form(content: str) -> str:
    """A body of type application/x-www-form-urlencoded: the names stay, and values that no secret's name introduces."""
    return path(f"?{content}")[1:]


def _application_path(path: str, of_kubelet: bool) -> str:
    if _KNOWN_PATH.fullmatch(path) or (of_kubelet and _KUBELET_PATH.fullmatch(path)):
        return path
    return "/" + _hidden(path.removeprefix("/"), grants=False)


def _hidden(content: str, *, grants: bool = True) -> str:
    """By what it says, so that it is the same placeholder however it is written. A placeholder stays one."""
    return content if not content or IS_URL_MASK.fullmatch(content) else url_mask(unquote_plus(content), grants=grants)


def _first_word(command: str) -> str:
    found = re.match(r"(?:[\w./~@:,\[-]|%2f)*", command, re.IGNORECASE)
    word = found[0] if found else ""
    if len(word) == len(command):
        return word
    rest = re.sub(r"^(?:[+= ]|%20|%09|%0a|%3d)", "", command[len(word) :], flags=re.IGNORECASE)
    return f"{word}+{_hidden(rest, grants=False) or URL_MASK}"
