"""One printed message as an exchange: what the server must have answered, or how far the client must have got.

A message says little of the request. What it does not say stays unknown; nothing is made up for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlsplit

from analyzers import redact
from analyzers.decode import status as status_decoder
from analyzers.decode.status import Status
from analyzers.exchange import Exchange, Failure, Headers, Request, Response
from analyzers.readers import client_words, embedded_status, http_words, server_words
from analyzers.readers.log_line import unescaped
from analyzers.readers.wrapping import unwrapped

# Not the Kubernetes API, though the words are the same: the node pulls an image, the kubelet asks a container.
_OTHER_TRAFFIC = re.compile(
    r"(?:Liveness|Readiness|Startup) probe (?:failed|errored)|ImagePullBackOff|ErrImagePull"
    r"|failed to generate manifest|pull(?:ing)? (?:and unpack )?image|Back-off restarting failed container"
    r"|CrashLoopBackOff",
    re.IGNORECASE,
)
# Nor is a connection of a program to its database.
_DATABASE = re.compile(
    r"\b(?:database|postgres\w*|mysql|redis|mongo\w*|kafka|rabbitmq)\b|\bDB: "
    r"|\b(?:port['\": ]+|\S:)(?:3306|5432|5672|6379|9042|9092|9200|11211|27017)\b",
    re.IGNORECASE,
)
# But the API server is a container too.
_OF_THE_API_SERVER = re.compile(r"Error from server|\[-\]\S+ failed")
# How a program begins to say that it gave up, whatever the reason.
FINAL = re.compile(
    r"^\s*(?:Error from server\b|[Ee]rror: |ERROR: |Error in configuration|Unable to connect to the server"
    r"|The connection to the server|The [A-Z]\w*(?:\.[\w.]+)? \".*\" is invalid|The request is invalid"
    r"|FATA\[|fatal: |error validating |error execution phase |Please enter Username|panic: |curl: \(\d+\) )"
)
_WRAPPERS = re.compile(
    r"^\s*(?:(?:Error|error|ERROR|fatal|FATAL|Fatal)(?: executing \w+)?: |Unable to connect to the server: )+"
)
_HTTP_CODE = re.compile(r"(?:status(?: code|Code)?\"?[ :=]+|ApiException: \(|HTTP(?:Error)? |\()(?P<code>4\d\d|50\d)\b")
_PLAIN_401 = re.compile(r"(?:^|[:\s\"'(\[])(?:401 )?Unauthorized[\s\"').,:\]]*(?:$|\n)")
_PAGE = re.compile(r"<(?:!doctype html|html|head|title|h1|h3)\b", re.IGNORECASE)
_PAGE_CODE = re.compile(r"\b(?P<code>4\d\d|50[0-9]):? (?P<reason>[A-Z][\w -]{1,80}?)(?=\s{0,80}<|\s{0,80}\Z|\\n)")
_PLAIN_CODES = {
    "forbidden": 403,
    "unauthorized": 401,
    "service unavailable": 503,
    "not found": 404,
    "404 page not found": 404,
    "bad gateway": 502,
}
# kubectl proxy's own words, under the code 403.
_FILTER = re.compile(r"<h3>Unauthorized</h3>")
# What was answered instead of 101, without a Status.
_UPGRADE = re.compile(rf"unable to upgrade connection: (?P<body>(?i:{'|'.join(_PLAIN_CODES)}))\s*$")
# What was to be JSON was a page.
_PAGE_INSTEAD = re.compile(r"^error: got '|invalid character '<' looking for beginning of value", re.MULTILINE)
_CHECKS = re.compile(r"^[ \t]*\[[+-]\]\S+ (?:ok|failed)", re.MULTILINE)
_OF_A_SECRET = re.compile(r"\bsecrets?\b", re.IGNORECASE)
# From the first brace of an object of Kubernetes to the last there is.
_OBJECT = re.compile(r'\{\s*\\*"(?:apiVersion|kind|metadata|data|stringData|items)\\*"\s*:(?:.*\}|.*\Z)', re.DOTALL)
_YAML_DATA = re.compile(r"^([ \t]*(?:data|stringData|binaryData):)[ \t]*\n(?:[ \t]+.*(?:\n|\Z))+", re.MULTILINE)
# What chats and editors make of quotation marks.
_TYPOGRAPHY = str.maketrans({"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "\u00a0": " "})
_LINK = re.compile(r"\[([^\]\s]{1,200})\]\(https?://[^)\s]{1,200}\)")
_WORTH = re.compile(
    r"err|fail|forbid|den(?:y|ied)|refus|reject|unauth|invalid|not |n't |_not|not_|no |conflict|exist|expire|too |time"
    r"|deadline|unable|cannot|must |missing|required|without|x509|tls|certificate|EOF|reset|lookup|dial|unreach|unknown"
    r"|etcd|webhook|panic|fatal|quota|exceed|violat|attempt|lost|away|closed|broken|abort|proxy|<h|terminat|wait"
    r"|logged in|\[-\]|throttl|precondition|modified|mismatch|disruption|try again|refresh|credential|choose one|specif"
    r"|malformed|unexpected|unsupport|unrecog|empty|ssl|handler|does|\b[45]\d\d\b",
    re.IGNORECASE,
)
# The end of a here-document; or kubectl asked for a user name, and nobody was there to answer. A lost connection is a
# url.Error, printed otherwise.
_NOBODY_ANSWERED = re.compile(r"error: EOF|EOF")
LONGEST = 16 * 1024
"""Characters. What stands behind them is not read."""


@lru_cache(maxsize=16)  # lines are looked at again while it is decided where a message ends
def read(text: str) -> Exchange | None:
    """The exchange behind a message of one or more lines, with id 1; None for text that says of no failure."""
    text = redact.text(text[:LONGEST]).translate(_TYPOGRAPHY).strip().strip("`").removesuffix("**").strip()
    if (
        not worth_reading(text)
        or (_OTHER_TRAFFIC.search(text) and not _OF_THE_API_SERVER.search(text))
        or _NOBODY_ANSWERED.fullmatch(text)
    ):
        return None
    text = _LINK.sub(r"\1", text)
    embedded = embedded_status.find(text)
    if embedded is not None:
        return answered(embedded)
    configuration = client_words.before_asking(text)
    if not configuration and (page := _page(text)) is not None:
        return page
    text = unwrapped(_without_objects(unescaped(text)))
    if _CHECKS.search(text) and "[-]" in text:
        return Exchange(id=1, request=_UNKNOWN, response=_plain(500, text[text.index("[") :]))
    said = None if configuration else _said(text)
    if said is not None:
        return answered(said) if not _PAGE.match(said.message) else _answered_by_page(said)
    if _PLAIN_401.search(text):
        return answered(Status(status="Failure", message="Unauthorized", reason="Unauthorized", code=401))
    if (upgrade := _UPGRADE.search(text)) is not None:
        return Exchange(id=1, request=_UNKNOWN, response=_plain(_PLAIN_CODES[upgrade["body"].lower()], upgrade["body"]))
    if _DATABASE.search(text):
        return None
    lost = client_words.recognise(_WRAPPERS.sub("", text).replace('\\"', '"'))
    if lost is not None:
        request = _requested(lost.method, lost.url) if lost.url else _UNKNOWN
        return Exchange(id=1, request=request, failure=Failure(phase=lost.phase, message=lost.message))
    return None


def _said(text: str) -> Status | None:
    """What the server said, also where a program printed the quotes of its own language around it."""
    said = server_words.recognise(text)
    if said is None and '\\"' in text:
        said = server_words.recognise(text.replace('\\"', '"'))
    return said or http_words.recognise(text)


def _answered_by_page(said: Status) -> Exchange:
    """A page for a browser that the client took for a message."""
    return Exchange(id=1, request=_UNKNOWN, response=_html(said.code, said.message))


def worth_reading(text: str) -> bool:
    """Whether any word of a failure stands in ``text``; cheap, since nearly every line of a log has none."""
    return _WORTH.search(text) is not None


def gave_up(text: str) -> Exchange:
    """A program's last words in which no known message stands: the client's own failure, for rules to know or not."""
    return Exchange(
        id=1,
        request=_UNKNOWN,
        failure=Failure(phase="client", message=_without_objects(redact.text(text[:LONGEST])).strip()),
    )


def answered(status: Status) -> Exchange:
    """The exchange whose answer was ``status``. A URL in its message is one that the server asked, not the client."""
    if _OF_A_SECRET.search(f"{status.details.kind} {status.message}"):
        status = _without_values(status)
    body = json.dumps(status_decoder.document(status), ensure_ascii=False).encode("utf-8", "replace")
    response = Response(status=status.code or 500, body=body, body_bytes=len(body))
    return Exchange(id=1, request=_UNKNOWN, response=response)


def _without_values(status: Status) -> Status:
    """What refuses a Secret may quote what stands in it."""
    causes = tuple(
        replace(cause, message=redact.without_quoted_values(cause.message)) for cause in status.details.causes
    )
    message = redact.without_quoted_values(status.message)
    return replace(status, message=message, details=replace(status.details, causes=causes))


def _without_objects(text: str) -> str:
    """``text`` without the objects that programs print beside a message: nobody knows what stands in them."""
    return _YAML_DATA.sub(r"\1 ...", _OBJECT.sub("{...}", text)) if "{" in text or "ata:" in text else text


_UNKNOWN = Request(method="", path="")


def _page(text: str) -> Exchange | None:
    """An answer that was no Status: a page for a browser, or the few words of a load balancer."""
    quoted = server_words.body_on_the_server(text)
    if quoted is not None and client_words.phase_of(quoted) == "response":
        # What client-go could not read, it reports as if the server had said so.
        return Exchange(id=1, request=_UNKNOWN, failure=Failure(phase="response", message=quoted))
    body = quoted if quoted is not None else text
    if _FILTER.search(body):
        return Exchange(id=1, request=_UNKNOWN, response=_plain(403, "<h3>Unauthorized</h3>"))
    if not _PAGE.search(body):
        if _PAGE_INSTEAD.search(body):
            return Exchange(id=1, request=_UNKNOWN, response=_html(200, "<"))
        if quoted is None:
            return None
        code = _code(body) or _PLAIN_CODES.get(body.strip().lower(), 500)
        return Exchange(id=1, request=_UNKNOWN, response=_plain(code, body))
    start = _PAGE.search(body)
    assert start is not None
    if quoted is None and not _code(text) and not _PAGE_INSTEAD.search(text):
        return None  # a page, but nothing says that it was an answer
    code = _code(body) or _code(text) or (200 if _PAGE_INSTEAD.search(text) else 500)
    return Exchange(id=1, request=_UNKNOWN, response=_html(code, body[start.start() :]))


def _html(code: int, body: str) -> Response:
    content = body.encode("utf-8", "replace")
    headers = Headers([("Content-Type", "text/html")])
    return Response(status=code, headers=headers, body=content, body_bytes=len(content))


def _code(text: str) -> int:
    found = _PAGE_CODE.search(text) or _HTTP_CODE.search(text)
    return int(found["code"]) if found else 0


def _plain(code: int, text: str) -> Response:
    content = text.encode("utf-8", "replace")
    return Response(status=code, body=content, body_bytes=len(content))


def _requested(method: str, url: str) -> Request:
    """The request to ``url``; unknown where that is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
    except ValueError:
        return _UNKNOWN
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Request(method=method, scheme=parts.scheme, host=parts.hostname or "", port=port, path=path)
