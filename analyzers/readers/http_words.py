"""Answers of which a client told the code and no more: ``403 Client Error: Forbidden for url: …``.

Clients of other languages, and libraries under them, often drop the message. The code still tells the category, if it
is the Kubernetes API that answered: the URL has its paths, or the client is one for Kubernetes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from analyzers.decode.status import Status
from analyzers.readers.server_words import REASONS

_PHRASES = {
    "Bad Request": 400, "Unauthorized": 401, "Forbidden": 403, "Not Found": 404, "Method Not Allowed": 405,
    "Conflict": 409, "Gone": 410, "Request Entity Too Large": 413, "Payload Too Large": 413, "Content Too Large": 413,
    "Unsupported Media Type": 415, "Unprocessable Entity": 422, "Unprocessable Content": 422,
    "Too Many Requests": 429, "Internal Server Error": 500, "Service Unavailable": 503, "Gateway Time-?out": 504,
}  # fmt: skip
_PHRASE = "|".join(phrase.replace(" ", " ?") for phrase in _PHRASES)
_CODED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?P<code>[45]\d\d) (?:Client|Server) Error: (?:{_PHRASE})",  # Python requests
        r"ClientResponseError: (?P<code>[45]\d\d)\b",  # aiohttp
        r"ApiException(?:: |\()\(?(?P<code>[45]\d\d)\b",  # kubernetes for Python
        r"HTTP response code: (?P<code>[45]\d\d)\b|[Rr]esponse code:? (?P<code2>[45]\d\d)\b",
        r"(?:statusCode|status_code|httpStatus)['\"]?\s*[:=]\s*(?P<code>[45]\d\d)\b",
        r"(?:unexpected|invalid) (?:response )?(?:HTTP )?status(?: code)?:? (?P<code>[45]\d\d)\b",
        r"\"(?:error|status|code)\"\s*:\s*(?P<code>[45]\d\d)\b",  # Ansible
        r"Received status: Status\([^)]*\bcode=(?P<code>[45]\d\d)\b",  # fabric8
        r"HTTP Error (?P<code>[45]\d\d): [A-Z]",
        r"HTTPError(?:\(| )['\"]?(?P<code>[45]\d\d)\b",
    )
)
_PHRASED = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:ApiException|KubernetesClientException|HttpOperationException|HttpError)\b.{0,80}?"
        rf"\b(?P<phrase>{_PHRASE})\b",
        rf"Failure executing: [A-Z]+ at: \S+ Message: (?P<phrase>{_PHRASE})\b",  # fabric8
        rf"invalid status code '(?P<phrase>{_PHRASE})'",  # .NET
    )
)
_KUBERNETES = re.compile(
    r"https?://[^\s'\"]*/(?:api|apis|oapi|version|readyz|livez|healthz|openapi)(?:[/?'\"\s),.]|$)|kubernetes|k8s|kube[-_.]"
    r"|kopf|pykube|fabric8|lightkube|openshift|FAILED! =>|Operation returned an invalid status"
    r"|\b(?:LIST|GET|POST|PUT|PATCH|DELETE) /apis?/",
    re.IGNORECASE,
)


# A 403 of admission whose words were cut off is no refusal of the authorizer.
_ADMISSION = re.compile(r"admission webhook|admission plugin|quota|PodSecurity|policy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Told:
    code: int
    phrase: str


def recognise(text: str) -> Status | None:
    """The answer as a Status that says no more than its code; None where no code was told, or not one of Kubernetes."""
    told = _told(text)
    if told is None or not _KUBERNETES.search(text) or _ADMISSION.search(text):
        return None
    reason = next((reason for reason, code in REASONS.items() if code == told.code), "")
    return Status(status="Failure", message=told.phrase, reason=reason, code=told.code)


def _told(text: str) -> _Told | None:
    for pattern in _CODED:
        if found := pattern.search(text):
            code = int(next(value for value in found.groups() if value))
            return _Told(code, next((phrase for phrase, known in _PHRASES.items() if known == code), str(code)))
    for pattern in _PHRASED:
        if found := pattern.search(text):
            phrase = found["phrase"]
            return _Told(
                next(code for known, code in _PHRASES.items() if re.fullmatch(known.replace(" ", " ?"), phrase)), phrase
            )
    return None
