"""What was perhaps meant, told from the rest of the session."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from analyzers.command import CommandInfo, Story
from analyzers.exchange import Exchange, Failure, Request, Response
from analyzers.finding import Finding
from analyzers.readers import wire_text

TESTS = Path(__file__).parents[1]


def recorded(path: str) -> tuple[Exchange, ...]:
    return wire_text.read((TESTS / f"{path}.http").read_text("utf-8"))


def found(*exchanges: Exchange) -> Finding:
    numbered = [replace(one, id=number) for number, one in enumerate(exchanges, start=1)]
    finding = Story.of(numbered, CommandInfo(exit_status=1)).finding
    assert finding is not None
    return finding


def evidence(finding: Finding) -> str:
    return "\n".join(f"{one.text} ({one.where})" for one in finding.evidence)


def at(authority: tuple[str, int], exchange: Exchange, path: str = "") -> Exchange:
    request = exchange.request
    return replace(exchange, request=replace(request, host=authority[0], port=authority[1], path=path or request.path))


SERVER = ("10.0.0.1", 6443)
DISCOVERY = [at(SERVER, one) for one in recorded("sessions/misspelt_type")]
REFUSED = at(SERVER, recorded("rules/request_no_such_type/hit_group")[0])


def test_name_that_is_not_there_is_compared_with_those_that_a_list_showed() -> None:
    finding = found(*recorded("sessions/misspelt_name"))
    assert finding.rule == "request-not-found"
    assert "described-1" in evidence(finding)
    assert finding.fix[0].commands[0] == "kubectl get pods described-1 -n crowd"


def test_same_name_in_another_namespace_is_found() -> None:
    missing = next(one for one in recorded("sessions/misspelt_name") if one.response and one.response.status == 404)
    listed = {"kind": "PodList", "items": [{"metadata": {"name": "descirbed-1", "namespace": "quiet"}}]}
    everywhere = replace(
        missing,
        request=replace(missing.request, path="/api/v1/pods?limit=500"),
        response=Response(status=200, body=json.dumps(listed).encode()),
    )
    finding = found(everywhere, missing)
    assert "pods descirbed-1 is there in namespace quiet (request 1, response body)" in evidence(finding)
    assert finding.fix[0].commands == ("kubectl get pods descirbed-1 -n quiet",)


def test_names_of_a_table_are_read() -> None:
    missing = next(one for one in recorded("sessions/misspelt_name") if one.response and one.response.status == 404)
    row = {"object": {"kind": "PartialObjectMetadata", "metadata": {"name": "described-9", "namespace": "crowd"}}}
    table = replace(
        missing,
        request=replace(missing.request, path="/api/v1/namespaces/crowd/pods?limit=500"),
        response=Response(status=200, body=json.dumps({"kind": "Table", "rows": [row, None, 3]}).encode()),
    )
    assert "there is described-9" in evidence(found(table, missing))


def test_names_of_another_type_are_not_offered() -> None:
    missing = next(one for one in recorded("sessions/misspelt_name") if one.response and one.response.status == 404)
    listed = {"kind": "ServiceList", "items": [{"metadata": {"name": "described-1", "namespace": "crowd"}}]}
    services = replace(
        missing,
        request=replace(missing.request, path="/api/v1/namespaces/crowd/services"),
        response=Response(status=200, body=json.dumps(listed).encode()),
    )
    assert "described-1 " not in evidence(found(services, missing)).replace("descirbed", "")


def test_type_that_is_served_in_another_version_is_found() -> None:
    finding = found(*DISCOVERY, at(SERVER, REFUSED, "/apis/extensions/v1beta1/namespaces/a/ingresses"))
    assert finding.rule == "request-no-such-type"
    assert "it serves ingresses in networking.k8s.io/v1 (request 2, response body)" in evidence(finding)
    assert finding.fix[0].text == "ask for it in networking.k8s.io/v1"


def test_type_that_is_misspelt_has_a_nearest() -> None:
    finding = found(*DISCOVERY, at(SERVER, REFUSED, "/apis/apps/v1/namespaces/a/deplyoments"))
    assert "deplyoments is none of the 67 types that discovery showed" in evidence(finding)
    assert finding.fix[0].commands == ("kubectl get deployments.apps",)


def test_types_of_another_server_are_not_offered() -> None:
    elsewhere = at(("10.0.0.2", 6443), REFUSED, "/apis/apps/v1/namespaces/a/deplyoments")
    assert "types that discovery showed" not in evidence(found(*DISCOVERY, elsewhere))


def test_client_that_found_no_type_in_discovery_gets_the_nearest() -> None:
    # The words of k8s.io/kubectl v0.36.3, pkg/cmd/util/helpers.go and cli-runtime's resource builder.
    said = 'error: the server doesn\'t have a resource type "deplyoments"'
    failed = Exchange(id=9, request=Request(method="", path=""), failure=Failure(phase="client", message=said))
    finding = found(*DISCOVERY, failed)
    assert finding.rule == "request-type-unknown"
    assert finding.fix[0].text == "perhaps deployments.apps was meant:"


def test_without_discovery_nothing_is_added() -> None:
    alone = at(SERVER, REFUSED, "/apis/apps/v1/namespaces/a/deplyoments")
    assert "types that discovery showed" not in evidence(found(alone))
