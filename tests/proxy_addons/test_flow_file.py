"""Files that a real mitmdump wrote, of a real kubectl against the demo's API server, are read as flows and as HAR."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as examined
from hypothesis import strategies as st
from mitmproxy import flow as mitmproxy_flow
from mitmproxy import http, tcp
from mitmproxy import io as flow_io
from mitmproxy.test import tflow

from analyzers.decode.credential import Credential
from analyzers.exchange import Exchange
from analyzers.explain import Item, explain
from analyzers.readers import recognise
from analyzers.readers.source import Source
from mitmkube import authority as proxy_authority
from mitmkube import reading
from mitmkube.demo.api_server import ApiServer
from mitmkube.demo.pki import Authority
from mitmkube.demo.recorded import Recordings
from mitmkube.private_files import private_folder
from proxy_addons import flow_file
from proxy_addons.annotate import LEFT_OUT, TOLD
from tests.proxy_addons.running_proxy import wait_for
from tests.proxy_addons.test_kubectl_words import kubectls

SECRET = "canary-token-of-another-cluster"


@contextlib.contextmanager
def mitmdump(folder: Path, *options: str) -> Iterator[int]:
    """A mitmdump without any addon of ours; its port. It writes ``flows`` and ``flows.har`` into ``folder``."""
    confdir = folder / "confdir"
    confdir.mkdir()
    ca = proxy_authority.create(confdir, dt.datetime.now(dt.UTC), dt.timedelta(days=1), ["127.0.0.1"])
    (folder / "mitmproxy.pem").write_bytes(ca)
    program = "from mitmproxy.tools.main import mitmdump; mitmdump()"
    command = [sys.executable, "-W", "ignore", "-c", program, "--listen-host", "127.0.0.1", "-p", "0"]
    # Lazy: else a server that is gone fails the CONNECT, of which mitmproxy records nothing.
    settings = (
        f"hardump={folder / 'flows.har'}",
        f"confdir={confdir}",
        "connection_strategy=lazy",
        "upstream_cert=false",
    )
    command += ["-w", str(folder / "flows"), *(part for one in (*settings, *options) for part in ("--set", one))]
    output = folder / "output"
    with output.open("wb") as file:
        running = subprocess.Popen(
            command,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        )
    try:
        wait_for(lambda: "proxy listening at" in output.read_text() or running.poll() is not None, "for mitmdump")
        assert running.poll() is None, output.read_text()
        line = next(line for line in output.read_text().splitlines() if "proxy listening at" in line)
        yield int(line.rstrip(".").rpartition(":")[2])
    finally:
        running.send_signal(signal.SIGINT)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            raise


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a session: an unknown token, a user who may not list, an untrusted server, and one that is gone."""
    if not kubectls():
        if os.environ.get("CI"):
            pytest.fail("kubectl is needed")
        pytest.skip("no kubectl on this machine")
    folder = tmp_path_factory.mktemp("flows")
    authority, stranger = (Authority.create(private_folder(folder / name)) for name in "ab")
    jane = authority.client("jane", "dev")
    pair = folder / "jane.pem"
    pair.write_text(jane.certificate.read_text() + jane.key.read_text())
    recordings = Recordings.load()
    with (
        ApiServer(recordings, authority.server(), authority.file) as server,
        ApiServer(recordings, stranger.server(), stranger.file) as untrusted,
        mitmdump(folder, f"ssl_verify_upstream_trusted_ca={authority.file}", f"client_certs={pair}") as port,
    ):
        gone = f"https://127.0.0.1:{closed_port()}"
        for number, (url, token) in enumerate(
            [(server.url, ""), (server.url, SECRET), (untrusted.url, ""), (gone, "")]
        ):
            document = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {
                    "server": url,
                    "certificate-authority": str(folder / "mitmproxy.pem"),
                    "proxy-url": f"http://127.0.0.1:{port}",
                }}],
                "users": [{"name": "u", "user": {"token": token} if token else {"username": "u", "password": SECRET}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "prod"}}],
                "current-context": "x",
            }  # fmt: skip
            config = folder / f"kubeconfig-{number}"
            config.write_text(yaml.safe_dump(document))
            done = subprocess.run(
                [str(kubectls()[-1]), "--kubeconfig", str(config), "get", "pods", "--request-timeout=10s"],
                env={"PATH": os.environ["PATH"], "HOME": str(folder / f"home-{number}")},
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=60,
                check=False,
            )
            assert done.returncode == 1, done
    return folder


def explained(content: bytes) -> list[Item]:
    source = Source(io.BytesIO(content))
    return list(explain(reading.passages(source)))


def exchanges(content: bytes) -> list[Exchange]:
    return [one for passage in flow_file.read(Source(io.BytesIO(content))) for one in passage.exchanges]


def notes(content: bytes) -> list[str]:
    return [note for passage in flow_file.read(Source(io.BytesIO(content))) for note in passage.notes]


def rules(items: list[Item]) -> set[str]:
    return {finding.rule for item in items for finding in item.findings}


@pytest.mark.parametrize("name", ["flows", "flows.har"])
def test_file_of_a_plain_mitmdump_is_explained(recorded: Path, name: str) -> None:
    content = (recorded / name).read_bytes()
    assert recognise.recognise(content[:1000]) == ("har" if name.endswith("har") else "flows")
    items = explained(content)
    assert {"rbac-denied", "auth-server-certificate-untrusted", "network-refused"} <= rules(items)


def test_commands_are_stories_of_their_own(recorded: Path) -> None:
    passages = list(flow_file.read(Source(io.BytesIO((recorded / "flows").read_bytes()))))
    sessions = [{one.request.headers.get("Kubectl-Session") for one in passage.exchanges} for passage in passages]
    assert len(passages) == 4
    assert all(len(session) == 1 for session in sessions)


def test_credential_in_a_flow_is_decoded_and_reaches_no_output(recorded: Path) -> None:
    content = (recorded / "flows").read_bytes()
    assert SECRET.encode() in content  # a plain mitmproxy writes it down
    found = exchanges(content)
    kinds = {one.credential.kind for one in found if one.credential is not None}
    assert kinds == {"opaque-token", "basic"}
    assert all("authorization" not in one.request.headers for one in found)
    assert SECRET not in repr(explained(content))


def test_bodies_times_and_certificates_of_a_flow_are_kept(recorded: Path) -> None:
    refused = next(
        one for one in exchanges((recorded / "flows").read_bytes()) if one.response and one.response.status == 403
    )
    assert refused.response is not None
    assert json.loads(refused.response.body or b"")["kind"] == "Status"
    assert refused.timing.started > 0
    assert refused.connection is not None
    assert refused.connection.server_certificates
    assert refused.connection.peer == "127.0.0.1"


def test_file_cut_off_anywhere_yields_the_flows_before_and_says_so(recorded: Path) -> None:
    content = (recorded / "flows").read_bytes()
    whole = len(exchanges(content))
    assert notes(content) == []
    for end in range(1, len(content) - 1, max(len(content) // 40, 1)):
        before = exchanges(content[:end])
        assert len(before) < whole
        (note,) = notes(content[:end])
        assert "breaks off or is broken after" in note


def test_file_broken_inside_yields_the_flows_before(recorded: Path) -> None:
    content = (recorded / "flows").read_bytes()
    first = int(content[: content.index(b":")]) + content.index(b":") + 2  # the length, the flow, its type
    broken = content[:first] + b"x" + content[first:]
    assert [one.id for one in exchanges(broken)] == [1]
    assert notes(broken) == ["the file breaks off or is broken after 1 flow: what stands before that was read"]


def test_length_that_no_flow_has_is_broken() -> None:
    assert "broken after 0 flows" in notes(b"999999999999:1:a,}")[0]


# Flows that nobody recorded


def written(*flows: mitmproxy_flow.Flow) -> bytes:
    file = io.BytesIO()
    writer = flow_io.FlowWriter(file)
    for flow in flows:
        writer.add(flow)
    return file.getvalue()


def flow(path: str = "/api/v1/pods", **changes: Any) -> http.HTTPFlow:
    found = tflow.tflow(resp=True)
    found.request = http.Request.make("GET", f"https://127.0.0.1:6443{path}", headers={"User-Agent": "kubectl/v1.33.0"})
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_flow_of_another_protocol_is_counted() -> None:
    other = tflow.ttcpflow()
    assert isinstance(other, tcp.TCPFlow)
    content = written(other, flow())
    assert len(exchanges(content)) == 1
    assert notes(content) == ["1 flow was passed over: not of HTTP"]


def test_flow_that_cannot_be_used_does_not_end_the_file() -> None:
    content = written(flow())
    strange = content.replace(b"4:type;4:http;", b"4:type;4:gone;", 1)
    assert len(exchanges(strange + content)) == 1
    assert "1 flow was left out" in notes(strange + content)[0]


def test_body_that_was_streamed_is_not_taken_for_an_empty_one() -> None:
    streamed = flow()
    assert streamed.response is not None
    streamed.response.data.content = None
    (found,) = exchanges(written(streamed))
    assert found.response is not None
    assert (found.response.body, found.response.body_complete) == (None, False)


def test_what_our_addons_wrote_beside_a_flow_counts() -> None:
    annotated = flow("/k8s/clusters/c-1/api/v1/pods")
    assert annotated.response is not None
    annotated.response.content = LEFT_OUT
    annotated.metadata[TOLD] = {
        "id": 7,
        "cluster": "dev",
        "pathPrefix": "/k8s/clusters/c-1",
        "credential": {"kind": "jwt", "subject": "jane"},
        "errorEvent": '{"type":"ERROR"}',
        "timing": {"started": 5.0},
    }
    (found,) = exchanges(written(annotated))
    assert found.id == 1  # numbers of several sessions may stand in one file
    assert found.credential == Credential(kind="jwt", subject="jane")
    assert (found.cluster, found.path_prefix) == ("dev", "/k8s/clusters/c-1")
    assert found.response is not None
    assert found.response.body is None
    assert found.response.error_event == b'{"type":"ERROR"}'


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 6443)", "dial"),
        ("[Errno -2] Name or service not known", "dns"),
        ("Certificate verify failed: self-signed certificate", "tls"),
        ("Upstream proxy refused HTTP CONNECT request: 407 Proxy Authentication Required", "proxy"),
        ("server closed connection", "request"),
    ],
)
def test_error_of_mitmproxy_is_told_with_how_far_it_got(said: str, phase: str) -> None:
    (found,) = exchanges(written(flow(response=None, error=mitmproxy_flow.Error(said))))
    assert found.failure is not None
    assert found.failure.phase == phase


def test_client_that_went_away_is_a_failure_only_after_a_wait() -> None:
    gone = flow(response=None)
    for waited, failed in [(0.1, False), (30.0, True)]:
        gone.request.timestamp_start = gone.request.timestamp_end = 1000.0
        gone.error = mitmproxy_flow.Error("Client disconnected.", 1000.0 + waited)
        (found,) = exchanges(written(gone))
        assert (found.failure is not None) == failed


def test_traffic_of_others_is_passed_over() -> None:
    other = flow()
    other.request = http.Request.make("GET", "https://shop.example/api/v1/users")
    assert exchanges(written(other)) == []
    assert "1 request was passed over" in notes(written(other))[0]


CONTENT = written(flow(), flow(response=None, error=mitmproxy_flow.Error("server closed connection")))


@examined(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, len(CONTENT)), st.binary(max_size=12), st.integers(0, 40))
@example(0, b"", len(CONTENT))
@example(0, b"{", 0)
@example(0, b"0:~", 0)
@example(0, b"8:1:a,0:~}", 0)
@example(0, b"100000:" + b"9:" * 50_000, 0)
def test_any_bytes_are_read(at: int, inserted: bytes, dropped: int) -> None:
    for passage in flow_file.read(Source(io.BytesIO(CONTENT[:at] + inserted + CONTENT[at + dropped :]))):
        assert passage.kind == "flows"


def nested(depth: int, wrap: Callable[[bytes], bytes]) -> bytes:
    content = b"0:~"
    for _ in range(depth):
        content = wrap(content)
    return content


def test_file_nested_deeper_than_can_be_read_is_broken() -> None:
    content = nested(3000, lambda inner: str(len(inner)).encode() + b":" + inner + b"]")
    assert exchanges(content) == []
    assert notes(content)


def test_bytes_in_a_path_that_are_no_text_are_percent_encoded() -> None:
    flow = tflow.tflow(resp=True)
    flow.request.data.path = b"/api/v1/\xc0ods?a=%2F&b=\xc3\xa4"
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "code": 404}
    flow.response = http.Response.make(404, json.dumps(status), {"Content-Type": "application/json"})
    written = io.BytesIO()
    flow_io.FlowWriter(written).add(flow)
    (passage, *_) = flow_file.read(Source(io.BytesIO(written.getvalue())))
    assert [one.request.path for one in passage.exchanges] == ["/api/v1/%C0ods?a=%2F&b=%C3%A4"]
