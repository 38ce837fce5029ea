"""Archives of other tools, in the form that each of them writes, and what of a browser's traffic is none of ours.

Where the forms stand: Chrome, front_end/models/har/Log.ts; Playwright, server/har/harTracer.ts; HTTP Toolkit,
src/model/http/har.ts; mitmproxy, addons/savehar.py; Safari, Controllers/HARBuilder.js; Firefox, netmonitor's
har-builder.js; Charles and Fiddler by what they export.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from typing import Any

import pytest

from analyzers.exchange import Exchange
from analyzers.explain import Item, explain
from analyzers.readers import har as reader
from analyzers.readers.passage import Passage
from analyzers.readers.source import Source

SERVER = "https://10.0.0.1:6443"
FORBIDDEN = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "message": 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod"',
    "reason": "Forbidden",
    "details": {"kind": "pods"},
    "code": 403,
}
NO_ANSWER = {
    "status": 0, "statusText": "", "httpVersion": "", "headers": [], "cookies": [], "redirectURL": "",
    "content": {"size": 0, "mimeType": "x-unknown"}, "headersSize": -1, "bodySize": -1, "_transferSize": 0,
}  # fmt: skip


def entry(path: str = "/api/v1/namespaces/prod/pods", *, method: str = "GET", **changes: Any) -> dict[str, Any]:
    """An entry as Chrome writes it."""
    return {
        "startedDateTime": "2026-11-22T17:11:27.454Z",
        "time": 100,
        "request": {
            "method": method,
            "url": path if "://" in path else SERVER + path,
            "httpVersion": "http/2.0",
            "headers": [
                {"name": ":authority", "value": "10.0.0.1:6443"},
                {"name": ":method", "value": method},
                {"name": "accept", "value": "application/json"},
            ],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": 0,
        },
        "response": answer(403, FORBIDDEN),
        "cache": {},
        "timings": {"blocked": 2, "dns": 10, "ssl": 20, "connect": 30, "send": 0.5, "wait": 60, "receive": 5},
        "serverIPAddress": "10.0.0.1",
        "connection": "17",
    } | changes


def answer(status: int, body: Any, content_type: str = "application/json", **changes: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {
        "status": status,
        "statusText": "",
        "httpVersion": "http/2.0",
        "headers": [{"name": ":status", "value": str(status)}, {"name": "content-type", "value": content_type}],
        "cookies": [],
        "content": {"size": len(text), "mimeType": content_type, "text": text},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": len(text),
    } | changes


def failed(said: str | None, **changes: Any) -> dict[str, Any]:
    return entry(response=NO_ANSWER | {"_error": said}, **changes)


def archive(*entries: Any, creator: str = "WebInspector") -> str:
    return json.dumps({"log": {"version": "1.2", "creator": {"name": creator}, "pages": [], "entries": entries}})


def passages(*entries: Any) -> list[Passage]:
    return list(reader.read(Source(io.BytesIO(archive(*entries).encode("utf-8", "replace")))))


def exchange(found: dict[str, Any]) -> Exchange:
    (passage,) = passages(found)
    (one,) = passage.exchanges
    return one


def explained(*entries: Any) -> list[Item]:
    return list(explain(passages(*entries)))


def rule(found: dict[str, Any]) -> str:
    (item,) = explained(found)
    return item.findings[0].rule if item.findings else " ".join(item.notes)


# Requests and answers


def test_entry_becomes_an_exchange() -> None:
    found = exchange(entry("/api/v1/namespaces/prod/pods?limit=500#fragment"))
    request, response = found.request, found.response
    assert (request.method, request.scheme, request.host, request.port) == ("GET", "https", "10.0.0.1", 6443)
    assert request.path == "/api/v1/namespaces/prod/pods?limit=500"
    assert list(request.headers) == [("accept", "application/json")]
    assert response is not None
    assert response.status == 403
    assert list(response.headers) == [("content-type", "application/json")]
    assert json.loads(response.body or b"") == FORBIDDEN
    assert found.connection is not None
    assert (found.connection.id, found.connection.peer) == ("17", "10.0.0.1")


def test_refusal_is_found_in_an_archive_of_a_browser() -> None:
    (item,) = explained(entry())
    assert [finding.rule for finding in item.findings] == ["rbac-denied"]
    assert (item.kind, item.line) == ("har", 1)


def test_times_are_seconds_and_the_handshake_is_no_part_of_the_connecting() -> None:
    timing = exchange(entry()).timing
    assert timing.connect == pytest.approx(0.020)  # the name lookup and TCP
    assert timing.tls == pytest.approx(0.020)
    assert (timing.send, timing.wait, timing.receive) == (0.0005, 0.060, 0.005)
    assert timing.started == pytest.approx(1795367487.454)


def test_time_that_did_not_happen_is_none() -> None:
    timings = {"blocked": -1, "dns": -1, "ssl": -1, "connect": -1, "send": 0, "wait": 1, "receive": -1}
    timing = exchange(entry(timings=timings)).timing
    assert (timing.connect, timing.tls, timing.send, timing.receive) == (None, None, 0.0, None)


def test_port_is_that_of_the_scheme_where_none_is_given() -> None:
    for url, scheme, host, port in [
        ("https://h/api/v1/pods", "https", "h", 443),
        ("http://h/api/v1/pods", "http", "h", 80),
        ("wss://h/api/v1/namespaces/a/pods/b/exec", "https", "h", 443),
        ("https://[::1]:6443/api/v1/pods", "https", "::1", 6443),
        ("https://[::1]/api/v1/pods", "https", "::1", 443),
    ]:
        request = exchange(entry(url)).request
        assert (request.scheme, request.host, request.port) == (scheme, host, port)


def test_credential_is_decoded_and_taken_off() -> None:
    claims = base64.urlsafe_b64encode(b'{"sub": "system:serviceaccount:ci:deployer"}').decode().rstrip("=")
    token = f"eyJhbGciOiJSUzI1NiJ9.{claims}.c2lnbmF0dXJl"
    sent = entry()
    sent["request"]["headers"] += [
        {"name": "authorization", "value": f"Bearer {token}"},
        {"name": "Cookie", "value": "session=canary"},
    ]
    found = exchange(sent)
    assert found.credential is not None
    assert found.credential.subject == "system:serviceaccount:ci:deployer"
    assert not {"authorization", "Cookie"} & {name for name, _ in found.request.headers}


def test_credential_that_the_tool_masked_is_still_known_to_have_been_sent() -> None:
    sent = entry()
    sent["request"]["headers"].append({"name": "Authorization", "value": "Bearer [redacted]"})
    found = exchange(sent).credential
    assert found is not None
    assert found.scheme == "Bearer"


def test_what_was_sent_is_read_from_text_from_params_and_from_json_taken_for_a_form() -> None:
    sent = '{"kind":"Pod"}'
    for data, expected in [
        ({"mimeType": "application/json", "text": sent}, sent),
        ({"mimeType": "x", "params": [{"name": "a", "value": "1 2"}, {"name": "b", "value": ""}]}, "a=1+2&b="),
        ({"mimeType": "x", "params": [{"name": sent, "value": ""}]}, sent),  # Charles
        ({"mimeType": "x", "text": ""}, None),
    ]:
        posted = entry(method="POST")
        posted["request"]["postData"] = data
        assert exchange(posted).request.body == (expected.encode() if expected else None)


def test_body_in_base64_is_undone() -> None:
    content = {"size": 4, "mimeType": "application/octet-stream", "text": "AAECAw==", "encoding": "base64"}
    found = exchange(entry(response=answer(200, "", content=content)))
    assert found.response is not None
    assert found.response.body == b"\x00\x01\x02\x03"


def test_content_encoding_that_a_tool_left_in_place_is_undone() -> None:
    text = base64.b64encode(gzip.compress(json.dumps(FORBIDDEN).encode())).decode()
    headers = [{"name": "Content-Encoding", "value": "gzip"}, {"name": "Content-Type", "value": "application/json"}]
    content = {"size": 400, "text": text, "encoding": "base64"}
    assert rule(entry(response=answer(403, "", headers=headers, content=content))) == "rbac-denied"


def test_body_that_was_not_kept_is_not_taken_for_an_empty_one() -> None:
    found = exchange(entry(response=answer(200, "", content={"size": 5000, "mimeType": "application/json"})))
    assert found.response is not None
    assert (found.response.body, found.response.body_complete) == (None, False)


def test_headers_may_be_an_object_and_values_a_list() -> None:
    sent = entry()
    sent["request"]["headers"] = {"Accept": "application/json", "Impersonate-Group": ["a", "b"], ":path": "/"}
    assert list(exchange(sent).request.headers) == [("Accept", "application/json"), ("Impersonate-Group", "a, b")]


def test_watch_fails_inside_its_200() -> None:
    gone = {"kind": "Status", "status": "Failure", "message": "too old resource version: 1 (5)", "reason": "Expired"}
    gone |= {"code": 410, "apiVersion": "v1"}
    lines = [{"type": "ADDED", "object": {}}, {"type": "ERROR", "object": gone}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    assert rule(entry("/api/v1/pods?watch=1", response=answer(200, text))) == "conflict-expired"


def test_tunnel_is_read_as_mitmproxy_and_mitmkube_write_it() -> None:
    refused = {"status": 407, "statusText": "Proxy Authentication Required", "headers": []}
    found = exchange(
        entry("https://10.0.0.1:6443/", method="CONNECT", response=refused)
        | {"request": {"method": "CONNECT", "url": "https://10.0.0.1:6443/", "headers": [
            {"name": "User-Agent", "value": "kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0"}]}}
    )  # fmt: skip
    assert found.tunnel
    assert found.request.path == "10.0.0.1:6443"


# No answer


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("net::ERR_CERT_AUTHORITY_INVALID", "auth-server-certificate-untrusted"),
        ("net::ERR_CERT_COMMON_NAME_INVALID", "auth-server-certificate-name"),
        ("net::ERR_CERT_DATE_INVALID", "auth-server-certificate-expired"),
        ("net::ERR_BAD_SSL_CLIENT_AUTH_CERT", "auth-client-certificate-alert"),
        ("net::ERR_SSL_PROTOCOL_ERROR", "network-tls-failed"),
        ("net::ERR_NAME_NOT_RESOLVED", "network-dns"),
        ("net::ERR_CONNECTION_REFUSED", "network-refused"),
        ("net::ERR_CONNECTION_TIMED_OUT", "network-dial-timeout"),
        ("net::ERR_TIMED_OUT", "network-dial-timeout"),
        ("net::ERR_ADDRESS_UNREACHABLE", "network-unreachable"),
        ("net::ERR_INTERNET_DISCONNECTED", "network-unreachable"),
        ("net::ERR_CONNECTION_RESET", "network-connection-lost"),
        ("net::ERR_EMPTY_RESPONSE", "network-connection-lost"),
        ("net::ERR_TUNNEL_CONNECTION_FAILED", "network-proxy-refused"),
        ("net::ERR_PROXY_CONNECTION_FAILED", "network-proxy-refused"),
        ("NS_ERROR_UNKNOWN_HOST", "network-dns"),
        ("NS_ERROR_CONNECTION_REFUSED", "network-refused"),
        ("NS_ERROR_NET_TIMEOUT", "network-dial-timeout"),
        ("NS_ERROR_NET_RESET", "network-connection-lost"),
        ("NS_ERROR_PROXY_CONNECTION_REFUSED", "network-proxy-refused"),
        ("SEC_ERROR_UNKNOWN_ISSUER", "auth-server-certificate-untrusted"),
        ("MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT", "auth-server-certificate-untrusted"),
        ("SSL_ERROR_BAD_CERT_DOMAIN", "auth-server-certificate-name"),
        ("SEC_ERROR_EXPIRED_CERTIFICATE", "auth-server-certificate-expired"),
        ("SSL_ERROR_RX_RECORD_TOO_LONG", "network-not-tls"),
        ("Could not connect to the server.", "network-refused"),
        ("[Errno 111] Connect call failed ('10.0.0.1', 6443)", "network-refused"),
        ("[Errno -2] Name or service not known", "network-dns"),
        (
            "Certificate verify failed: self-signed certificate in certificate chain",
            "auth-server-certificate-untrusted",
        ),
        ("Certificate verify failed: unable to get local issuer certificate", "auth-server-certificate-untrusted"),
        ("Certificate verify failed: certificate has expired", "auth-server-certificate-expired"),
        ("Certificate verify failed: IP address mismatch", "auth-server-certificate-name"),
        ("The remote server does not speak TLS.", "network-not-tls"),
        ("tlsv1 alert unknown ca", "auth-client-certificate-alert"),
        ("server closed connection", "network-connection-lost"),
        ("Upstream proxy 127.0.0.1:3128 refused HTTP CONNECT request: 403 Forbidden", "network-proxy-refused"),
        ("connect ECONNREFUSED 10.0.0.1:6443", "network-refused"),
    ],
)
def test_error_of_a_browser_or_a_proxy_is_found_as_if_client_go_had_met_it(said: str, expected: str) -> None:
    assert rule(failed(said)) == expected


@pytest.mark.parametrize("key", ["_error", "_failureText", "_errorMessage"])
@pytest.mark.parametrize("status", [0, -1, None, "0"])
def test_error_is_found_wherever_a_tool_puts_it(key: str, status: Any) -> None:
    response = NO_ANSWER | {"status": status, key: "net::ERR_CONNECTION_REFUSED"}
    assert rule(entry(response=response)) == "network-refused"


def test_page_of_fiddler_is_no_answer_of_the_server() -> None:
    page = '[Fiddler] DNS Lookup for "api.example" failed. System.Net.Sockets.SocketException No such host is known'
    found = exchange(entry(response=answer(502, page, "text/html")))
    assert found.response is None
    assert found.failure is not None
    assert found.failure.phase == "dns"


@pytest.mark.parametrize("said", ["net::ERR_ABORTED", "NS_BINDING_ABORTED", "Client disconnected.", None, ""])
def test_client_that_gave_up_is_no_failure(said: str | None) -> None:
    assert exchange(failed(said)).failure is None


def test_answer_that_broke_off_keeps_what_came() -> None:
    found = exchange(entry(response=answer(200, "[", _error="net::ERR_INCOMPLETE_CHUNKED_ENCODING")))
    assert found.response is not None
    assert found.response.status == 200
    assert found.failure is not None
    assert found.failure.phase == "response"


def test_words_that_no_table_has_are_kept_as_they_are() -> None:
    found = exchange(failed("net::ERR_{host}_NEVER_HEARD_OF")).failure
    assert found is not None
    assert (found.phase, found.message) == ("request", "net::ERR_{host}_NEVER_HEARD_OF")


# A browser's other traffic


def test_requests_to_other_hosts_are_passed_over_and_counted() -> None:
    other = entry("https://shop.example/api/v1/users", response=answer(404, {"error": "not found"}))
    items = explained(other, entry(), other)
    assert [[finding.rule for finding in item.findings] for item in items] == [["rbac-denied"], []]
    assert items[1].notes == ("2 requests were passed over: nothing shows that a Kubernetes API was asked",)


def test_failure_before_the_host_is_known_is_held_back_until_it_is() -> None:
    login = entry("/login", response=answer(500, "oops", "text/plain"))
    found = [one.id for passage in passages(login, entry()) for one in passage.exchanges]
    assert sorted(found) == [1, 2]


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/k8s/clusters/c-m-1/api/v1/namespaces", "/k8s/clusters/c-m-1"),  # Rancher
        ("/api/kubernetes/apis/apps/v1/deployments", "/api/kubernetes"),  # OpenShift's console
        ("/clusters/kind/api/v1/nodes?limit=1", "/clusters/kind"),  # Headlamp
        ("/apis/apps/v1/namespaces/a/deployments", ""),
        ("/api/v1/namespaces/a/services/b/proxy/healthz", ""),
    ],
)
def test_path_of_the_api_is_told_from_what_a_console_puts_before_it(path: str, prefix: str) -> None:
    found = exchange(entry(path))
    assert found.path_prefix == prefix
    assert found.api_path == path.removeprefix(prefix)


@pytest.mark.parametrize("path", ["/", "/api/v1/users", "/apis/", "/v1/pods", "/api/v1/events", "/static/livez.js"])
def test_path_that_may_be_anybodys_is_no_kubernetes_api(path: str) -> None:
    (passage,) = passages(entry(path, response=answer(401, {"error": "who are you"})))
    assert passage.exchanges == ()
    assert "1 request was passed over" in passage.notes[0]


@pytest.mark.parametrize(
    "shows",
    [
        {"request": {"method": "GET", "url": SERVER, "headers": {"User-Agent": "kubectl/v1.27.3 (linux/amd64)"}}},
        {"request": {"method": "GET", "url": SERVER, "headers": {"user-agent": "manager/v0 kubernetes/$Format"}}},
        {"request": {"method": "GET", "url": SERVER, "headers": {"Kubectl-Session": "1"}}},
        {"response": answer(403, FORBIDDEN)},
        {"response": answer(404, "", headers={"audit-id": "1"})},
    ],
)  # fmt: skip
def test_client_or_answer_shows_that_it_is_a_kubernetes_api(shows: dict[str, Any]) -> None:
    (passage,) = passages(entry("/x") | shows)
    assert len(passage.exchanges) == 1
