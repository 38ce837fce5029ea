"""What a flow says of itself once it was analysed, and what the "Kubernetes" view shows."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from mitmproxy import contentviews, http
from mitmproxy.hooks import UpdateHook
from mitmproxy.test import taddons, tflow

from analyzers.classify import classify
from analyzers.exchange import Exchange, Failure, Headers, Request, Response
from proxy_addons.annotate import VIEW, Annotate
from proxy_addons.contentview import KubernetesView
from tests.proxy_addons.test_by_hand import FORBIDDEN


class Updates:
    def __init__(self) -> None:
        self.flows: list[object] = []

    def update(self, flows) -> None:
        self.flows.extend(flows)


def annotated(exchange: Exchange, flow: http.HTTPFlow) -> Updates:
    updates = Updates()

    async def main() -> None:
        with taddons.context(updates):
            Annotate(asyncio.get_running_loop())(exchange, classify(exchange), flow)
            await asyncio.sleep(0.01)

    asyncio.run(main())
    return updates


def exchange(body: bytes, status: int = 403, path: str = "/api/v1/namespaces/prod/pods", **response) -> Exchange:
    headers = Headers([("Content-Type", "application/json"), ("Audit-Id", "1")])
    return Exchange(
        id=3,
        request=Request(method="GET", host="10.0.0.1", path=path),
        response=Response(status=status, headers=headers, body=body, body_bytes=len(body), **response),
        cluster="dev",
    )


def flow_of(*, encoding: str = "") -> http.HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.response.raw_content = None  # as a streamed body leaves it
    flow.response.headers.fields = ((b"content-TYPE", b"application/json"), (b"Content-Encoding", encoding.encode()))
    return flow


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_refused_flow_gets_mark_comment_and_its_body_back(encoding) -> None:
    flow = flow_of(encoding=encoding)
    updates = annotated(exchange(json.dumps(FORBIDDEN).encode()), flow)
    assert flow.comment.startswith("rbac at authorization: jane may not list pods")
    assert flow.marked == ":no_entry:"
    assert json.loads(flow.response.text) == FORBIDDEN
    assert flow.response.headers.fields[0] == (b"content-TYPE", b"application/json")
    if encoding:
        assert json.loads(gzip.decompress(flow.response.raw_content)) == FORBIDDEN
    assert updates.flows == [flow]


def test_view_shows_the_finding_above_the_body() -> None:
    flow = flow_of()
    annotated(exchange(json.dumps(FORBIDDEN).encode()), flow)
    metadata = contentviews.Metadata(flow=flow, http_message=flow.response)
    view = KubernetesView()
    assert view.render_priority(b"", metadata) > 2
    shown = view.prettify(flow.response.content, metadata)
    assert shown.index("rbac") < shown.index("reason: Forbidden")
    assert "list pods in namespace prod" in shown.partition("reason: Forbidden")[0]
    assert "cluster: dev" in shown


def test_view_is_not_chosen_for_other_flows() -> None:
    flow = tflow.tflow(resp=True)
    assert KubernetesView().render_priority(b"{}", contentviews.Metadata(flow=flow)) < 0
    assert KubernetesView().render_priority(b"{}", contentviews.Metadata()) < 0


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 100000, b'"text"', b"{", b"1"])
def test_view_shows_any_body(data) -> None:
    flow = tflow.tflow(resp=True)
    flow.metadata[VIEW] = "above"
    shown = KubernetesView().prettify(data, contentviews.Metadata(flow=flow))
    assert shown.startswith("above")


def test_secret_is_shown_without_its_data() -> None:
    flow = flow_of()
    secret = b'{"kind":"Secret","apiVersion":"v1","data":{"password":"aHVudGVyMg=="}}'
    annotated(exchange(secret, 200, "/api/v1/namespaces/a/secrets/b"), flow)
    assert b"aHVudGVyMg" not in (flow.response.content or b"")
    assert "aHVudGVyMg" not in str(flow.metadata)


def test_token_in_a_path_is_taken_out_of_the_flow() -> None:
    flow = flow_of()
    annotated(exchange(b"{}", 200, "/api/v1/pods?access_token=s3cr3t"), flow)
    assert "s3cr3t" not in flow.request.path


def test_failed_tunnel_is_annotated_although_it_was_never_a_request() -> None:
    flow = tflow.tflow()
    tunnel = Exchange(
        id=1,
        request=Request(method="CONNECT", host="127.0.0.1", port=1, path="127.0.0.1:1"),
        failure=Failure(phase="dial", message="dial tcp 127.0.0.1:1: connect: connection refused"),
    )
    updates = annotated(tunnel, flow)
    assert flow.comment.startswith("network at connection: ")
    assert flow.marked == ":electric_plug:"
    assert updates.flows == [flow]
    assert UpdateHook([flow]).name == "update"
