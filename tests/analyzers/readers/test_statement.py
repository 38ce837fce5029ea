"""One printed message as the exchange behind it."""

from __future__ import annotations

import json

import pytest

from analyzers.classify import classify
from analyzers.facts import Facts
from analyzers.readers import statement

UNAUTHORIZED = {"kind": "Status", "status": "Failure", "message": "Unauthorized", "code": 401}
FORBIDDEN = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod"'


def code(text: str) -> int:
    exchange = statement.read(text)
    assert exchange is not None
    assert exchange.response is not None
    return exchange.response.status


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Error from server (Forbidden): {FORBIDDEN}", 403),
        (f"Error: INSTALLATION FAILED: {FORBIDDEN}", 403),
        ("error: You must be logged in to the server (Unauthorized)", 401),
        ("Error: Unauthorized", 401),
        ("Error from server: etcdserver: request timed out", 500),
        ("Error from server (NotFound): deployments.apps \"web\" not found", 404),
        ("error: the server is currently unable to handle the request", 503),
        ('Operation cannot be fulfilled on pods "web": the object has been modified; please apply your changes', 409),
        ('The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0', 422),
        ('kubernetes.client.exceptions.ApiException: (409)\nReason: Conflict\nHTTP response body: {"kind":"Status",'
         '"apiVersion":"v1","metadata":{},"status":"Failure","message":"pods \\"web\\" already exists",'
         '"reason":"AlreadyExists","details":{"name":"web","kind":"pods"},"code":409}', 409),
        ('kind: Status\nstatus: Failure\nmessage: "pods \\"web\\" not found"\nreason: NotFound\ncode: 404', 404),
    ],
)  # fmt: skip
def test_message_of_the_server_has_its_code(text: str, expected: int) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "phase", "host"),
    [
        ('Get "https://10.0.0.1:6443/api?timeout=32s": dial tcp 10.0.0.1:6443: i/o timeout', "dial", "10.0.0.1"),
        ("Unable to connect to the server: dial tcp: lookup api.example.com: no such host", "dns", ""),
        ("Unable to connect to the server: x509: certificate signed by unknown authority", "tls", ""),
        ("Get https://10.0.0.1/api: net/http: TLS handshake timeout", "tls", "10.0.0.1"),
        ("Unable to connect to the server: EOF", "request", ""),
        ("Unable to connect to the server: getting credentials: exec: executable aws not found", "client", ""),
        ("Unable to connect to the server: Proxy Authentication Required", "proxy", ""),
    ],
)
def test_message_of_the_client_has_the_phase_it_got_to(text: str, phase: str, host: str) -> None:
    exchange = statement.read(text)
    assert exchange is not None
    assert exchange.failure is not None
    assert exchange.failure.phase == phase
    assert exchange.request.host == host


@pytest.mark.parametrize(
    "text",
    [
        "pod/web created",
        "NAME   READY   STATUS    RESTARTS   AGE\nweb    1/1     Running   0          2d",
        "Warning: policy/v1beta1 PodDisruptionBudget is deprecated in v1.21+, unavailable in v1.25+",
        'Readiness probe failed: Get "http://10.1.2.3:8080/": dial tcp 10.1.2.3:8080: connect: connection refused',
        'Failed to pull image "web": rpc error: code = Unknown desc = dial tcp: lookup registry: no such host',
        "<html><title>hello</title></html>",
        "",
    ],
)
def test_text_without_a_failure_of_the_api_is_none(text: str) -> None:
    assert statement.read(text) is None


def test_message_says_nothing_of_the_request_and_nothing_is_made_up() -> None:
    exchange = statement.read(f"Error from server (Forbidden): {FORBIDDEN}")
    assert exchange is not None
    assert not exchange.request.known
    assert Facts.of(exchange).request_info is None


def test_request_is_known_where_the_message_has_its_url() -> None:
    exchange = statement.read('Post "https://h:6443/api/v1/namespaces/dev/pods": unexpected EOF')
    assert exchange is not None
    assert exchange.request.url == "https://h:6443/api/v1/namespaces/dev/pods"
    assert exchange.request.method == "POST"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # requests, under pykube and others; aiohttp, under kopf
        (
            "requests.exceptions.HTTPError: 401 Client Error: Unauthorized for url: https://10.96.0.1:443/api/v1/pods",
            401,
        ),
        (
            "ClientResponseError: 403, message='Forbidden', url=URL('https://10.0.0.1:443/apis/apps/v1/deployments')",
            403,
        ),
        # the Kubernetes clients for Python, Java and .NET
        ("kubernetes.client.exceptions.ApiException: (401)\nReason: Unauthorized\n", 401),
        ("io.kubernetes.client.openapi.ApiException: Forbidden", 403),
        ("k8s.Autorest.HttpOperationException: Operation returned an invalid status code 'NotFound'", 404),
        # fabric8, which adds a guess of its own
        (
            "Failure executing: POST at: https://kubernetes.default.svc/api/v1/namespaces/ci/pods. Message: Forbidden!"
            "Configured service account doesn't have access. Service account may have been revoked.",
            403,
        ),
    ],
)
def test_code_that_another_client_told_is_the_answer(text: str, expected: int) -> None:
    assert code(text) == expected


def test_code_of_a_server_that_is_no_kubernetes_is_none() -> None:
    assert statement.read("HTTPError: 403 Client Error: Forbidden for url: https://files.example.com/a.zip") is None


def test_refusal_of_admission_that_was_cut_off_is_not_taken_for_the_authorizers() -> None:
    exchange = statement.read(
        "Failure executing: POST at: https://kubernetes.default/api/v1/namespaces/ci/pods. Message: Forbidden!"
        "Configured service account doesn't have access. Service account may have been revoked. admission webhook \"q."
    )
    assert exchange is not None
    assert [finding.category.value for finding in classify(exchange)] == ["request"]


@pytest.mark.parametrize(
    "text",
    [
        # as Python prints a dictionary
        "('Unauthorized', {'kind': 'Status', 'apiVersion': 'v1', 'metadata': {}, 'status': 'Failure', "
        "'message': 'Unauthorized', 'reason': 'Unauthorized', 'code': 401})",
        # keys in the order of the alphabet
        '{\n "code": 401,\n "kind": "Status",\n "message": "Unauthorized",\n "status": "Failure"\n}',
        # quoted by a logger, and that by another
        json.dumps({"msg": f"failed: b'{json.dumps(UNAUTHORIZED)}'"}),
        # without its end
        '{\n  "kind": "Status",\n  "status": "Failure",\n  "message": "Unauthorized",\n  "reason": "Unauthorized",',
    ],
)
def test_status_is_found_however_it_was_printed(text: str) -> None:
    assert code(text) == 401


def test_page_that_the_client_took_for_a_message_is_a_page() -> None:
    exchange = statement.read(
        "Error from server (Forbidden): <html><head><meta http-equiv='refresh' content='1;url=/login'/></head></html>"
    )
    assert exchange is not None
    assert exchange.response is not None
    assert exchange.response.headers.get("Content-Type") == "text/html"


def test_url_that_the_server_asked_is_not_taken_for_the_clients_request() -> None:
    exchange = statement.read(
        'Internal error occurred: failed calling webhook "a.b.c": failed to call webhook: Post '
        '"https://hook.ns.svc:443/validate?timeout=10s": context deadline exceeded'
    )
    assert exchange is not None
    assert not exchange.request.known


def test_patch_that_kubectl_prints_before_the_message_does_not_stay() -> None:
    exchange = statement.read(
        'Error from server (Conflict): error when applying patch:\n{"data":{"password":"aHVudGVyMg=="}}\nto:\n'
        'Resource: "/v1, Resource=secrets", GroupVersionKind: "/v1, Kind=Secret"\nName: "db", Namespace: "prod"\n'
        'for: "db.yaml": error when patching "db.yaml": Operation cannot be fulfilled on secrets "db": the object has '
        "been modified; please apply your changes to the latest version and try again"
    )
    assert exchange is not None
    assert exchange.response is not None
    assert exchange.response.body is not None
    assert b"aHVudGVyMg" not in exchange.response.body
    assert exchange.response.status == 409


def test_conflicts_of_server_side_apply_are_causes_again() -> None:
    exchange = statement.read(
        'error: Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1:\n'
        '- .spec.replicas\n- .spec.template.spec.containers[name="web"].image\nPlease review the fields above'
    )
    assert exchange is not None
    status = Facts.of(exchange).status
    assert status is not None
    assert [cause.field for cause in status.causes] == [
        ".spec.replicas", '.spec.template.spec.containers[name="web"].image',
    ]  # fmt: skip


def test_invalid_object_has_a_cause_for_each_line() -> None:
    exchange = statement.read(
        'The Service "web" is invalid:\n* spec.ports[0].port: Invalid value: 0: must be between 1 and 65535\n'
        '* spec.type: Unsupported value: "X"'
    )
    assert exchange is not None
    status = Facts.of(exchange).status
    assert status is not None
    assert [(cause.field, cause.reason) for cause in status.causes] == [
        ("spec.ports[0].port", "FieldValueInvalid"),
        ("spec.type", "FieldValueNotSupported"),
    ]


def test_quotation_marks_of_a_chat_are_read() -> None:
    assert (
        code("pods is forbidden: User “jane” cannot list resource “pods” in API group “” at the cluster scope") == 403
    )


def test_message_that_a_terminal_wrapped_is_read() -> None:
    assert code(f"Error from server (Forbidden): {FORBIDDEN.replace(' cannot', chr(10) + 'cannot')}") == 403
