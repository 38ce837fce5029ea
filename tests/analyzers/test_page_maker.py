"""Whose page came instead of the API server's answer."""

from __future__ import annotations

import pytest

from analyzers.exchange import Exchange, Headers, Request, Response
from analyzers.facts import Facts
from analyzers.page_maker import maker


def facts(headers: list[tuple[str, str]], body: str = "<html><title>error</title></html>") -> Facts:
    response = Response(
        status=502, headers=Headers([("Content-Type", "text/html"), *headers]), body=body.encode(), body_bytes=len(body)
    )
    return Facts.of(Exchange(id=1, request=Request(method="GET", host="h"), response=response))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("Server", "awselb/2.0")], "an AWS load balancer"),
        ([("Server", "cloudflare")], "Cloudflare"),
        ([("Via", "1.1 proxy01 (squid/5.7)")], "Squid"),
        ([("Server", "istio-envoy")], "Envoy"),
        ([("Server", "nginx/1.25.3")], "nginx"),
        ([], ""),
    ],
)
def test_maker_is_told_by_headers(headers: list[tuple[str, str]], expected: str) -> None:
    assert maker(facts(headers)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<html><head><title>502 Bad Gateway</title></head><body><hr><center>nginx</center></body></html>", "nginx"),
        ("<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n", "HAProxy"),
        ("<html><head><meta http-equiv='refresh' content='1;url=/login?from=%2Fapi'/></head></html>", "Jenkins"),
        ("<html><title>Web filter: Zscaler</title></html>", "Zscaler"),
        ("no healthy upstream", "Envoy"),
    ],
)
def test_maker_is_told_by_the_page(body: str, expected: str) -> None:
    assert maker(facts([], body)) == expected


def test_answer_that_never_came_has_no_maker() -> None:
    assert maker(Facts.of(Exchange(id=1, request=Request(method="GET", host="h")))) == ""
