"""What a user pastes of a failure is explained as the failure itself was.

Every recorded hit is printed as kubectl, helm and a client-go program print it, and has to come out in its category.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzers.exchange import Exchange
from analyzers.facts import Facts
from analyzers.readers import wire_text

from .conftest import Explain

RULES = Path(__file__).parents[1] / "rules"
# What the words alone do not tell: the same words are said for another reason, or on another hop.
UNDECIDABLE = {
    # kubectl names the server, localhost:8080; Go's error, which is all that is printed here, has its address only.
    "auth_no_kubeconfig-hit",
    "auth_no_kubeconfig-hit_terraform",
    # The user name that was asked for stands on a line of its own before it.
    "auth_user_name_asked-hit",
    # Whether the certificate of the page's server was trusted.
    "network_foreign_answer-hit_untrusted_502",
    # Whether the request went out before the time was over.
    "network_no_answer-hit",
    # Whether an API server answered, which does so with a Status as a rule.
    "request_refused-hit_client_words",
    # Whether the client had asked for an upgrade.
    "network_upgrade_stripped-hit",
}
OTHER_PROGRAMS = re.compile(r"curl: |\S+\.\S+(?:Error|Exception)\b|Error: |[A-Z]\w+Error: |Unhandled exception|fatal: ")
# Without "Error from server" before them, these words may be anybody's.
ANYBODYS = {
    "request_refused-hit_token_review",
    "health_etcd-hit_rpc",
    "rbac_forbidden-hit_java",
    "rbac_forbidden-hit_kubectl",
}


def printed(exchange: Exchange) -> Iterator[str]:
    """The lines with which clients tell of this answer, or of there being none."""
    facts = Facts.of(exchange)
    failure, status = exchange.failure, facts.status
    if failure is not None and (failure.phase == "client" or OTHER_PROGRAMS.match(failure.message)):
        yield failure.message  # recorded as it was printed
    elif failure is not None and failure.phase != "response":
        yield f"Unable to connect to the server: {failure.message}"
        yield f"Error: Kubernetes cluster unreachable: {failure.message}"
        if exchange.request.host and not exchange.tunnel:
            said = f'failed to list *v1.Pod: Get "{exchange.request.url}": {failure.message}'
            yield f"E1122 10:00:00.000001       1 reflector.go:138] {said}"
            quoted = json.dumps(said)
            yield f'E1122 10:00:00.000001       1 reflector.go:200] "Failed to watch" err={quoted} type="*v1.Pod"'
    elif status is not None:
        reason = f" ({status.reason})" if status.reason else ""
        yield f"Error from server{reason}: {status.message}"
        yield f'Error from server{reason}: error when creating "web.yaml": {status.message}'
        yield f"Error: UPGRADE FAILED: {status.message}"
        yield json.dumps({"level": "error", "ts": 1732269600.5, "msg": "Reconciler error", "error": status.message})
    elif facts.text and exchange.response is not None and exchange.response.status >= 500:
        yield f"error: an error on the server ({json.dumps(facts.text)}) has prevented the request from succeeding"


def cases() -> Iterator[object]:
    for path in sorted(RULES.glob("*/hit*.http")):
        name = f"{path.parent.name}-{path.stem}"
        if name in UNDECIDABLE:
            continue
        lines = [line for exchange in wire_text.read(path.read_text("utf-8")) for line in printed(exchange)]
        if name in ANYBODYS:
            lines = [line for line in lines if line.startswith("Error from server")]
        if lines:
            yield pytest.param(path.parent.name.split("_")[0], lines, id=name)


@pytest.mark.parametrize(("category", "lines"), list(cases()))
def test_pasted_message_has_the_category_of_what_happened(category: str, lines: list[str], explained: Explain) -> None:
    for line in lines:
        items = explained(line)
        found = [finding.category.value for item in items for finding in item.findings]
        assert found[:1] == [category], line
        # Nothing was seen of the request, so no sentence may have a hole where it would stand.
        summary = items[0].findings[0].summary
        assert "  " not in summary
        assert not any(hole in summary for hole in (" :", " at ,", " at .", ":443 ", "GET /", "for ."))
