"""A message is the same message at every width of a terminal."""

from __future__ import annotations

import pytest

from analyzers.readers.wrapping import unwrapped
from tests.analyzers.readers.conftest import Explain

# kubectl 1.33 and k8s.io/apiserver, pkg/endpoints/handlers/responsewriters/errors.go; client-go, net and crypto/x509.
MESSAGES = {
    "rbac-denied": 'Error from server (Forbidden): pods is forbidden: User "system:serviceaccount:prod:ci" cannot list '
    'resource "pods" in API group "" in the namespace "prod"',
    "network-refused": "Unable to connect to the server: dial tcp 10.0.0.1:6443: connect: connection refused",
    "network-dns": 'Unable to connect to the server: Get "https://prod.example.com:6443/api?timeout=32s": dial tcp: '
    "lookup prod.example.com on 10.0.0.2:53: no such host",
    "request-quota": 'Error from server (Forbidden): error when creating "x.yaml": pods "web" is forbidden: exceeded '
    "quota: compute, requested: cpu=2, used: cpu=3, limited: cpu=4",
    "conflict-stale": 'Error from server (Conflict): Operation cannot be fulfilled on deployments.apps "web": the '
    "object has been modified; please apply your changes to the latest version and try again",
    "health-webhook": 'Error from server (InternalError): Internal error occurred: failed calling webhook "v.example.'
    'com": failed to call webhook: Post "https://w.prod.svc:443/v?timeout=10s": context deadline exceeded',
}


def broken(message: str, width: int, *, spaces_kept: bool) -> str:
    lines = [message[at : at + width] for at in range(0, len(message), width)]
    return "\n".join(line if spaces_kept else line.rstrip() for line in lines) + "\n"


@pytest.mark.parametrize("spaces_kept", [True, False])
@pytest.mark.parametrize("rule", MESSAGES)
def test_message_is_recognised_at_every_width(rule: str, spaces_kept: bool, explained: Explain) -> None:
    message = MESSAGES[rule]
    for width in range(40, len(message)):
        (item,) = explained(broken(message, width, spaces_kept=spaces_kept))
        assert [finding.rule for finding in item.findings] == [rule], width


def test_two_words_stay_two_words() -> None:
    assert unwrapped("the server has\nasked") == "the server has asked"


def test_list_stays_a_list() -> None:
    text = 'The Pod "web" is invalid:\n* spec.a: Required value\n* spec.b: Required value'
    assert unwrapped(text) == text


def test_name_that_was_broken_is_whole_again() -> None:
    assert unwrapped('User "system:serviceaccount:prod:c\ni" cannot') == 'User "system:serviceaccount:prod:ci" cannot'
