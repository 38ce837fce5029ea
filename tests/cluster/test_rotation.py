"""Files that are replaced while mitmkube runs count from then on: tokens, client certificates, the cluster's CA."""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.conftest import MitmkubeRun
from tests.cluster.kubectl import Kubectl
from tests.mitmkube.commands import Place, free_ports, web

# Files are replaced as tools do it: by renaming a new one, and in place.
RENAMING, IN_PLACE = 'cp "{}" "{}.new" && mv "{}.new" "{}"', 'cat "{}" > "{}"'

type Said = list[str]


@dataclass(frozen=True, slots=True)
class Rotating:
    """A kubeconfig that names files only, and where other files to replace them with are."""

    kubeconfig: Path
    folder: Path
    sources: Path

    def script(self, kubectl: Kubectl, replaced: str, by: list[str], *, in_place: bool) -> str:
        """Asks who it is, again and again, and each time with other files of the kind ``replaced`` in their place."""
        lines = []
        for name in by:
            for ending in (".crt", ".key") if replaced == "client" else ("",):
                source, target = self.sources / (name + ending), self.folder / (replaced + ending)
                copy = IN_PLACE.format(source, target) if in_place else RENAMING.format(source, target, target, target)
                lines.append(copy)
            lines.append(f"{shlex.quote(str(kubectl.path))} get pods 2>&1 | tail -1")
        return "\n".join(lines)


@pytest.fixture
def rotating(cluster: Cluster, tmp_path: Path) -> Callable[[dict[str, str]], Rotating]:
    folder, sources = tmp_path / "kube", tmp_path / "sources"
    for path in (folder, sources):
        path.mkdir()
    for name in ("jane", "dave"):
        for ending in (".crt", ".key"):
            shutil.copy(cluster.identities.pki / f"{name}{ending}", sources)
    shutil.copy(sources / "jane.crt", folder / "client.crt")
    shutil.copy(sources / "jane.key", folder / "client.key")
    for name in ("bob", "token"):
        (sources / name).write_text(cluster.identities.stanza(name)["token"])
    shutil.copy(sources / "bob", folder / "token-file")
    shutil.copy(cluster.ca_file, sources / "ca")
    shutil.copy(cluster.identities.pki / "other-ca.crt", sources / "other-ca")
    shutil.copy(cluster.ca_file, folder / "ca")

    def make(user: dict[str, str]) -> Rotating:
        stanza = {"certificate-authority": "ca", "certificate-authority-data": None}
        file = cluster.identities.write_kubeconfig(folder / "config", "rotating", user, stanza)
        return Rotating(file, folder, sources)

    return make


KEY_PAIR = {"client-certificate": "client.crt", "client-key": "client.key"}
TOKEN = {"tokenFile": "token-file"}
CASES = {
    "client certificate": (KEY_PAIR, "client", ["jane", "dave", "jane"], ['User "jane"', 'User "dave"', 'User "jane"']),
    "token": (TOKEN, "token-file", ["bob", "token", "bob"], ['User "bob"', "p0", 'User "bob"']),
    "authority": (KEY_PAIR, "ca", ["ca", "other-ca", "ca"], ['User "jane"', "unknown authority", 'User "jane"']),
}


@pytest.mark.parametrize("in_place", [False, True], ids=["renamed", "in place"])
@pytest.mark.parametrize("case", CASES)
def test_file_that_is_replaced_under_a_running_command_counts(
    rotating: Callable[[dict[str, str]], Rotating],
    kubectls: tuple[Kubectl, ...],
    mitmkube_run: MitmkubeRun,
    tmp_path: Path,
    case: str,
    in_place: bool,
) -> None:
    user, replaced, by, expected = CASES[case]
    files = rotating(user)
    script = files.script(kubectls[-1], replaced, by, in_place=in_place)
    outcome = mitmkube_run([f"--report={tmp_path / 'report'}", "--", "sh", "-c", script], files.kubeconfig)
    said = outcome.stdout.splitlines()
    assert len(said) == len(expected)
    for line, words in zip(said, expected, strict=True):
        assert words in line


@pytest.mark.parametrize("case", CASES)
def test_file_that_is_replaced_under_a_standing_proxy_counts(
    rotating: Callable[[dict[str, str]], Rotating], kubectls: tuple[Kubectl, ...], tmp_path: Path, case: str
) -> None:
    user, replaced, by, expected = CASES[case]
    files = rotating(user)
    with standing(tmp_path / "place", files.kubeconfig) as shell:
        said = shell(files.script(kubectls[-1], replaced, by, in_place=False))
    assert len(said) == len(expected)
    for line, words in zip(said, expected, strict=True):
        assert words in line


@contextlib.contextmanager
def standing(folder: Path, kubeconfig: Path) -> Iterator[Callable[[str], Said]]:
    folder.mkdir()
    proxy, page = free_ports(2)
    with web(Place.make(folder, kubeconfig), "--port", proxy, "--web-port", page) as running:
        yield lambda script: running.run("sh", "-c", script).stdout.decode().splitlines()


def test_program_that_stays_connected_is_not_disturbed_by_a_new_authority(
    rotating: Callable[[dict[str, str]], Rotating],
    kubectls: tuple[Kubectl, ...],
    mitmkube_run: MitmkubeRun,
    tmp_path: Path,
) -> None:
    """A tunnel that stands was verified when it was made; only the next one meets the new file."""
    files = rotating(TOKEN)
    kubectl = shlex.quote(str(kubectls[-1].path))
    script = f"""
        {kubectl} get --raw '/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=5' > {tmp_path}/watch &
        until [ -s {tmp_path}/watch ]; do sleep 0.1; done
        cp {files.sources}/other-ca {files.folder}/ca; {kubectl} get --raw /version 2>&1; wait $! && echo watched
    """
    story = tmp_path / "story"
    (files.folder / "token-file").write_text((files.sources / "token").read_text())
    outcome = mitmkube_run([f"--json={story}", "--quiet", "--", "sh", "-c", script], files.kubeconfig)
    assert "unknown authority" in outcome.stdout
    assert outcome.stdout.endswith("watched\n")
    assert [one["status"] for one in json.loads(story.read_text())["requests"] if one["method"] == "GET"] == [200]
