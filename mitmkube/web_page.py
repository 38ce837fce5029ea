"""mitmweb's page, as far as it looks and no further.

mitmweb lets whoever has its token edit a request on its way, send one again, run any command of mitmproxy's and set any
option: load a script, write a file, listen elsewhere. Each of these would break a promise that docs/safety.md makes, so
the page may show, filter, mark and comment, and take finished flows off the list. And it answers to its own address
only: under another name that leads here, a browser would count a stranger's page as the same site.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import argon2
from mitmproxy.tools.web import app
from tornado import httputil, web

if TYPE_CHECKING:
    from mitmproxy.tools.web.master import WebMaster

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost")
_READING = ("GET", "HEAD")
_NEVER_READ = re.compile(r"/(processes|executable-icon)")  # which programs run here is nothing that it shows
_FLOW = re.compile(r"/flows/(?P<flow_id>[0-9a-f-]+)")
_SETTINGS = frozenset(
    ("content_view_lines_cutoff", "view_filter", "view_order", "view_order_reversed", "web_columns")
)  # fmt: skip
_NOTES = frozenset(("comment", "marked"))


def hashed(password: str) -> str:
    """What mitmweb is given instead of the password, because the page shows its settings.

    The cheapest hash there is: nobody tries out all words of 192 bits, and each request without a cookie pays for it.
    """
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


def take_over(master: WebMaster) -> None:
    """Have ``master`` serve this page instead of its own."""
    master.app = Page(master, False)


class Page(app.Application):
    """Looks at a request before any handler of mitmweb's does."""

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> web._HandlerDelegate:
        if not self._is_for_us(request.headers):
            return self._refused(request)
        if request.method in _READING:
            if _NEVER_READ.fullmatch(request.path):
                return self._refused(request)
            return super().find_handler(request, **kwargs)
        if (flow := _FLOW.fullmatch(request.path)) and request.method in ("PUT", "DELETE"):
            return self.get_handler_delegate(request, _Flow, path_kwargs={"flow_id": flow["flow_id"].encode()})
        if (request.method, request.path) in (("PUT", "/options"), ("PUT", "/options.json")):
            return self.get_handler_delegate(request, _Options)
        if (request.method, request.path) in (("POST", "/"), ("POST", "/clear")):
            return super().find_handler(request, **kwargs)
        return self._refused(request)

    def _is_for_us(self, headers: httputil.HTTPHeaders) -> bool:
        own = {f"{name}:{self.master.options.web_port}" for name in _NAMES}
        origins = headers.get_list("Origin") + headers.get_list("Sec-WebSocket-Origin")
        hosts = headers.get_list("Host")
        return (
            len(hosts) == 1 and hosts[0].lower() in own and all(one in {f"http://{o}" for o in own} for one in origins)
        )

    def _refused(self, request: httputil.HTTPServerRequest) -> web._HandlerDelegate:
        return self.get_handler_delegate(request, web.ErrorHandler, {"status_code": 403})


class _Flow(app.FlowHandler):
    def put(self, flow_id: str) -> None:
        if not isinstance(self.json, dict) or set(self.json) - _NOTES:
            raise app.APIError(403, "The page may change the mark and the comment of a flow, and nothing else.")
        super().put(flow_id)

    def delete(self, flow_id: str) -> None:
        if self.flow.live:
            raise app.APIError(403, "The flow is still going on, and the page may not end it.")
        self.view.remove([self.flow])


class _Options(app.Options):
    def put(self) -> None:
        if not isinstance(self.json, dict) or set(self.json) - _SETTINGS:
            raise app.APIError(403, "The page may change how it shows flows, and no other setting.")
        super().put()  # type: ignore[no-untyped-call]
