"""``mitmkube web`` while its kubeconfig changes: what runs goes on, and what is new is served."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.cluster import pki
from tests.mitmkube.api_server import ApiServer, api_server
from tests.mitmkube.commands import CLIENT, SECONDS, Web

PODS = "/api/v1/namespaces/default/pods"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def overlay_of(running: Web) -> Path:
    return Path(running.exported.split(":")[0])


def clusters(path: Path) -> dict[str, dict[str, str]]:
    return {entry["name"]: entry["cluster"] for entry in yaml.safe_load(path.read_text())["clusters"]}


def add_cluster(config: Path, name: str, server: ApiServer) -> None:
    beside = config.with_name(f"{name}-of-its-own")
    server.kubeconfig(beside, cluster=name)
    merged, other = yaml.safe_load(config.read_text()), yaml.safe_load(beside.read_text())
    for section in ("clusters", "contexts"):
        merged[section] = [*other[section], *merged[section]]
    config.write_text(yaml.safe_dump(merged))


def test_cluster_that_is_added_is_served_while_clients_go_on(running_web: Web, kubectl: str) -> None:
    own = Path(running_web.place.environ["KUBECONFIG"])
    before = overlay_of(running_web).read_bytes()
    with api_server() as other, subprocess.Popen(
        [*CLIENT, PODS, "--hold", PODS, PODS],
        env=running_web.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as going_on:  # fmt: skip
        assert going_on.stdout is not None
        assert going_on.stdout.readline().startswith(b"200 ")
        add_cluster(own, "added", other)
        until(lambda: "added" in clusters(overlay_of(running_web)))
        done = running_web.run(kubectl, "--context", "added", "get", "--raw", PODS)
        assert b"PodList" in done.stdout, done.stderr
        assert other.requests == [f"GET {PODS}"]
        output, error = going_on.communicate(b"", timeout=SECONDS)
        assert (going_on.returncode, output.count(b"200 "), error) == (0, 2, b"")
    assert running_web.run(*CLIENT, PODS).returncode in (0, 1)
    assert overlay_of(running_web).read_bytes() != before


def test_client_that_keeps_the_overlay_of_before_goes_on(running_web: Web) -> None:
    """Its old CA certificate vouches for what the new one signs: both have one key."""
    place = running_web.place
    kept = place.work / "kept"
    kept.write_bytes(overlay_of(running_web).read_bytes())
    old = Web(place, running_web.process, f"{kept}:{place.environ['KUBECONFIG']}", running_web.url)
    own = Path(place.environ["KUBECONFIG"])
    document = yaml.safe_load(own.read_text())
    document["clusters"].append({"name": "named", "cluster": {"server": "https://api.example.test:6443"}})
    own.write_text(yaml.safe_dump(document))
    until(lambda: "named" in clusters(overlay_of(running_web)))
    before, now = (clusters(path)["dev"]["certificate-authority-data"] for path in (kept, overlay_of(running_web)))
    assert before != now
    assert old.run(*CLIENT, PODS).stdout.startswith(b"200 ")
    assert running_web.run(*CLIENT, PODS).stdout.startswith(b"200 ")


def test_server_that_is_gone_from_the_kubeconfig_is_reached_no_more(running_web: Web, api: ApiServer) -> None:
    place = running_web.place
    kept = place.work / "kept"
    kept.write_bytes(overlay_of(running_web).read_bytes())
    old = Web(place, running_web.process, f"{kept}:{place.environ['KUBECONFIG']}", running_web.url)
    assert old.run(*CLIENT, PODS).stdout.startswith(b"200 ")
    own = Path(place.environ["KUBECONFIG"])
    own.write_text(own.read_text().replace(api.url, "https://127.0.0.1:1"))
    until(lambda: clusters(overlay_of(running_web))["dev"]["server"] == "https://127.0.0.1:1")
    asked = len(api.requests)
    assert old.run(*CLIENT, PODS).returncode == 1
    assert len(api.requests) == asked


def test_authority_of_the_server_that_was_rotated_counts_at_once(running_web: Web, kubectl: str) -> None:
    file = Path(running_web.place.environ["KUBECONFIG"]).with_name("kubeconfig.dev.crt")
    right = file.read_bytes()
    get = (kubectl, "get", "--raw", PODS)
    assert running_web.run(*get).returncode == 0
    file.write_bytes(pki.Authority.create("another").certificate_pem)
    until(lambda: b"certificate signed by unknown authority" in running_web.run(*get).stderr)
    file.write_bytes(right)
    until(lambda: running_web.run(*get).returncode == 0)


def test_kubeconfig_that_is_broken_for_a_while_is_said_and_outlived(running_web: Web) -> None:
    own = Path(running_web.place.environ["KUBECONFIG"])
    overlay = overlay_of(running_web).read_bytes()
    alone = running_web.place.work / "alone"
    alone.write_bytes(own.read_bytes())
    good = Web(running_web.place, running_web.process, f"{overlay_of(running_web)}:{alone}", running_web.url)
    own.write_text("{")
    assert running_web.process.stderr is not None
    said = running_web.process.stderr.readline().decode()
    assert said.startswith("mitmkube: ")
    assert said.endswith("; going on with the kubeconfig as it was\n")
    assert good.run(*CLIENT, PODS).stdout.startswith(b"200 ")
    assert overlay_of(running_web).read_bytes() == overlay
    own.write_bytes(alone.read_bytes())
    assert running_web.stop() == (b"", b"")
