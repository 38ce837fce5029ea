"""What mitmweb's page may do, who may ask it, and what it never gets to see."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import subprocess
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.mitmkube.api_server import SECRET_PLAIN, SECRET_VALUE, TOKEN, ApiServer
from tests.mitmkube.commands import CLIENT, SECONDS, Place, Web, free_ports, web

PODS = "/api/v1/namespaces/default/pods"
REFUSED = "/api/v1/namespaces/prod/pods"
SECRET = "/api/v1/namespaces/default/secrets/db"


class Browser:
    """Somebody with the page's token, its cookies and its guard against forged requests."""

    def __init__(self, running: Web) -> None:
        self.port = urlsplit(running.url).port
        first = self.ask("GET", f"/?token={running.token}")
        assert first.status == 200
        self.fields = {"Authorization": f"Bearer {running.token}"}
        guarded = self.ask("GET", "/updates")  # as the page does; this is what sets the guard's cookie
        both = (*first.getheaders(), *guarded.getheaders())
        self.set_cookies = [value for name, value in both if name.lower() == "set-cookie"]
        jar = SimpleCookie("; ".join(cookie.partition(";")[0] for cookie in self.set_cookies))
        self.fields = {
            "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items()),
            "X-XSRFToken": jar["_mitmproxy_xsrf"].value,
        }

    def ask(self, method: str, path: str, body: object = None, **fields: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        headers = {**getattr(self, "fields", {}), **{name.replace("_", "-"): value for name, value in fields.items()}}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        response.text = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response


@pytest.fixture
def browser(running_web: Web) -> Browser:
    return Browser(running_web)


def options(running: Web) -> dict[str, Any]:
    return {name: told["value"] for name, told in json.loads(running.get("/options.json")[1]).items()}


# Who may ask


def test_page_under_another_name_answers_nothing(browser: Browser) -> None:
    names = ["evil.test:{port}", "evil.test", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.test:{port}", "[::1]:{port}",
             "0.0.0.0:{port}", "", "127.0.0.1:{port}, evil.test", "user@127.0.0.1:{port}"]  # fmt: skip
    for path in ("/", "/flows", "/updates", "/static/vendor.css", "/options.json", "/events"):
        for name in names:
            response = browser.ask("GET", path, Host=name.format(port=browser.port))
            assert response.status in (400, 403), (path, name)


def test_page_answers_under_both_of_its_names(browser: Browser) -> None:
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert browser.ask("GET", "/flows", Host=f"{host}:{browser.port}").status == 200


def test_page_of_another_origin_is_answered_nothing(browser: Browser) -> None:
    for origin in (
        "http://evil.test",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "null",
        "http://evil.test:{port}",
    ):
        for method, path in (("GET", "/flows"), ("GET", "/updates"), ("POST", "/clear")):
            response = browser.ask(method, path, Origin=origin.format(port=browser.port))
            assert response.status == 403, (origin, path)


def test_own_origin_may_write(browser: Browser) -> None:
    assert browser.ask("POST", "/clear", Origin=f"http://127.0.0.1:{browser.port}").status == 200


def test_write_without_the_guard_against_forgery_is_refused(browser: Browser) -> None:
    del browser.fields["X-XSRFToken"]
    assert browser.ask("POST", "/clear").status == 403


def test_cookies_stay_with_the_page(browser: Browser) -> None:
    auth = [cookie for cookie in browser.set_cookies if cookie.startswith("mitmproxy-auth-")]
    assert auth
    assert all("httponly" in cookie.lower() for cookie in auth)
    assert all("samesite=strict" in cookie.lower() for cookie in browser.set_cookies)


def test_cookie_of_an_earlier_run_opens_nothing(place: Place) -> None:
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as first:
        earlier = Browser(first)
        first.stop()
    with web(place) as second:
        assert second.url == first.url
        assert earlier.ask("GET", "/flows").status == 403


# What it may do


@pytest.fixture
def flow_id(running_web: Web) -> str:
    running_web.run(*CLIENT, PODS)
    return str(running_web.flows(1)[0]["id"])


def test_page_may_mark_comment_and_remove_a_flow(browser: Browser, running_web: Web, flow_id: str) -> None:
    assert browser.ask("PUT", f"/flows/{flow_id}", {"comment": "look", "marked": ":eyes:"}).status == 200
    assert running_web.flows(1)[0]["comment"] == "look"
    assert browser.ask("DELETE", f"/flows/{flow_id}").status == 200
    assert json.loads(running_web.get("/flows")[1]) == []


def test_page_may_change_its_columns(browser: Browser, running_web: Web) -> None:
    assert browser.ask("PUT", "/options", {"web_columns": ["path"]}).status == 200
    assert options(running_web)["web_columns"] == ["path"]


REACHING = [
    ("POST", "/flows/{id}/replay", None),
    ("POST", "/flows/{id}/duplicate", None),
    ("POST", "/flows/{id}/revert", None),
    ("POST", "/flows/{id}/resume", None),
    ("POST", "/flows/{id}/kill", None),
    ("POST", "/flows/resume", None),
    ("POST", "/flows/kill", None),
    ("POST", "/flows/dump", None),
    ("POST", "/flows/{id}/request/content.data", None),
    ("POST", "/flows/{id}/response/content.data", None),
    ("PUT", "/flows/{id}", {"request": {"host": "evil.test", "port": 443}}),
    ("PUT", "/flows/{id}", {"comment": "x", "request": {"path": "/x"}}),
    ("PUT", "/flows/{id}", {"response": {"content": "x"}}),
    ("PUT", "/flows/{id}", ["comment"]),
    ("POST", "/commands/replay.client", {"arguments": ["@all"]}),
    ("POST", "/commands/save.file", {"arguments": ["@all", "{work}/saved"]}),
    ("POST", "/commands/export.file", {"arguments": ["curl", "@first", "{work}/saved"]}),
    ("POST", "/commands/export", {"arguments": ["curl", "@first"]}),
    ("POST", "/commands/set", {"arguments": ["listen_host", "0.0.0.0"]}),
    ("POST", "/commands/options.save", {"arguments": ["{work}/saved"]}),
    ("POST", "/commands/script.run", {"arguments": ["@all", "{work}/saved"]}),
    ("POST", "/commands/view.flows.load", {"arguments": ["/etc/passwd"]}),
    ("POST", "/options/save", {}),
    ("GET", "/processes", None),
    ("GET", "/executable-icon?path=/bin/sh", None),
]


def test_page_may_do_nothing_that_reaches_out_writes_or_changes(
    browser: Browser, running_web: Web, flow_id: str, api: ApiServer
) -> None:
    before, asked = running_web.get("/flows")[1], len(api.requests)
    saved = running_web.place.work / "saved"
    for method, path, body in REACHING:
        filled = json.loads(json.dumps(body).replace("{work}", str(running_web.place.work)))
        assert browser.ask(method, path.format(id=flow_id), filled).status == 403, (method, path)
    assert running_web.get("/flows")[1] == before
    assert len(api.requests) == asked
    assert not saved.exists()


SETTINGS = [
    ("mode", ["regular@0.0.0.0:0"]),
    ("listen_host", "0.0.0.0"),
    ("listen_port", 1),
    ("server", False),
    ("web_host", "0.0.0.0"),
    ("web_password", ""),
    ("scripts", ["/tmp/evil.py"]),
    ("save_stream_file", "/tmp/evil.flows"),
    ("hardump", "/tmp/evil.har"),
    ("confdir", "/tmp"),
    ("certs", ["/tmp/evil.pem"]),
    ("client_certs", "/tmp/evil.pem"),
    ("client_replay", ["/tmp/evil.flows"]),
    ("server_replay", ["/tmp/evil.flows"]),
    ("map_local", ["/.*/tmp/evil"]),
    ("map_remote", ["|.*|http://evil.test"]),
    ("modify_headers", ["/X/y"]),
    ("modify_body", ["/x/y"]),
    ("ssl_insecure", True),
    ("validate_inbound_headers", False),
    ("proxyauth", "any"),
    ("stickyauth", ".*"),
    ("intercept", ".*"),
    ("http2", True),
    ("tls_version_client_min", "SSL3"),
]


def test_page_may_change_no_setting_of_the_proxy(browser: Browser, running_web: Web) -> None:
    before = options(running_web)
    for name, value in SETTINGS:
        assert name in before
        assert browser.ask("PUT", "/options", {name: value}).status == 403, name
        assert browser.ask("PUT", "/options.json", {"web_columns": ["path"], name: value}).status == 403, name
    assert options(running_web) == before


def test_flow_that_goes_on_cannot_be_ended_from_the_page(browser: Browser, running_web: Web, kubectl: str) -> None:
    """Nor removed, which in mitmweb ends it."""
    with subprocess.Popen(
        [kubectl, "get", "--raw", f"{PODS}?watch=true"],
        env=running_web.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as client:
        try:
            flows = running_web.flows(1)
            (flow,) = [one for one in flows if "watch" in one["request"]["path"]]
            assert browser.ask("DELETE", f"/flows/{flow['id']}").status == 403
            assert client.poll() is None
        finally:
            client.kill()


# What it never gets to see


def frames(connection: socket.socket) -> bytes:
    """What came over the WebSocket until all three flows were told of, twice at least, and then the last comment."""
    found = b""
    connection.settimeout(SECONDS)
    while found.count(b'"comment": "') < 6 or b"mitmkube-end" not in found:
        found += connection.recv(1 << 20)
    return found


def test_updates_of_the_page_hold_no_secret(running_web: Web, browser: Browser) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection(("127.0.0.1", browser.port or 0), timeout=SECONDS) as connection:
        connection.sendall(
            f"GET /updates HTTP/1.1\r\nHost: 127.0.0.1:{browser.port}\r\nOrigin: http://127.0.0.1:{browser.port}\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"Cookie: {browser.fields['Cookie']}\r\n\r\n".encode()
        )
        running_web.run(*CLIENT, PODS, SECRET, REFUSED)
        flows = running_web.flows(3)
        assert browser.ask("PUT", f"/flows/{flows[0]['id']}", {"comment": "mitmkube-end"}).status == 200
        shown = frames(connection)
    assert shown.startswith(b"HTTP/1.1 101 ")
    assert b"flows/add" in shown
    assert b'authorization"' not in shown.lower()
    for secret in (TOKEN, SECRET_VALUE, SECRET_PLAIN):
        assert secret.encode() not in shown


def test_updates_need_the_token(running_web: Web) -> None:
    assert running_web.get("/updates", token="wrong")[0] == 403


def test_page_is_sent_no_password(running_web: Web) -> None:
    overlay = Path(running_web.exported.split(":")[0]).read_text()
    found = re.search(r"http://mitmkube-\w+:([\w-]+)@", overlay)
    assert found is not None
    running_web.run(*CLIENT, PODS)
    running_web.flows(1)
    shown = b"".join(
        running_web.get(path)[1] for path in ("/options.json", "/events", "/state", "/flows", "/flows/dump")
    )
    assert running_web.token.encode() not in shown
    assert found[1].encode() not in shown


def test_passwords_are_on_no_command_line_and_in_no_environment(running_web: Web) -> None:
    overlay = Path(running_web.exported.split(":")[0]).read_text()
    found = re.search(r"http://mitmkube-\w+:([\w-]+)@", overlay)
    assert found is not None
    family = {running_web.process.pid, *descendants(running_web.process.pid)}
    for pid in family:
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            assert running_web.token.encode() not in content
            assert found[1].encode() not in content


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def test_process_listens_on_loopback_only(running_web: Web) -> None:
    pid = running_web.process.pid
    own = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir() if entry.is_socket()}
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if f"socket:[{inode}]" in own and (state == "0A" or table.startswith("udp")):
                listening.append(local.partition(":")[0])
    assert listening == ["0100007F", "0100007F"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_page_cannot_be_reached_through_the_proxy(api: ApiServer, tmp_path: Path, scheme: str) -> None:
    """Not even where the kubeconfig has a server whose name leads to it."""
    proxy, page = free_ports(2)
    config = api.kubeconfig(tmp_path / "kubeconfig")
    other = api.kubeconfig(tmp_path / "other", cluster="page")
    text = other.read_text()
    other.write_text(re.sub(r"https://127\.0\.0\.1:\d+", f"{scheme}://localhost:{page}", text))
    place = Place.make(tmp_path, f"{config}:{other}")
    with web(place, "--port", proxy, "--web-port", page) as running:
        overlay = Path(running.exported.split(":")[0]).read_text()
        found = re.search(r"http://(mitmkube-[\w:-]+)@", overlay)
        assert found is not None
        login = base64.b64encode(found[1].encode()).decode()
        for target in (f"localhost:{page}", f"127.0.0.1:{page}"):
            with socket.create_connection(("127.0.0.1", int(proxy)), timeout=SECONDS) as connection:
                connection.sendall(
                    f"CONNECT {target} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {login}\r\n\r\n".encode()
                )
                answer = connection.recv(65536)
                if b" 200 " in answer.partition(b"\r\n")[0]:
                    connection.sendall(f"GET / HTTP/1.1\r\nHost: localhost:{page}\r\n\r\n".encode())
                    answer = connection.recv(65536)
            assert b"mitmproxy" not in answer.lower()
            assert answer.split()[1] in (b"403", b"502", b"503")
