"""``mitmdump -s script.py`` with a proxy-url that was set by hand."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mitmproxy import http
from mitmproxy import io as flow_io

from mitmkube import authority as proxy_authority
from tests.cluster import pki
from tests.proxy_addons.api_server import api_server
from tests.proxy_addons.running_proxy import Client, wait_for

SCRIPT = Path(__file__).parents[2] / "proxy_addons" / "script.py"
TOKEN = "by-hand-s3cr3t"
FORBIDDEN = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "reason": "Forbidden",
    "code": 403,
    "message": 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "prod"',
    "details": {"kind": "pods"},
}


# mitmdump's own -w writes a flow before it was analysed; mitmweb's page is told afterwards, by the same hook as this.
KEEP = """
from mitmproxy import io
def update(flows):
    with open("updated", "ab") as file:
        for flow in flows:
            io.FlowWriter(file).add(flow)
"""


def forbid(peer) -> None:
    while request := peer.request():
        if "/pods" in request.line:
            peer.answer(json.dumps(FORBIDDEN).encode(), "403 Forbidden", "Audit-Id: 1")
        elif "/secrets/" in request.line:
            peer.answer(b'{"kind":"Secret","apiVersion":"v1","data":{"password":"aHVudGVyMg=="}}')
        else:
            peer.answer(json.dumps({"identity": peer.identity}).encode())


class ByHand:
    """What ``Client`` needs to know of a proxy."""

    def __init__(self, port: int, ca: bytes, output: Path) -> None:
        self.port, self.ca, self.output = port, ca, output


@contextlib.contextmanager
def mitmdump(folder: Path, kubeconfig: Path, flows: Path, *options: str) -> Iterator[ByHand]:
    confdir = folder / "confdir"
    confdir.mkdir()
    ca = proxy_authority.create(confdir, dt.datetime.now(dt.UTC), dt.timedelta(days=1), ["127.0.0.1", "localhost"])
    program = "from mitmproxy.tools.main import mitmdump; mitmdump()"
    command = [sys.executable, "-W", "ignore", "-c", program, "-s", str(SCRIPT), "-w", str(flows), "-p", "0"]
    output = folder / "output"
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as file:
        running = subprocess.Popen(
            [*command, "--set", f"confdir={confdir}", *options],
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        )
    try:
        wait_for(lambda: "listening at 127.0.0.1:" in output.read_text() or running.poll() is not None, "for mitmdump")
        assert running.poll() is None, output.read_text()
        line = next(line for line in output.read_text().splitlines() if "listening at 127.0.0.1:" in line)
        yield ByHand(int(line.rstrip(".").rpartition(":")[2]), ca, output)
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise


def kubeconfig(folder: Path, server, pair: pki.KeyPair) -> Path:
    """The user's own entry and the copy that leads through the proxy, as one makes them by hand."""
    certificate, key = pair.write(folder, "jane")
    own = {"server": server.url, "certificate-authority-data": base64.b64encode(server.ca).decode()}
    copied = {"server": server.url, "certificate-authority": "confdir/ca.pem", "proxy-url": "http://127.0.0.1:8080"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a-watched", "cluster": copied}, {"name": "dev", "cluster": own}],
        "users": [{"name": "jane", "user": {"client-certificate": certificate.name, "client-key": key.name}}],
        "contexts": [{"name": "dev", "context": {"cluster": "a-watched", "user": "jane"}}],
        "current-context": "dev",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def test_flows_are_annotated_and_hold_no_secret(tmp_path, leaf, authority, jane) -> None:
    flows = tmp_path / "flows"
    with api_server(leaf, authority.certificate_pem, forbid) as server:
        (tmp_path / "keep.py").write_text(KEEP)
        config = kubeconfig(tmp_path, server, jane)
        with mitmdump(tmp_path, config, flows, "-s", str(tmp_path / "keep.py")) as proxy:
            with Client(proxy, server, jane, folder=tmp_path, password=None).open() as client:  # type: ignore[arg-type]
                login = [f"Authorization: Bearer {TOKEN}"]
                assert client.request(path="/api/v1/namespaces/prod/pods?limit=500", fields=login)[0] == 403
                assert client.request(path="/api/v1/namespaces/a/secrets/b", fields=login)[0] == 200
                assert json.loads(client.request(path="/version", fields=login)[1])["identity"]
            updated = tmp_path / "updated"
            wait_for(lambda: updated.exists() and updated.read_bytes().count(b"7:comment") >= 3, "for three updates")
        assert all(request.get("Authorization") == f"Bearer {TOKEN}" for request in server.requests)
        assert len(server.requests) == 3
    saved = flows.read_bytes() + updated.read_bytes()
    for secret in (TOKEN.encode(), b"aHVudGVyMg", b"hunter2"):
        assert secret not in saved
    output = proxy.output.read_text()
    assert TOKEN not in output
    assert "error" not in output.lower(), output
    with updated.open("rb") as file:
        found = [flow for flow in flow_io.FlowReader(file).stream() if isinstance(flow, http.HTTPFlow)]
    by_path = {flow.request.path.partition("?")[0]: flow for flow in found}
    refused = by_path["/api/v1/namespaces/prod/pods"]
    assert refused.comment.startswith("rbac at authorization: ")
    assert refused.marked == ":no_entry:"
    assert json.loads(refused.response.text)["reason"] == "Forbidden"
    assert by_path["/version"].marked == ""
    assert by_path["/version"].comment


def test_server_that_no_entry_names_is_refused(tmp_path, leaf, authority, jane) -> None:
    from tests.proxy_addons.running_proxy import Refused

    with api_server(leaf, authority.certificate_pem) as server, api_server(leaf, authority.certificate_pem) as other:
        with (
            mitmdump(tmp_path, kubeconfig(tmp_path, server, jane), tmp_path / "flows") as proxy,
            Client(proxy, other, folder=tmp_path, password=None) as client,  # type: ignore[arg-type]
            pytest.raises(Refused) as refused,
        ):
            client.connect()
        assert refused.value.status == 403
        assert other.peers == []


def test_kubeconfig_that_cannot_be_read_ends_the_start_in_one_line(tmp_path) -> None:
    broken = tmp_path / "kubeconfig"
    broken.write_text("{")
    with pytest.raises(AssertionError) as ended, mitmdump(tmp_path, broken, tmp_path / "flows"):
        pass
    (said,) = [line for line in str(ended.value).splitlines() if str(broken) in line]
    assert "not valid YAML" in said
    assert "Traceback" not in str(ended.value)
