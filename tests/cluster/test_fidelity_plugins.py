"""Credential plugins that give a token, or fail to: kubectl says the same through mitmkube, and calls them as often."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.fidelity import Sides
from tests.cluster.kubectl import Kubectl
from tests.cluster.masking import ALWAYS

GIVE = """\
#!/bin/sh
echo called >> calls
echo "signing in" >&2
cat <<END
{"apiVersion": "client.authentication.k8s.io/VERSION", "kind": "ExecCredential", "status": STATUS}
END
"""
# The commands that a plugin is asked for; each with the exit status it ends with when the token is good.
COMMANDS = """\
get pods -o name
auth can-i delete nodes
create configmap made --from-literal=a=b --dry-run=server
get pods nobody
exec p0 -- echo out
"""


@pytest.fixture
def token(cluster: Cluster) -> str:
    stanza = cluster.identities.stanza("token")
    return str(stanza["token"])


def check(
    cluster: Cluster, kubectl: Kubectl, folder: Path, plugin: str, more: dict[str, Any] | None = None
) -> tuple[str, list[str]]:
    """Run COMMANDS with that plugin on both sides: what the plugin's calls and the commands differ in. Returns what the
    commands printed on stderr directly, and the differences."""
    stanza = {"command": "./here/plugin", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    sides = Sides(
        cluster,
        folder,
        user={"exec": {**stanza, **(more or {})}},
        namespaces=("default", "default"),
        masks=ALWAYS,
        files={"plugin": plugin},
    )
    found, said = [], ""
    for side in (sides.direct, sides.through):
        (side.folder / "plugin").chmod(0o700)
    for command in COMMANDS.splitlines():
        outcomes = sides.run([str(kubectl.path), *command.split()])
        said += outcomes[0].stderr
        found += sides.compare(command, outcomes)
    calls = [
        (side.folder / "calls").read_text() if (side.folder / "calls").exists() else ""
        for side in (sides.direct, sides.through)
    ]
    if calls[0] != calls[1]:
        found.append(f"the plugin was called {calls[0].count('called')} and {calls[1].count('called')} times")
    return said, found


def giving(version: str = "v1", **status: str) -> str:
    return GIVE.replace("VERSION", version).replace("STATUS", json.dumps(status))


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_plugin_that_gives_a_token(
    cluster: Cluster, kubectl: Kubectl, tmp_path: Path, token: str, version: str
) -> None:
    more = {"apiVersion": f"client.authentication.k8s.io/{version}"}
    said, found = check(cluster, kubectl, tmp_path, giving(version, token=token), more)
    assert found == []
    assert "signing in" in said
    assert 'pods "nobody" not found' in said


def test_plugin_whose_token_has_expired_is_called_again(
    cluster: Cluster, kubectl: Kubectl, tmp_path: Path, token: str
) -> None:
    """With every request, and with every connection that asks for a certificate: through mitmkube, where HTTP/1.1 is
    spoken, requests at one time have a connection each."""
    plugin = giving(token=token, expirationTimestamp="2026-01-01T00:00:00Z").replace('echo "signing in" >&2\n', "")
    said, found = check(cluster, kubectl, tmp_path, plugin)
    calls = [len((tmp_path / side / "here" / "calls").read_text().splitlines()) for side in "ab"]
    assert len(COMMANDS.splitlines()) < calls[0] <= calls[1]
    assert [one for one in found if "the plugin was called" not in one] == []
    assert 'pods "nobody" not found' in said


def test_plugin_whose_token_is_refused(cluster: Cluster, kubectl: Kubectl, tmp_path: Path) -> None:
    said, found = check(cluster, kubectl, tmp_path, giving(token="nobody-knows-this"))
    assert found == []
    assert "Unauthorized" in said or "You must be logged in" in said


@pytest.mark.parametrize(
    ("plugin", "more", "expected"),
    [
        ("#!/bin/sh\necho 'no session' >&2\nexit 3\n", {}, "exit code 3"),
        ("#!/bin/sh\necho gibberish\n", {}, "json parse error"),
        (giving("v1alpha9", token="x"), {}, "v1alpha9"),
        (giving(), {}, "token"),
        (giving(token="x"), {"command": "no-such-plugin", "installHint": "install it from a.example"}, "a.example"),
        (giving(token="x"), {"interactiveMode": "Always"}, "standard input"),
    ],
    ids=["fails", "gibberish", "other-version", "nothing", "missing", "interactive"],
)
def test_plugin_that_gives_no_token(
    cluster: Cluster, kubectl: Kubectl, tmp_path: Path, plugin: str, more: dict[str, Any], expected: str
) -> None:
    said, found = check(cluster, kubectl, tmp_path, plugin, more)
    assert found == []
    assert expected in said


def test_plugin_is_told_the_way_through_the_proxy_and_nothing_else_new(
    cluster: Cluster, kubectl: Kubectl, tmp_path: Path, token: str
) -> None:
    """It would not get through otherwise, if it asked the cluster itself."""
    plugin = giving(token=token).replace("echo called", 'echo "$KUBERNETES_EXEC_INFO"')
    user = {"exec": {"command": "./here/plugin", "apiVersion": "client.authentication.k8s.io/v1",
                     "interactiveMode": "Never", "provideClusterInfo": True}}  # fmt: skip
    sides = Sides(
        cluster, tmp_path, user=user, namespaces=("default", "default"), masks=ALWAYS, files={"plugin": plugin}
    )
    told = []
    for side in (sides.direct, sides.through):
        (side.folder / "plugin").chmod(0o700)
    outcomes = sides.run([str(kubectl.path), "get", "pods", "-o", "name"])
    assert sides.compare("get pods", outcomes) == []
    for side in (sides.direct, sides.through):
        told.append(json.loads((side.folder / "calls").read_text().splitlines()[0])["spec"]["cluster"])
    direct, through = told
    assert through.pop("proxy-url").startswith("http://mitmkube-")
    assert through.pop("certificate-authority-data") != direct.pop("certificate-authority-data")
    assert through == direct
