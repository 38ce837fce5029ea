"""Objects, descriptions and code hold the words of failures, and say of none."""

from __future__ import annotations

import inspect
import ssl

import pytest

from analyzers.readers import client_words, not_said
from tests.analyzers.readers.conftest import Explain

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: forbidden-timeout-x509
  labels:
    error: not-found
  annotations:
    alert: "x509: certificate has expired"
status:
  containerStatuses:
  - lastState:
      terminated:
        message: "dial tcp 10.0.0.3:5432: connect: connection refused"
"""
DESCRIPTION = """\
Name:             web-5d4f8
Namespace:        prod
Status:           Running
    Last State:     Terminated
      Message:      dial tcp 10.2.3.4:5432: connect: connection refused
"""
GO = """\
package main

import "fmt"

// get retries when the object has been modified; please apply your changes to the latest version.
func get() error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("pods is forbidden: %w", err)
	}
	return errors.New("Unable to connect to the server: EOF")
}
"""
REFUSED = (
    'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the '
    'namespace "prod"\n'
)


@pytest.mark.parametrize("text", [POD, DESCRIPTION, GO, inspect.getsource(ssl), inspect.getsource(client_words)])
def test_what_is_no_message_yields_no_finding(text: str, explained: Explain) -> None:
    (item,) = explained(text)
    assert (item.findings, item.notes) == ((), ("no failure was found in it",))


@pytest.mark.parametrize(
    "text",
    [
        "This operator handles TLS handshake timeouts and EOF, and knows every auth provider and exec plugin.\n",
        "- Uses name resolution through CoreDNS, and HTTP/2 with GOAWAY support\n",
        "NOTES:\nThe default admin is forbidden to log in without TLS.\n",
        "bash: line 3: unexpected EOF while looking for matching `\"'\n",
    ],
)
def test_prose_that_names_things_yields_no_finding(text: str, explained: Explain) -> None:
    assert [item.findings for item in explained(text)] == [()]


def test_failure_below_an_object_stands_in_its_line(explained: Explain) -> None:
    (item,) = explained(POD + REFUSED)
    assert (item.findings[0].rule, item.line) == ("rbac-denied", POD.count("\n") + 1)


def test_failure_below_a_description_is_found(explained: Explain) -> None:
    (item,) = explained(DESCRIPTION + "$ kubectl get pods\n" + REFUSED)
    assert item.findings[0].rule == "rbac-denied"


def test_events_of_a_description_are_read(explained: Explain) -> None:
    (item,) = explained(
        DESCRIPTION + "Events:\n  Type     Reason        Age   From                   Message\n"
        '  Warning  FailedCreate  10s   replicaset-controller  Error creating: pods "web-1" is forbidden: exceeded '
        "quota: compute, requested: cpu=2, used: cpu=3, limited: cpu=4\n"
    )
    assert item.findings[0].rule == "request-quota"


def test_status_in_yaml_is_read(explained: Explain) -> None:
    (item,) = explained(
        "apiVersion: v1\ncode: 404\ndetails:\n  kind: pods\n  name: web\nkind: Status\n"
        'message: pods "web" not found\nmetadata: {}\nreason: NotFound\nstatus: Failure\n'
    )
    assert item.findings[0].rule == "request-not-found"


def test_end_of_a_here_document_is_no_lost_connection(explained: Explain) -> None:
    scroll = "$ kubectl apply -f - <<EOF\napiVersion: v1\nkind: ConfigMap\nEOF\nconfigmap/error created\n"
    assert [item.findings for item in explained(scroll)] == [()]


def test_traceback_is_no_source_code() -> None:
    traceback = "Traceback (most recent call last):\n" + "".join(
        f'  File "/app/{name}.py", line 7, in {name}\n    return self.{name}()\n' for name in ("a", "b", "c", "d", "e")
    )
    assert not not_said.is_source_code(traceback)


def test_exception_of_the_python_client_is_one_message(explained: Explain) -> None:
    (item,) = explained(
        "kubernetes.client.exceptions.ApiException: (403)\nReason: Forbidden\n"
        "HTTP response headers: HTTPHeaderDict({'Content-Type': 'application/json'})\n"
        'HTTP response body: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods is '
        'forbidden: User \\"jane\\" cannot list resource \\"pods\\" in API group \\"\\" in the namespace \\"prod\\"",'
        '"reason":"Forbidden","details":{"kind":"pods"},"code":403}\n'
    )
    assert [finding.rule for finding in item.findings] == ["rbac-denied"]
