"""Lines in which the API server itself logs a request it answered: its access log, and a refused credential.

k8s.io/apiserver, pkg/server/httplog/httplog.go: ``"HTTP" verb="GET" URI="…" … resp=409`` since 1.21, and before that
``GET /path: (3.1ms) 409 [[user agent] address]``. Its 403s and 404s are left out: without their message nobody could
tell a refusal that matters from a probe.
"""

from __future__ import annotations

import re

from analyzers.exchange import Exchange, Headers, Request, Response

_METHODS = "GET|POST|PUT|PATCH|DELETE|HEAD"
_NEW = re.compile(
    r'"HTTP" verb="(?P<verb>\w+)" URI="(?P<path>/[^"]*)"(?P<fields>(?:(?!"HTTP" verb=).)*?)\bresp=(?P<code>\d{3})\b',
    re.DOTALL,
)
_AUDIT_ID = re.compile(r'audit-ID="(?P<audit>[^"]*)"')
_OLD = re.compile(rf"^(?P<verb>{_METHODS}) (?P<path>/\S*): \([\d.]++\S*s\) (?P<code>\d{{3}})\b")
_AGENT = re.compile(r'userAgent="(?P<agent>[^"]*)"|\[\[(?P<old>[^\[\]]*)\]')
_VERBS = {"LIST": "GET", "WATCH": "GET", "CONNECT": "POST", "APPLY": "PATCH", "DELETECOLLECTION": "DELETE"}
_TOLD = frozenset({401, 409, 410, 413, 429})


def read(said: str) -> Exchange | None:
    """The request and the code it was answered with; None for another line, and for a code that says too little."""
    found = _NEW.search(said) or _OLD.match(said)
    if found is None:
        return None
    code = int(found["code"])
    if code not in _TOLD and code < 500:
        return None
    agent = _AGENT.search(said)
    headers = Headers([("User-Agent", agent["agent"] or agent["old"] or "")] if agent is not None else [])
    audit = _AUDIT_ID.search(found.groupdict().get("fields") or "")
    return Exchange(
        id=1,
        request=Request(method=_VERBS.get(found["verb"], found["verb"]), path=found["path"], headers=headers),
        response=Response(status=code, headers=Headers([("Audit-Id", audit["audit"])] if audit else [])),
    )
