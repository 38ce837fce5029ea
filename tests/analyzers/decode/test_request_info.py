"""Rows marked "server" were produced by the API server's own resolver; the rest follows its source."""

from __future__ import annotations

import pytest

from analyzers.decode.request_info import RequestInfo, decode

NS = "/api/v1/namespaces/dev"
# request, verb, group/version, namespace, resource, subresource, name (server)
RESOURCES = """
GET /api/v1/namespaces | list | /v1 | | namespaces | |
GET /api/v1/namespaces/dev | get | /v1 | dev | namespaces | | dev
GET NS/pods | list | /v1 | dev | pods | |
GET NS/pods?watch | watch | /v1 | dev | pods | |
GET NS/pods?watch= | watch | /v1 | dev | pods | |
GET NS/pods?watch=0 | list | /v1 | dev | pods | |
GET NS/pods?watch=FALSE | list | /v1 | dev | pods | |
GET NS/pods?watch=true&fieldSelector=metadata.name%3Dweb | watch | /v1 | dev | pods | | web
GET NS/pods?fieldSelector=metadata.name=web,status.phase=Running | list | /v1 | dev | pods | | web
GET /api/v1/pods?limit=abc&fieldSelector=metadata.name=x | list | /v1 | | pods | |
DELETE NS/pods | deletecollection | /v1 | dev | pods | |
DELETE NS/pods/web | delete | /v1 | dev | pods | | web
PUT /api/v1/namespaces/dev/finalize | update | /v1 | dev | namespaces | finalize | dev
GET /api/v1/namespaces/dev/status | get | /v1 | dev | namespaces | status | dev
GET /apis/x.io/v1/namespaces/dev/status | get | x.io/v1 | dev | namespaces | status | dev
POST NS/pods/web/exec?command=ls | create | /v1 | dev | pods | exec | web
GET NS/services/https:web:443/proxy/a/b | get | /v1 | dev | services | proxy | https:web:443
GET /api/v1/nodes/n1/proxy/metrics | get | /v1 | | nodes | proxy | n1
GET /api/v1/watch/namespaces/dev/pods/web | watch | /v1 | dev | pods | | web
GET /api/v1/proxy/namespaces/dev/services/web/x | proxy | /v1 | dev | services | | web
GET /apis/apps/v1/namespaces/dev/deployments/web/scale | get | apps/v1 | dev | deployments | scale | web
PATCH /apis/apps/v1/namespaces/dev/deployments/web?force=true | patch | apps/v1 | dev | deployments | | web
HEAD /api/v1/pods | list | /v1 | | pods | |
OPTIONS /api/v1/pods | | /v1 | | pods | |
GET //api/v1/pods/ | list | /v1 | | pods | |
GET /api/v1/pods?fieldSelector=metadata.name!%3Dweb | list | /v1 | | pods | |
GET /api/v1/pods?fieldSelector=metadata.name%3D%3Dweb | list | /v1 | | pods | | web
GET /api/v1/pods?fieldSelector=metadata.name%3D.. | list | /v1 | | pods | |
GET /api/v1/pods?fieldSelector=metadata.name%3Da/b | list | /v1 | | pods | |
GET /k8s/clusters/c-m-1/api/v1/namespaces/dev/pods | list | /v1 | dev | pods | |
GET /k8s/clusters/c-m-1/apis/apps/v1/deployments | list | apps/v1 | | deployments | |
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in RESOURCES.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_resource_request_is_read_as_the_api_server_reads_it(row: list[str]) -> None:
    method, _, path = row[0].partition(" ")
    info = decode(method, path.replace("NS", NS))
    assert info.is_resource_request
    read = [
        info.verb,
        f"{info.api_group}/{info.api_version}",
        info.namespace,
        info.resource,
        info.subresource,
        info.name,
    ]
    assert read == row[1:]


@pytest.mark.parametrize(
    "path",
    ["/", "", "/api", "/apis", "/api/v1", "/apis/apps", "/apis/apps/v1", "/readyz/etcd", "/openapi/v3/apis/apps/v1",
     "/openapi/v3/api/v1", "/api/v1/watch", "/logs/api/v1/pods", "/k8s/clusters/c-m-1/api", "*"],
)  # fmt: skip
def test_other_paths_are_no_resource_requests(path: str) -> None:
    info = decode("GET", path)
    assert not info.is_resource_request
    assert (info.verb, info.resource, info.namespace) == ("get", "", "")


def test_path_is_decoded_and_has_no_query() -> None:
    assert decode("GET", "/readyz/a%20b?verbose").path == "/readyz/a b"


def test_absolute_target_is_read_like_its_path() -> None:
    assert decode("GET", "https://10.0.0.1:6443/api/v1/pods?watch=1") == decode("GET", "/api/v1/pods?watch=1")


def test_selectors_of_a_list_are_kept_as_sent() -> None:
    info = decode("GET", f"{NS}/pods?labelSelector=app%3Dweb&fieldSelector=status.phase%3DRunning&labelSelector=x")
    assert (info.label_selector, info.field_selector) == ("app=web", "status.phase=Running")


def test_selectors_of_an_old_style_watch_are_not_read() -> None:
    assert decode("GET", "/api/v1/watch/pods?labelSelector=app%3Dweb").label_selector == ""


@pytest.mark.parametrize(
    ("path", "long_running"),
    [(f"{NS}/pods?watch=1", True), (f"{NS}/pods/web/log", True), (f"{NS}/pods", False), ("/debug/pprof/heap", True)],
)
def test_long_running_requests_are_those_that_the_server_never_times_out(path: str, long_running: bool) -> None:
    assert decode("GET", path).long_running is long_running


@pytest.mark.parametrize(
    ("method", "path", "phrase"),
    [
        ("GET", f"{NS}/pods", "list pods in namespace dev"),
        ("GET", "/readyz", "get path /readyz"),
        ("GET", f"{NS}/pods/web/log", "get pods/log web in namespace dev"),
        ("GET", "/api/v1/namespaces/dev", "get namespaces dev"),
        ("PATCH", "/apis/apps/v1/namespaces/dev/deployments/web", "patch deployments.apps web in namespace dev"),
    ],
)
def test_phrase_names_verb_resource_and_place(method: str, path: str, phrase: str) -> None:
    assert decode(method, path).phrase == phrase


def test_info_of_nothing_is_no_resource() -> None:
    assert decode("", "") == RequestInfo(is_resource_request=False, verb="", path="/")
