"""How many flows mitmweb keeps, and what it says of those that it does not."""

from __future__ import annotations

from mitmproxy import http
from mitmproxy.addons import view
from mitmproxy.test import taddons, tflow

from proxy_addons.keep_flows import KeepFlows


def flow(*, marked: str = "") -> http.HTTPFlow:
    made = tflow.tflow(resp=True)
    made.marked, made.live = marked, False
    return made


def test_oldest_that_went_well_go_first_and_it_is_said_where_they_stood() -> None:
    page, keep = view.View(), KeepFlows(100)
    with taddons.context(page, keep):
        failed, still_open = flow(marked=":lock:"), flow()
        failed.comment = "refused"
        page.add([failed, still_open])
        keep.response(failed)
        ended = [flow() for _ in range(300)]
        for one in ended:
            page.add([one])
            keep.response(one)
        held = list(page._store.values())
        assert 100 <= len(held) <= 110
        assert failed in held
        assert still_open in held
        assert ended[-1] in held
        assert ended[0] not in held
        left_out = 302 - len(held)
        assert failed.comment == f"(… {left_out} earlier requests are not kept) refused"


def test_failures_go_when_there_is_nothing_else() -> None:
    page, keep = view.View(), KeepFlows(100)
    with taddons.context(page, keep):
        for _ in range(300):
            one = flow(marked=":lock:")
            page.add([one])
            keep.error(one)
        assert page.store_count() <= 110


def test_flow_of_an_upgraded_connection_stays() -> None:
    page, keep = view.View(), KeepFlows(100)
    with taddons.context(page, keep):
        upgraded = flow()
        assert upgraded.response is not None
        upgraded.response.status_code = 101
        for one in (upgraded, *(flow() for _ in range(200))):
            page.add([one])
            keep.response(one)
        assert upgraded in page._store.values()
