"""Text of several lines: which of them belong together, and what each tells."""

from __future__ import annotations

import random

import pytest

from analyzers.explain import NOTHING_FOUND

from .conftest import Explain

FORBIDDEN = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod"'
NOT_FOUND = 'pods "web" not found'


def found(items: object) -> list[tuple[int | None, list[str]]]:
    assert isinstance(items, list)
    return [(item.line, [finding.rule for finding in item.findings]) for item in items]


def test_each_command_of_a_scroll_is_an_item_of_its_own(explained: Explain) -> None:
    items = explained(
        "me@laptop:~$ kubectl get pods -n prod\n"
        f"Error from server (Forbidden): {FORBIDDEN}\n"
        "me@laptop:~$ kubectl get ns\n"
        "NAME      STATUS   AGE\ndefault   Active   3d\n"
        "me@laptop:~$ kubectl get pod web\n"
        f"Error from server (NotFound): {NOT_FOUND}\n"
    )
    assert found(items) == [(2, ["rbac-denied"]), (7, ["request-not-found"])]
    assert items[0].story.info.argv == ("kubectl", "get", "pods", "-n", "prod")


def test_clients_own_log_belongs_to_the_outcome_below(explained: Explain) -> None:
    refused = 'Get "https://127.0.0.1:1/api?timeout=32s": dial tcp 127.0.0.1:1: connect: connection refused'
    line = f"E1122 10:00:00.000001       9 memcache.go:265] couldn't get current server API group list: {refused}\n"
    items = explained(
        line * 5 + "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?\n"
    )
    assert len(items) == 1
    assert {finding.rule for finding in items[0].findings} == {"network-refused"}


def test_same_message_of_a_log_is_counted(explained: Explain) -> None:
    line = f"E1122 10:00:00.000001       1 reflector.go:138] failed to list *v1.Pod: {FORBIDDEN}\n"
    items = explained(line * 7)
    assert found(items) == [(1, ["rbac-denied"])]
    assert items[0].notes == ("found 7 times, the last time in line 7",)


def test_different_messages_of_a_log_are_items(explained: Explain) -> None:
    items = explained(
        f"E1122 10:00:00.000001       1 reflector.go:138] failed to list *v1.Pod: {FORBIDDEN}\n"
        "I1122 10:00:01.000001       1 main.go:10] still here\n"
        'E1122 10:00:02.000001       1 main.go:11] Operation cannot be fulfilled on configmaps "a": the object '
        "has been modified; please apply your changes to the latest version and try again\n"
    )
    assert [(item.line, item.kind) for item in items] == [(1, "component-log"), (3, "component-log")]
    assert [item.findings[0].category.value for item in items] == ["rbac", "conflict"]


def test_indented_status_is_read_whole(explained: Explain) -> None:
    items = explained(
        '$ kubectl get --raw /api/v1/nodes\n{\n  "kind": "Status",\n  "metadata": {\n\n  },\n  "status": "Failure",\n'
        '  "message": "nodes is forbidden: User \\"jane\\" cannot list resource \\"nodes\\" in API group \\"\\" at the '
        'cluster scope",\n  "reason": "Forbidden",\n  "details": {"kind": "nodes"},\n  "code": 403\n}\n'
    )
    assert found(items) == [(2, ["rbac-denied"])]


def test_text_without_a_failure_says_so(explained: Explain) -> None:
    items = explained("$ kubectl get pods\nNo resources found in default namespace.\n")
    assert [(item.findings, item.notes) for item in items] == [((), (NOTHING_FOUND,))]


def test_failure_that_no_rule_knows_is_said_and_not_guessed(explained: Explain) -> None:
    (item,) = explained("error: the frobnicator is out of cheese\n")
    assert item.findings == ()
    assert item.notes == ("a failure that no rule knows: error: the frobnicator is out of cheese",)


def test_empty_input_says_that_nothing_was_found(explained: Explain) -> None:
    assert [item.notes for item in explained("")] == [(NOTHING_FOUND,)]


def test_text_of_powershell_is_read(explained: Explain) -> None:
    items = explained(f"Error from server (Forbidden): {FORBIDDEN}\r\n".encode("utf-16"))
    assert found(items) == [(1, ["rbac-denied"])]


def test_fenced_and_quoted_text_is_read(explained: Explain) -> None:
    items = explained(f"> ```\n> Error from server (Forbidden): {FORBIDDEN}\n> ```\n")
    assert found(items) == [(2, ["rbac-denied"])]


def test_what_a_plugin_printed_belongs_to_the_failure_of_kubectl(explained: Explain) -> None:
    items = explained(
        "ERROR: This CLI session has expired\n"
        "Unable to connect to the server: getting credentials: exec: executable oci failed with exit code 1\n"
    )
    assert len(items) == 1
    assert items[0].findings[0].category == "auth"


def test_curl_v_is_a_request_with_its_headers(explained: Explain) -> None:
    (item,) = explained(
        "$ curl -vk https://10.0.0.1:6443/api/v1/nodes\n"
        "*   Trying 10.0.0.1:6443...\n"
        "> GET /api/v1/nodes HTTP/2\n> Host: 10.0.0.1:6443\n> User-Agent: curl/8.5.0\n> Accept: */*\n> \n"
        "< HTTP/2 403 \n< audit-id: 5be0c0ea-2cbc-4cf4-8c2b-0a1b6e3a4a52\n< content-type: application/json\n< \n"
        '{\n  "kind": "Status",\n  "status": "Failure",\n  "message": "nodes is forbidden: User \\"system:anonymous\\" '
        'cannot list resource \\"nodes\\" in API group \\"\\" at the cluster scope",\n  "reason": "Forbidden",\n'
        '  "code": 403\n}\n* Connection #0 to host 10.0.0.1 left intact\n'
    )
    assert item.findings[0].rule == "auth-anonymous"
    assert item.story.cause is not None
    assert item.story.cause.exchange.request.url == "https://10.0.0.1:6443/api/v1/nodes"
    assert item.story.cause.facts.audit_id.startswith("5be0c0ea")


def test_curl_i_is_an_answer_without_its_request(explained: Explain) -> None:
    (item,) = explained(
        "$ curl -i https://10.0.0.1:6443/api\nHTTP/1.1 302 Found\nLocation: /login\nContent-Type: text/html\n\n"
        '<a href="/login">Found</a>.\n'
    )
    assert item.kind == "curl"
    assert item.findings[0].category == "network"


def test_access_log_of_the_server_tells_method_path_and_code(explained: Explain) -> None:
    (item,) = explained(
        'I1122 10:00:00.000001       1 httplog.go:134] "HTTP" verb="LIST" URI="/api/v1/pods" latency="1.2ms" '
        'userAgent="kubectl/v1.33.0" audit-ID="abc" srcIP="10.0.0.9:1" resp=429\n'
    )
    assert item.findings[0].category == "health"
    assert item.story.cause is not None
    assert item.story.cause.exchange.request.path == "/api/v1/pods"


def test_what_is_no_text_says_of_no_failure(explained: Explain) -> None:
    garbage = random.Random(1).randbytes(1 << 20).replace(b"\n", b"\nEOF x509: dial tcp \xff\xfe\x00\x01")
    assert [item.findings for item in explained(garbage)] == [()]


def test_line_behind_a_very_long_one_has_its_number(explained: Explain) -> None:
    (item,) = explained(
        "one\n" + "x" * (3 << 20) + "\nthree\n\n" + 'Error from server (NotFound): pods "web" not found\n'
    )
    assert item.line == 5


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("kubectl get pods -l 'a in (b, c)'", ("kubectl", "get", "pods", "-l", "a in (b, c)")),
        ("TOKEN=abc sudo kubectl get pods", ("kubectl", "get", "pods")),
        ("kubectl --token 'a b' get pods", ("kubectl", "--token", "[redacted]", "get", "pods")),
        ("curl -u admin:pw https://h/api", ("curl",)),
    ],
)
def test_command_line_is_kept_as_the_shell_read_it(command: str, argv: tuple[str, ...], explained: Explain) -> None:
    (item,) = explained(f'$ {command}\nError from server (NotFound): pods "web" not found\n')
    assert item.story.info.argv == argv


def test_waits_of_the_client_are_told_from_waits_for_the_server(explained: Explain) -> None:
    waited = 'I1122 10:00:00.000001       1 request.go:752] "Waited before sending request" delay="5s" reason="{}"\n'
    (own,) = explained(waited.format("client-side throttling, not priority and fairness"))
    (servers,) = explained(
        waited.format("retries: 1, retry-after: 5s - retry-reason: due to server-side throttling, FlowSchema UID: 2e0a")
    )
    assert own.findings[0].rule == "request-client-throttled"
    assert servers.findings[0].category == "health"
