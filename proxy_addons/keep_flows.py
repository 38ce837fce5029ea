"""Bounds how many flows mitmweb keeps: it would keep every one, for as long as it runs."""

from __future__ import annotations

from collections import deque

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook


class KeepFlows:
    """Takes the oldest flows off the page when there are more than ``most``: first those that went well.

    A flow that is still open stays. What was taken off is said in the comment of the flow that is then the oldest.
    """

    name = "mitmkube-keep-flows"

    def __init__(self, most: int) -> None:
        self._most = most
        self._ended: deque[http.HTTPFlow] = deque()
        self._failed: deque[http.HTTPFlow] = deque()
        self._taken_off = 0
        self._said = ""

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None and flow.response.status_code != 101:  # an exec may go on for hours
            self._end(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._end(flow)

    def _end(self, flow: http.HTTPFlow) -> None:
        self._ended.append(flow)
        view = ctx.master.addons.get("view")
        # Some at a time, so that the comment that tells of it is not written anew for each.
        if view is not None and view.store_count() > self._most + self._most // 10:
            self._take_off(view, view.store_count() - self._most)

    def _take_off(self, view: object, number: int) -> None:
        while number > 0 and (self._ended or self._failed):
            flow = (self._ended or self._failed).popleft()
            if flow.marked and self._ended and len(self._failed) < self._most // 2:
                self._failed.append(flow)
                continue
            view.remove([flow])  # type: ignore[attr-defined]
            self._taken_off += 1
            number -= 1
        oldest = next(iter(self._failed or self._ended), None)
        if oldest is not None:
            before, self._said = self._said, f"(… {self._taken_off:,} earlier requests are not kept)"
            oldest.comment = f"{self._said} {oldest.comment.removeprefix(before).strip()}".strip()
            ctx.master.addons.trigger(UpdateHook([oldest]))
