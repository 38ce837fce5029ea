"""``--wrap-plugin``: a certificate that a credential plugin returns passes, and no plugin notices."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import pki
from tests.cluster.cluster import Cluster
from tests.cluster.command import Outcome
from tests.cluster.conftest import MitmkubeRun, RunDirect
from tests.cluster.kubectl import Kubectl
from tests.mitmkube.commands import Place, free_ports, web

PODS = ["get", "pods", "-o", "name"]
CREDENTIAL = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}

# Another certificate each time.
ROTATING = """\
n=$(ls "$FOLDER"/used 2>/dev/null | wc -l)
mkdir -p "$FOLDER/used" && touch "$FOLDER/used/$n"
cat "$FOLDER/$n.json"
"""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A kubeconfig whose user has a credential plugin, written as a shell script."""

    cluster: Cluster
    folder: Path

    def kubeconfig(self, script: str, **exec_: Any) -> Path:
        command = self.folder / "login"
        command.write_text(f"#!/bin/sh\n{script}")
        command.chmod(0o755)
        stanza = {"command": "./login", "apiVersion": CREDENTIAL["apiVersion"], "interactiveMode": "Never", **exec_}
        return self.cluster.identities.write_kubeconfig(self.folder / "config", "sso", {"exec": stanza})

    def returning(self, status: Mapping[str, str], **exec_: Any) -> Path:
        (self.folder / "credential.json").write_text(json.dumps({**CREDENTIAL, "status": status}))
        return self.kubeconfig(f"cat {shlex.quote(str(self.folder / 'credential.json'))}\n", **exec_)


@pytest.fixture
def plugin(cluster: Cluster, tmp_path: Path) -> Plugin:
    return Plugin(cluster, tmp_path)


@pytest.fixture
def certificate(cluster: Cluster) -> dict[str, str]:
    """What a plugin says that logs in as jane."""
    stanza = cluster.identities.stanza("jane")
    return {
        "clientCertificateData": base64.b64decode(stanza["client-certificate-data"]).decode(),
        "clientKeyData": base64.b64decode(stanza["client-key-data"]).decode(),
    }


type Both = Callable[..., tuple[Outcome, Outcome]]


@pytest.fixture
def both(run_direct: RunDirect, mitmkube_run: MitmkubeRun, tmp_path: Path) -> Both:
    """A kubectl command directly, and through ``mitmkube run --wrap-plugin``."""

    def run(kubectl: Kubectl, args: Sequence[str], config: Path, **more: Any) -> tuple[Outcome, Outcome]:
        direct = run_direct(kubectl, args, config, **more)
        outputs = [f"--report={tmp_path / 'report'}", f"--json={tmp_path / 'story'}"]
        return direct, mitmkube_run(["--wrap-plugin", *outputs, "--", kubectl.path, *args], config, **more)

    return run


def in_session(outcome: Outcome) -> tuple[int, str, str]:
    """The plugin is named by a link in the session's folder, where it stands beside the kubeconfig otherwise."""
    status, stdout, stderr = outcome.masked
    return status, stdout, re.sub(r"/[^ ]*/(?=login\b)", "", stderr)


@pytest.mark.parametrize(
    "args",
    [PODS, ["get", "--raw", "/version"], ["auth", "whoami", "-o", "name"], ["exec", "p0", "--", "true"]],
    ids=str,
)
def test_certificate_of_a_plugin_passes(
    plugin: Plugin, certificate: dict[str, str], kubectl: Kubectl, both: Both, args: list[str], tmp_path: Path
) -> None:
    direct, through = both(kubectl, args, plugin.returning(certificate))
    assert through.masked == direct.masked
    story = json.loads((tmp_path / "story").read_text())
    assert story["requests"]
    assert "mitmkube" not in {finding["hop"] for finding in story["findings"]}
    if args is PODS:
        assert 'User "jane" cannot list' in through.stderr


def test_token_of_a_plugin_passes_as_without_the_shim(
    plugin: Plugin, cluster: Cluster, kubectl: Kubectl, both: Both
) -> None:
    direct, through = both(kubectl, PODS, plugin.returning({"token": cluster.identities.stanza("bob")["token"]}))
    assert through.masked == direct.masked
    assert 'User "bob" cannot list' in through.stderr


@pytest.mark.parametrize(
    "script",
    [
        "echo no >&2; exit 3\n",
        "kill -9 $$\n",
        "echo nonsense\n",
        "echo '{}'\n",
        'echo \'{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1"}\'\n',
    ],
)
def test_plugin_that_fails_says_so_itself(
    plugin: Plugin, kubectls: tuple[Kubectl, ...], both: Both, script: str
) -> None:
    direct, through = both(kubectls[-1], PODS, plugin.kubeconfig(script))
    assert in_session(through) == in_session(direct)
    assert through.status == 1


def test_plugin_that_is_missing_is_told_with_the_users_hint(
    plugin: Plugin, kubectls: tuple[Kubectl, ...], both: Both
) -> None:
    file = plugin.kubeconfig("", command="no-such-login", installHint="ask the platform team")
    direct, through = both(kubectls[-1], PODS, file)
    assert through.masked == direct.masked
    assert "executable no-such-login not found" in through.stderr
    assert "ask the platform team" in through.stderr


def test_plugin_gets_its_arguments_variables_and_cluster(
    plugin: Plugin, kubectls: tuple[Kubectl, ...], both: Both, tmp_path: Path
) -> None:
    """All that kubectl tells a plugin; the way to the cluster is the proxy's, as for every other program."""
    file = plugin.kubeconfig(
        'echo "$PROFILE $*" >&2; printf %s "$KUBERNETES_EXEC_INFO" >> "$FOLDER/info"; exit 9\n',
        args=["get", "a b", ""],
        env=[{"name": "PROFILE", "value": "dev"}, {"name": "FOLDER", "value": str(tmp_path)}],
        provideClusterInfo=True,
    )
    direct, through = both(kubectls[-1], ["get", "--raw", "/version"], file)
    assert in_session(through) == in_session(direct)
    assert "dev get a b \n" in through.stderr
    infos = re.findall(r"\{.*?\}\}(?=\{|$)", (tmp_path / "info").read_text())
    told = [json.loads(info) for info in infos]
    ours = told[-1]["spec"]["cluster"]
    for key in ("certificate-authority-data", "proxy-url"):
        assert ours.pop(key) != told[0]["spec"]["cluster"].pop(key, None)
    assert told[-1] == told[0]


# One kubectl that stays, asked who it is before and after its certificate has ended.
STAYING = """\
import json, re, subprocess, sys, time, urllib.request
proxy = subprocess.Popen([sys.argv[1], "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
address = re.search(r"127[.]0[.]0[.]1:[0-9]+", proxy.stdout.readline())[0]
def whoami():
    review = b'{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}'
    request = urllib.request.Request(f"http://{address}/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    request.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(request, timeout=60))["status"]["userInfo"]["username"]
said = [whoami(), whoami()]
time.sleep(max(0, float(sys.argv[2]) + 1 - time.time()))
said += [whoami(), whoami()]
proxy.terminate()
print(*said)
"""


def test_certificate_that_ends_while_a_program_runs_is_followed_by_the_next(
    plugin: Plugin, cluster: Cluster, kubectls: tuple[Kubectl, ...], mitmkube_run: MitmkubeRun, tmp_path: Path
) -> None:
    ends = time.time() + 15
    for number in range(9):
        pair = cluster.identities.authority.issue(f"rotating-{number}", ["system:masters"], usage=pki.CLIENT)
        status = {
            "clientCertificateData": pair.certificate_pem.decode(),
            "clientKeyData": pair.key_pem.decode(),
            "expirationTimestamp": _rfc3339(ends) if number == 0 else "2099-01-01T00:00:00Z",
        }
        (tmp_path / f"{number}.json").write_text(json.dumps({**CREDENTIAL, "status": status}))
    file = plugin.kubeconfig(ROTATING, env=[{"name": "FOLDER", "value": str(tmp_path)}])
    program = tmp_path / "staying.py"
    program.write_text(STAYING)
    kubectl = kubectls[-1].path
    outcome = mitmkube_run(["--wrap-plugin", "--quiet", "--", sys.executable, program, kubectl, str(ends)], file)
    assert outcome.stdout.split() == ["rotating-0", "rotating-0", "rotating-1", "rotating-1"]


def _rfc3339(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_key_is_in_no_file_no_command_line_and_no_environment(
    plugin: Plugin,
    certificate: dict[str, str],
    kubectls: tuple[Kubectl, ...],
    mitmkube_run: MitmkubeRun,
    tmp_path: Path,
) -> None:
    """Looked for while the session is up and the proxy has the key, by a program of the session itself."""
    needle = certificate["clientKeyData"].splitlines()[1]
    body = tmp_path / "look.py"
    body.write_text(
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "kubectl, needle = sys.argv[1], Path(sys.argv[2]).read_bytes()\n"
        "subprocess.run([kubectl, 'get', 'pods'])\n"
        "overlay = Path(os.environ['KUBECONFIG'].split(os.pathsep)[0])\n"
        "files = [p for p in overlay.parent.rglob('*') if p.is_file() and not p.is_symlink()]\n"
        "files += [p / n for p in Path('/proc').glob('[0-9]*') for n in ('cmdline', 'environ')]\n"
        "looked = 0\n"
        "for file in files:\n"
        "    try:\n"
        "        content = file.read_bytes()\n"
        "    except OSError:\n"
        "        continue\n"
        "    looked += 1\n"
        "    if needle in content:\n"
        "        print('found in', file)\n"
        "print('looked at', looked > 3, oct((overlay.parent / 'plugins.sock').stat().st_mode & 0o777))\n"
    )
    (tmp_path / "needle").write_text(needle)
    outcome = mitmkube_run(
        [
            *("--wrap-plugin", f"--har={tmp_path / 'har'}", f"--json={tmp_path / 'story'}"),
            *("--", sys.executable, body, kubectls[-1].path, tmp_path / "needle"),
        ],
        plugin.returning(certificate),
    )
    assert 'User "jane" cannot list' in outcome.stderr
    assert outcome.stdout.splitlines() == ["looked at True 0o600"]
    for text in (outcome.stderr, *((tmp_path / name).read_text() for name in ("har", "story"))):
        assert needle not in text


def test_standing_proxy_takes_the_certificate_too(
    plugin: Plugin, certificate: dict[str, str], kubectls: tuple[Kubectl, ...], tmp_path: Path
) -> None:
    config = plugin.returning(certificate)
    (tmp_path / "place").mkdir()
    place = Place.make(tmp_path / "place", config)
    proxy, page = free_ports(2)
    with web(place, "--wrap-plugin", "--port", proxy, "--web-port", page) as running:
        ended = running.run(str(kubectls[-1].path), "get", "pods")
        assert b'User "jane" cannot list' in ended.stderr
        written = place.mitmkube("kubeconfig", "--wrap-plugin", tmp_path / "written")
        listed = shlex.split(written.stdout.decode().removeprefix("export KUBECONFIG="))[0]
        ended = place.shell(f"KUBECONFIG={shlex.quote(listed)} {shlex.quote(str(kubectls[-1].path))} get pods")
        assert b'User "jane" cannot list' in ended.stderr
