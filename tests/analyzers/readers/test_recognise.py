"""What kind of file it is, by what stands in it."""

from __future__ import annotations

import pytest

from analyzers.readers.recognise import recognise


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"log": {"version": "1.2", "entries": [', "har"),
        (b'\xef\xbb\xbf{\n  "log" : {\n    "creator": {', "har"),
        (b"2712:7:version;2:21#4:type;4:http;", "flows"),
        (b'{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1"}\n', "audit-log"),
        (b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[]}', "audit-log"),
        (b"> GET https://h/api HTTP/1.1\n< HTTP/1.1 200 OK\n", "recording"),
        (b"# recorded\n@failure dial refused\n", "recording"),
        (b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":403}', "text"),
        (b'{"level":"error","msg":"x"}', "text"),
        (b"Error from server (Forbidden): pods is forbidden", "text"),
        (b"$ kubectl get pods\n", "text"),
        (b"", "text"),
        (b"2026-11-22T10:00:00Z error", "text"),
    ],
)
def test_kind_is_told_by_content(head: bytes, kind: str) -> None:
    assert recognise(head) == kind
