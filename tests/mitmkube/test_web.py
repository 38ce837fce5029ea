"""``mitmkube web``: what it prints can be pasted, survives a restart, and shows no secret."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mitmkube import web as web_module
from mitmkube.errors import UserError
from tests.mitmkube.api_server import SECRET_PLAIN, SECRET_VALUE, TOKEN, ApiServer
from tests.mitmkube.commands import CLIENT, MITMKUBE, SECONDS, Place, Web, free_ports, web

PODS = "/api/v1/namespaces/default/pods"
REFUSED = "/api/v1/namespaces/prod/pods"
SECRET = "/api/v1/namespaces/default/secrets/db"


def state(place: Place) -> Path:
    return place.home / ".local" / "state" / "mitmkube" / "web"


# What is printed


def test_printed_line_works_in_a_shell(running_web: Web) -> None:
    script = f"eval 'export KUBECONFIG={running_web.exported}'; exec \"$@\""
    done = running_web.run("sh", "-c", script, "sh", *CLIENT, PODS)
    assert done.stdout.startswith(b"200 ")
    assert running_web.flows(1)[0]["comment"].startswith("list pods in default: 1 item, PodList, ")


def test_closed_stderr_sends_the_token_nowhere_else(place: Place) -> None:
    proxy, page = free_ports(2)
    argv = ("sh", "-c", 'exec "$@" 2>&-', "sh")
    with place.started("web", "--port", proxy, "--web-port", page, through=argv) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"export KUBECONFIG=")
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b""
        assert process.wait(SECONDS) == 0


def test_closed_stdout_is_said_and_the_page_is_there(place: Place) -> None:
    proxy, page = free_ports(2)
    argv = ("sh", "-c", 'exec "$@" >&-', "sh")
    with place.started("web", "--port", proxy, "--web-port", page, through=argv) as process:
        assert process.stderr is not None
        assert b"stdout is closed" in process.stderr.readline()
        assert process.stderr.readline().startswith(b"mitmweb: http://127.0.0.1:")


def test_kubectl_prints_and_ends_as_without(running_web: Web, kubectl: str) -> None:
    for arguments in (("get", "pods"), ("get", "pods", "-n", "prod")):
        directly = subprocess.run(
            [kubectl, *arguments], env=running_web.place.environ, capture_output=True, check=False
        )
        through = running_web.run(kubectl, *arguments)
        assert (through.returncode, through.stdout, through.stderr) == (
            directly.returncode,
            directly.stdout,
            directly.stderr,
        )


def test_kubeconfig_with_a_space_in_its_path_can_be_pasted(api: ApiServer, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    place = Place.make(folder, api.kubeconfig(folder / "my kubeconfig"))
    proxy, page = free_ports(2)
    with place.started("web", "--port", proxy, "--web-port", page) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        done = place.shell(f'{line}exec "$@"', *CLIENT, PODS)
        assert done.stdout.startswith(b"200 "), done.stderr
        process.terminate()
        process.communicate(timeout=SECONDS)


def test_run_under_exported_settings_works_and_says_so(running_web: Web) -> None:
    done = running_web.run(*MITMKUBE, "run", "--", *CLIENT, PODS)
    assert done.stdout.startswith(b"200 ")
    assert b"This ran inside another mitmkube" in done.stderr


# Coming and going


def test_restart_keeps_path_ports_and_password(place: Place) -> None:
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as first:
        assert first.run(*CLIENT, PODS).stdout.startswith(b"200 ")
        first.stop()
        assert first.process.returncode == 0
    with web(place) as second:
        assert (second.exported, second.url) == (first.exported, first.url)
        assert first.run(*CLIENT, PODS).stdout.startswith(b"200 ")
        assert len(second.flows(1)) == 1


def test_restart_under_its_own_exported_settings_is_a_restart(place: Place, tmp_path: Path) -> None:
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as first:
        first.stop()
    again = Place(place.home, place.work, place.runtime, first.environ)
    with web(again) as second:
        assert second.exported == first.exported
        assert second.run(*CLIENT, PODS).stdout.startswith(b"200 ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_stops_it_cleanly(running_web: Web, number: signal.Signals) -> None:
    running_web.process.send_signal(number)
    assert running_web.process.communicate(timeout=SECONDS) == (b"", b"")
    assert running_web.process.returncode == 0


def test_hangup_that_was_ignored_does_not_stop_it(place: Place) -> None:
    proxy, page = free_ports(2)
    through = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
    with place.started("web", "--port", proxy, "--web-port", page, through=through) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"export ")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)
        assert process.returncode == 0


def test_second_one_is_refused_and_the_first_goes_on(running_web: Web) -> None:
    proxy, page = free_ports(2)
    for arguments in ((), ("--port", proxy), ("--port", proxy, "--web-port", page)):
        done = running_web.place.mitmkube("web", *arguments)
        assert done.returncode == 2
        assert done.stdout == b""
        assert done.stderr.startswith(b"mitmkube: mitmkube web is already running")
        assert done.stderr.count(b"\n") == 1
    assert running_web.run(*CLIENT, PODS).stdout.startswith(b"200 ")


@contextlib.contextmanager
def taken_port() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield str(taken.getsockname()[1])


@pytest.mark.parametrize("option", ["--port", "--web-port"])
def test_taken_port_is_said_in_one_line_and_changes_nothing(place: Place, option: str) -> None:
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as first:
        first.stop()
    kept = {path.name: path.read_bytes() for path in state(place).iterdir()}
    with taken_port() as port:
        done = place.mitmkube("web", option, port)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"mitmkube: port {port} is taken; choose another with {option}\n"
    assert {path.name: path.read_bytes() for path in state(place).iterdir()} == kept


def test_kubeconfig_without_a_cluster_is_said_in_one_line(no_cluster: Place) -> None:
    done = no_cluster.mitmkube("web")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"mitmkube: the kubeconfig names no cluster")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("command", ["web", "kubeconfig"])
@pytest.mark.parametrize("folder", ["/proc/nothing", "/dev/null"])
def test_state_folder_that_cannot_be_written_is_said_in_one_line(place: Place, command: str, folder: str) -> None:
    done = place.mitmkube(command, env={"XDG_STATE_HOME": folder})
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(f"mitmkube: {folder} cannot be written".encode())
    assert done.stderr.count(b"\n") == 1


# Files


def test_files_are_private(running_web: Web) -> None:
    folder = state(running_web.place)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {"kubeconfig", "settings.json", "mitmproxy-ca.pem"} <= {path.name for path in folder.iterdir()}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_users_own_kubeconfig_stays_as_it_is(running_web: Web) -> None:
    own = Path(running_web.place.environ["KUBECONFIG"])
    before = own.read_bytes()
    running_web.run(*CLIENT, PODS)
    running_web.stop()
    assert own.read_bytes() == before


def test_nothing_else_is_written_at_home(running_web: Web) -> None:
    running_web.run(*CLIENT, PODS)
    running_web.stop()
    written = [path for path in running_web.place.home.rglob("*") if path.is_file()]
    assert {path.parent for path in written} == {state(running_web.place)}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"port": "x", "password": 7}', "\x00"])
def test_settings_that_cannot_be_read_are_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "settings.json").write_text(content)
    chosen = web_module.settings(tmp_path, None, None)
    assert chosen.port == web_module.DEFAULT_PORT
    assert len(chosen.password) >= 24


def test_password_is_in_no_repr(tmp_path: Path) -> None:
    chosen = web_module.settings(tmp_path, None, None)
    assert chosen.password not in repr(chosen)
    assert chosen.web_password not in repr(chosen)


def test_relative_state_folder_does_not_count(tmp_path: Path) -> None:
    folder = web_module.state_folder({"HOME": str(tmp_path), "XDG_STATE_HOME": "relative"})
    assert folder == tmp_path / ".local" / "state" / "mitmkube" / "web"


# Clusters


def test_every_cluster_of_every_file_is_served(api: ApiServer, tmp_path: Path, kubectl: str) -> None:
    one = api.kubeconfig(tmp_path / "one")
    other = api.kubeconfig(tmp_path / "other", cluster="other")
    place = Place.make(tmp_path, f"{one}:{other}")
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as running:
        for context in ("dev", "other"):
            done = running.run(kubectl, "--context", context, "get", "--raw", PODS)
            assert b"PodList" in done.stdout, done.stderr
        assert len(running.flows(2)) == 2


# The overlay for other tools


def test_kubeconfig_writes_an_overlay_that_leads_through_web(running_web: Web) -> None:
    place = running_web.place
    done = place.mitmkube("kubeconfig", "overlay")
    assert done.stdout.decode() == f"export KUBECONFIG={place.work / 'overlay'}:{place.environ['KUBECONFIG']}\n"
    assert stat.S_IMODE((place.work / "overlay").stat().st_mode) == 0o600
    through = Web(place, running_web.process, f"{place.work / 'overlay'}:{place.environ['KUBECONFIG']}", "")
    assert through.run(*CLIENT, PODS).stdout.startswith(b"200 ")
    assert len(running_web.flows(1)) == 1


def test_kubeconfig_without_a_file_prints_what_web_prints(running_web: Web) -> None:
    done = running_web.place.mitmkube("kubeconfig")
    assert done.stdout.decode() == f"export KUBECONFIG={running_web.exported}\n"
    assert running_web.run(*CLIENT, PODS).stdout.startswith(b"200 ")


def test_kubeconfig_before_the_first_web_leads_through_it(place: Place) -> None:
    place.mitmkube("kubeconfig", "overlay")
    port = int(
        yaml.safe_load((place.work / "overlay").read_text())["clusters"][0]["cluster"]["proxy-url"].rsplit(":")[-1]
    )
    assert port == web_module.DEFAULT_PORT


def test_kubeconfig_overwrites_its_own_overlay_and_no_other_file(place: Place) -> None:
    own = Path(place.environ["KUBECONFIG"])
    before = own.read_bytes()
    assert place.mitmkube("kubeconfig", "overlay").returncode == 0
    assert place.mitmkube("kubeconfig", "overlay").returncode == 0
    done = place.mitmkube("kubeconfig", own)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"mitmkube did not write it" in done.stderr
    assert own.read_bytes() == before


def test_kubeconfig_that_cannot_be_written_is_said_in_one_line(place: Place) -> None:
    for path in ("missing/overlay", ".", "/proc/overlay"):
        done = place.mitmkube("kubeconfig", path)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"mitmkube: ")
        assert done.stderr.count(b"\n") == 1


def test_state_folder_that_cannot_be_used_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        web_module.state_folder({"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "file")})


# Who may ask


@pytest.mark.parametrize("path", ["/", "/flows", "/options.json", "/events", "/state"])
def test_page_needs_the_token(running_web: Web, path: str) -> None:
    assert running_web.get(path, token="wrong")[0] == 403
    assert running_web.get(path)[0] == 200


def test_page_and_proxy_listen_on_loopback_only(running_web: Web) -> None:
    options = json.loads(running_web.get("/options.json")[1])
    assert options["listen_host"]["value"] == "127.0.0.1"
    assert options["web_host"]["value"] == "127.0.0.1"


@pytest.mark.parametrize("login", ["", "Proxy-Authorization: Basic bWl0bWt1YmUtMTp3cm9uZw==\r\n"])
def test_proxy_needs_the_password(running_web: Web, api: ApiServer, login: str) -> None:
    port = json.loads(running_web.get("/options.json")[1])["listen_port"]["value"]
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(f"CONNECT 127.0.0.1:{api.port} HTTP/1.1\r\nHost: x\r\n{login}\r\n".encode())
        answer = connection.recv(65536)
    assert b" 407 " in answer.splitlines()[0]
    assert api.requests == []
    assert json.loads(running_web.get("/flows")[1]) == []


# What the page shows


def flow_of(flows: list[dict[str, Any]], path: str) -> dict[str, Any]:
    return next(flow for flow in flows if flow["request"]["path"].startswith(path))


def test_refused_request_has_a_comment_and_a_mark(running_web: Web) -> None:
    running_web.run(*CLIENT, PODS, REFUSED)
    flows = running_web.flows(2)
    assert flow_of(flows, REFUSED)["comment"] == "rbac at authorization: jane may not list pods in namespace prod."
    assert flow_of(flows, REFUSED)["marked"]
    assert not flow_of(flows, PODS)["marked"]


def test_comment_column_is_on(running_web: Web) -> None:
    assert "comment" in json.loads(running_web.get("/options.json")[1])["web_columns"]["value"]


def test_page_shows_no_secret(running_web: Web, kubectl: str) -> None:
    running_web.run(*CLIENT, SECRET, REFUSED)
    running_web.run(kubectl, "get", "secret", "db", "-o", "yaml")
    shown = running_web.get("/flows")[1]
    for flow in running_web.flows(3):
        for message in ("request", "response"):
            shown += running_web.get(f"/flows/{flow['id']}/{message}/content.data")[1]
            for view in ("Auto", "Kubernetes", "Raw", "JSON"):
                shown += running_web.get(f"/flows/{flow['id']}/{message}/content/{view}.json")[1]
    shown += running_web.get("/flows/dump")[1]
    shown += running_web.get("/flows")[1]
    assert b"jane may not list" in shown
    assert b'authorization"' not in shown.lower()
    for secret in (TOKEN, SECRET_VALUE, SECRET_PLAIN):
        assert secret.encode() not in shown


def test_arguments_of_an_exec_are_hidden_once_it_has_ended(running_web: Web, kubectl: str, api: ApiServer) -> None:
    running_web.run(kubectl, "exec", "web", "--", "sh", "-c", "my-passphrase")
    flows = running_web.flows(len(api.requests))
    assert "/pods/web/exec?" in flow_of(flows, f"{PODS}/web/exec")["request"]["path"]
    assert b"my-passphrase" not in running_web.get("/flows")[1]
    assert b"my-passphrase" not in running_web.get("/flows/dump")[1]


def test_kubernetes_view_shows_the_finding_above_the_body(running_web: Web) -> None:
    running_web.run(*CLIENT, REFUSED)
    (flow,) = running_web.flows(1)
    view = json.loads(running_web.get(f"/flows/{flow['id']}/response/content/Auto.json")[1])
    assert view["view_name"] == "Kubernetes"
    text = view["text"]
    assert 0 <= text.index("failed: rbac") < text.index("verb: list") < text.index("reason: Forbidden")


def test_request_to_a_server_of_no_kubeconfig_is_refused(running_web: Web, api: ApiServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        port = elsewhere.getsockname()[1]
        overlay = Path(running_web.exported.split(":")[0])
        moved = running_web.place.work / "moved"
        moved.write_text(overlay.read_text().replace(f":{api.port}\n", f":{port}\n"))
        exported = f"{moved}:{running_web.place.environ['KUBECONFIG']}"
        done = Web(running_web.place, running_web.process, exported, "").run(*CLIENT, PODS)
        assert done.returncode == 1
        elsewhere.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
