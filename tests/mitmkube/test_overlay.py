"""The overlay leads kubectl through the proxy, and what a command writes ends in the user's own files."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzers.kubeconfig import Cluster, Kubeconfig, in_cluster, load
from mitmkube.overlay import Overlay

CA = b"-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"
PROXY_CA = b"-----BEGIN CERTIFICATE-----\nUFJPWFk=\n-----END CERTIFICATE-----\n"
CA_DATA = base64.b64encode(CA).decode()
PROXY_CA_DATA = base64.b64encode(PROXY_CA).decode()


def proxy_url_for(cluster: Cluster) -> str:
    return f"http://{cluster.name.encode().hex()}:proxy-password@127.0.0.1:3128"


class Home:
    """A home folder with kubeconfig files, run with or without the overlay."""

    def __init__(self, folder: Path, files: Mapping[str, str], kubeconfig: str | None) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "ca.crt").write_bytes(CA)
        (folder / "other.crt").write_bytes(CA)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
            path.with_name("ca.crt").write_bytes(CA)
        self.environ = {"HOME": str(folder), "PATH": os.environ["PATH"]}
        self.paths: tuple[Path, ...] = (folder / ".kube" / "config",)
        if kubeconfig is not None:
            self.paths = tuple(folder / name for name in kubeconfig.split(":"))
            self.environ["KUBECONFIG"] = os.pathsep.join(map(str, self.paths))

    def overlay(self) -> Overlay:
        (self.folder / "run").mkdir(exist_ok=True)
        return Overlay.write(self.folder / "run" / "overlay", load(self.paths), proxy_url_for, PROXY_CA)

    def run(self, argv: list[str], environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [argument.replace("HOME", str(self.folder)) for argument in argv],
            env=dict(environ or self.environ),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def content(self) -> dict[str, Any]:
        """Every kubeconfig file by name, as client-go would see it."""
        return {
            str(path.relative_to(self.folder)): semantics(path, self.folder) if path.exists() else None
            for path in self.paths
        }


def semantics(path: Path, home: Path) -> dict[str, Any]:
    data = yaml.safe_load(path.read_text()) or {}
    result: dict[str, Any] = {
        "current-context": data.get("current-context") or "",
        "preferences": data.get("preferences") or {},
    }
    for section, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        result[section] = {
            entry["name"]: {k: v for k, v in (entry.get(key) or {}).items() if v} for entry in data.get(section) or ()
        }
    text = yaml.safe_dump(result).replace(str(home), "HOME")
    result = yaml.safe_load(text)
    for section in ("clusters", "users"):
        for stanza in result[section].values():
            for field in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
                if field in stanza:
                    stanza[field] = os.path.normpath(Path(str(path.parent)) / stanza[field].replace("HOME", str(home)))
                    stanza[field] = stanza[field].replace(str(home), "HOME")
    return result


A = f"""
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster:
    server: https://dev.example:6443/prefix
    certificate-authority-data: {CA_DATA}
    tls-server-name: kube.example
    extensions:
    - name: client.authentication.k8s.io/exec
      extension: {{audience: dev}}
- name: file
  cluster: {{server: "https://file.example", certificate-authority: ca.crt, proxy-url: "http://corporate.example:8080"}}
- name: insecure
  cluster: {{server: "https://insecure.example", insecure-skip-tls-verify: true}}
contexts:
- name: dev
  context: {{cluster: dev, user: jane}}
- name: file
  context: {{cluster: file, user: jane, namespace: prod}}
users:
- name: jane
  user: {{token: jane-token}}
"""
B = """
apiVersion: v1
kind: Config
current-context: other
clusters:
- name: dev
  cluster: {server: "https://shadowed.example"}
- name: plain
  cluster: {server: "http://plain.example:8001"}
contexts:
- name: other
  context: {cluster: plain, user: john}
users:
- name: john
  user: {token: "0123"}
- name: jane
  user: {token: hidden}
"""
LAYOUTS: dict[str, tuple[dict[str, str], str | None]] = {
    "home": ({".kube/config": A}, None),
    "two": ({"a/config": A, "b/config": B}, "a/config:b/config"),
    "two-reversed": ({"a/config": A, "b/config": B}, "b/config:a/config"),
    "first-missing": ({"a/config": A}, "new/config:a/config"),
}

COMMANDS = [
    "use-context other",
    "use-context file",
    "use-context nowhere",
    "set-context fresh --cluster=dev --user=jane --namespace=ci",
    "set-context dev --namespace=ci",
    "set-context --current --namespace=ci",
    "set-credentials bob --token=bob-token",
    "set-credentials bob --client-certificate=HOME/other.crt --client-key=HOME/ca.crt",
    "set-credentials bob --client-certificate=HOME/other.crt --client-key=HOME/ca.crt --embed-certs",
    "set-credentials jane --token=rotated",
    "set-credentials bob --exec-api-version=client.authentication.k8s.io/v1 --exec-command=login --exec-arg=a"
    " --exec-env=K=1 --exec-interactive-mode=Never",
    "set-cluster dev --server=https://moved.example:6443",
    "set-cluster dev --server=https://moved.example:6443 --tls-server-name=new.example",
    "set-cluster dev --insecure-skip-tls-verify=true",
    "set-cluster file --insecure-skip-tls-verify=true",
    "set-cluster file --certificate-authority=HOME/other.crt",
    "set-cluster file --certificate-authority=HOME/other.crt --embed-certs=true",
    "set-cluster dev --certificate-authority=HOME/other.crt",
    "set-cluster dev --certificate-authority=HOME/other.crt --embed-certs=true",
    "set-cluster insecure --certificate-authority=HOME/other.crt --embed-certs=true",
    "set-cluster dev --proxy-url=http://corporate.example:3128",
    "set-cluster plain --server=https://plain.example",
    "set-cluster fresh --server=https://fresh.example --certificate-authority=HOME/other.crt",
    "set-cluster fresh --server=https://fresh.example --insecure-skip-tls-verify=true",
    "delete-cluster dev",
    "delete-cluster plain",
    "delete-cluster nowhere",
    "delete-context dev",
    "delete-context other",
    "delete-user jane",
    "rename-context dev renamed",
    "rename-context file renamed",
    "unset current-context",
    "unset clusters.file.proxy-url",
    "unset clusters.dev.certificate-authority-data",
    "unset clusters.dev.tls-server-name",
    "unset clusters.dev",
    "unset users.jane.token",
    "unset contexts.file.namespace",
    "unset contexts.file",
    "set current-context file",
    "set clusters.dev.server https://moved.example",
    "set clusters.fresh.server https://fresh.example",
    "set clusters.dev.certificate-authority HOME/other.crt",
    "set clusters.dev.insecure-skip-tls-verify true",
    "set clusters.dev.disable-compression true",
    "set users.bob.token bob-token",
    "set users.bob.tokenFile relative/token",
    "set contexts.fresh.cluster dev",
    "set preferences.colors true",
    "view --raw",
    "get-contexts",
    "current-context",
]


# Each kubectl run costs a fraction of a second: every command in the layouts of most people, a few in the odd ones.
WRITES_ANYWHERE = [command for command in COMMANDS if command.split()[0] in ("use-context", "delete-cluster", "unset")]
RUNS = [
    ("newest", "home", COMMANDS),
    ("newest", "two", COMMANDS),
    ("oldest", "two", COMMANDS),
    ("newest", "two-reversed", WRITES_ANYWHERE),
    ("newest", "first-missing", [*WRITES_ANYWHERE, "set preferences.colors true", "set-cluster fresh --server=x"]),
]


@pytest.mark.parametrize(
    ("kubectl", "layout", "commands"), RUNS, indirect=["kubectl"], ids=lambda value: str(value)[:12]
)
def test_config_commands_change_the_same_files_as_without_the_overlay(
    kubectl: str, layout: str, commands: list[str], tmp_path: Path
) -> None:
    differing = []
    for index, command in enumerate(commands):
        direct = Home(tmp_path / f"direct-{index}", *LAYOUTS[layout])
        through = Home(tmp_path / f"through-{index}", *LAYOUTS[layout])
        overlay = through.overlay()
        argv = [kubectl, "config", *command.split()]
        expected = direct.run(argv)
        got = through.run(argv, overlay.environment(through.environ, through.folder))
        notices = overlay.carry_back()
        if (expected.returncode, direct.content(), ()) != (got.returncode, through.content(), notices):
            differing.append((command, direct.content(), through.content(), notices, expected.stderr, got.stderr))
        assert ours_in(through) == [], command
        assert not list(through.folder.rglob("*.lock")), command
    assert differing == []


def ours_in(home: Home) -> list[Path]:
    """The user's files that hold anything of the proxy's."""
    texts = {path: path.read_text() for path in home.paths if path.exists()}
    return [path for path, text in texts.items() if "proxy-password" in text or PROXY_CA_DATA in text]


def test_several_commands_in_one_shell_are_carried_back_together(kubectl: str, tmp_path: Path) -> None:
    script = (
        "KUBECTL config set-cluster fresh --server=https://fresh.example"
        " && KUBECTL config set-credentials bob --token=t"
        " && KUBECTL config set-context fresh --cluster=fresh --user=bob"
        " && KUBECTL config use-context fresh"
        " && KUBECTL config set-cluster dev --server=https://moved.example && KUBECTL config delete-context file"
    ).replace("KUBECTL", kubectl)
    direct = Home(tmp_path / "direct", *LAYOUTS["two"])
    through = Home(tmp_path / "through", *LAYOUTS["two"])
    overlay = through.overlay()
    assert direct.run(["sh", "-c", script]).returncode == 0
    assert through.run(["sh", "-c", script], overlay.environment(through.environ, through.folder)).returncode == 0
    assert overlay.carry_back() == ()
    assert through.content() == direct.content()
    assert direct.content()["a/config"]["current-context"] == "fresh"


def test_merging_all_files_into_one_does_not_take_the_proxy_along(kubectl: str, tmp_path: Path) -> None:
    script = f"{kubectl} config view --raw --flatten > merged && mv merged a/config"
    direct = Home(tmp_path / "direct", *LAYOUTS["two"])
    through = Home(tmp_path / "through", *LAYOUTS["two"])
    overlay = through.overlay()
    direct.run(["sh", "-c", script])
    through.run(["sh", "-c", script], overlay.environment(through.environ, through.folder))
    assert "proxy-password" in (through.folder / "a/config").read_text()
    assert overlay.carry_back() == ()
    assert ours_in(through) == []
    clusters = through.content()["a/config"]["clusters"]
    expected = direct.content()["a/config"]["clusters"]
    # kubectl has put the file's bytes in; the path to the same file is put back
    assert clusters["file"].pop("certificate-authority") == "HOME/a/ca.crt"
    assert expected["file"].pop("certificate-authority-data") == CA_DATA
    assert clusters == expected


def test_overlay_is_what_kubectl_takes_for_the_cluster(kubectl: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    overlay = home.overlay()
    argv = [kubectl, "config", "view", "--raw", "-o", "yaml"]
    seen = yaml.safe_load(home.run(argv, overlay.environment(home.environ, home.folder)).stdout)
    clusters = {entry["name"]: entry["cluster"] for entry in seen["clusters"]}
    assert clusters["dev"] == {
        "server": "https://dev.example:6443/prefix",
        "tls-server-name": "kube.example",
        "proxy-url": "http://646576:proxy-password@127.0.0.1:3128",
        "certificate-authority-data": PROXY_CA_DATA,
        "extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "dev"}}],
    }
    assert seen["current-context"] == "dev"
    assert {entry["name"]: entry["user"] for entry in seen["users"]}["jane"] == {"token": "jane-token"}


def written(home: Home) -> dict[str, Any]:
    overlay = home.overlay()
    data = yaml.safe_load(overlay.path.read_text())
    assert set(data) == {"apiVersion", "kind", "clusters"}
    return {entry["name"]: entry["cluster"] for entry in data["clusters"]}


def test_overlay_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["home"])
    (home.folder / "run").mkdir()
    (home.folder / "run" / "overlay").write_text("left over")
    (home.folder / "run" / "overlay").chmod(0o644)
    assert stat.S_IMODE(home.overlay().path.stat().st_mode) == 0o600


def test_insecure_cluster_gets_the_proxys_ca_in_the_overlay(tmp_path: Path) -> None:
    stanza = written(Home(tmp_path / "home", *LAYOUTS["home"]))["insecure"]
    assert "insecure-skip-tls-verify" not in stanza
    assert stanza["certificate-authority-data"] == PROXY_CA_DATA


def test_http_server_gets_no_ca(tmp_path: Path) -> None:
    assert "certificate-authority-data" not in written(Home(tmp_path / "home", *LAYOUTS["two"]))["plain"]


def test_each_cluster_gets_its_own_proxy_url(tmp_path: Path) -> None:
    stanzas = written(Home(tmp_path / "home", *LAYOUTS["two"]))
    assert len({stanza["proxy-url"] for stanza in stanzas.values()}) == len(stanzas) == 4


def test_unknown_fields_of_a_cluster_are_kept(tmp_path: Path) -> None:
    text = A.replace(
        "    tls-server-name: kube.example\n", "    tls-server-name: kube.example\n    later: {field: 1}\n"
    )
    assert written(Home(tmp_path / "home", {".kube/config": text}, None))["dev"]["later"] == {"field": 1}


@pytest.mark.parametrize(
    "stanza",
    [
        '{server: ""}',
        '{server: "https://h", certificate-authority: missing.crt}',
        f'{{server: "https://h", certificate-authority: ca.crt, certificate-authority-data: {CA_DATA}}}',
        f'{{server: "https://h", insecure-skip-tls-verify: true, certificate-authority-data: {CA_DATA}}}',
        '{server: "https://h", certificate-authority-data: bm90IHBlbQ==}',
        '{server: "https://h", proxy-url: "ftp://h"}',
    ],
)
def test_cluster_that_kubectl_refuses_stays_kubectls_to_refuse(tmp_path: Path, stanza: str) -> None:
    text = f"clusters: [{{name: broken, cluster: {stanza}}}]"
    home = Home(tmp_path / "home", {".kube/config": text}, None)
    assert written(home) == {}
    assert home.overlay().environment(home.environ, home.folder) == home.environ


def test_environment_keeps_the_users_list_letter_by_letter(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["home"])
    overlay = home.overlay()
    environ = {"KUBECONFIG": "b/config::missing:b/config", "LANG": "C"}
    expected = {"KUBECONFIG": f"{overlay.path}:b/config::missing:b/config", "LANG": "C"}
    assert overlay.environment(environ, home.folder) == expected


def test_environment_names_the_default_file_even_when_it_does_not_exist(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["home"])
    overlay = home.overlay()
    assert overlay.environment({}, Path("/nowhere"))["KUBECONFIG"] == f"{overlay.path}:/nowhere/.kube/config"
    assert overlay.environment({"KUBECONFIG": "x"}, home.folder, Path("y"))["KUBECONFIG"] == f"{overlay.path}:y"


def test_overlay_in_a_pod_is_complete_and_holds_no_token(kubectl: str, tmp_path: Path) -> None:
    folder = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    folder.mkdir(parents=True)
    (folder / "token").write_text("the-token")
    (folder / "namespace").write_text("ci\n")
    (folder / "ca.crt").write_bytes(CA)
    pod = in_cluster({"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert pod is not None
    overlay = Overlay.write(tmp_path / "overlay", Kubeconfig(), proxy_url_for, PROXY_CA, pod=pod)
    environ = overlay.environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, tmp_path)
    argv = [kubectl, "config", "view", "--raw", "--minify", "-o", "yaml"]
    seen = yaml.safe_load(subprocess.run(argv, env=environ, capture_output=True, timeout=60, check=True).stdout)
    assert seen["clusters"][0]["cluster"] == {
        "server": "https://10.96.0.1:443",
        "proxy-url": proxy_url_for(pod.clusters["in-cluster"]),
        "certificate-authority-data": PROXY_CA_DATA,
    }
    assert seen["users"] == [{"name": "in-cluster", "user": {"tokenFile": str(folder / "token")}}]
    assert seen["contexts"][0]["context"]["namespace"] == "ci"
    assert "the-token" not in overlay.path.read_text()


def edited(home: Home, overlay: Overlay, change: Any) -> None:
    """Another program's edit of the overlay: ``change`` gets the content and changes it."""
    data = yaml.safe_load(overlay.path.read_text())
    change(data)
    overlay.path.write_text(yaml.safe_dump(data))


def test_nothing_is_written_when_nothing_was_changed(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    overlay = home.overlay()
    before = [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in home.paths]
    assert overlay.carry_back() == ()
    assert [(path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in home.paths] == before


def test_login_tool_that_rewrites_its_stanzas_reaches_the_users_file(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    overlay = home.overlay()

    def login(data: dict[str, Any]) -> None:
        other = base64.b64encode(CA + CA).decode()
        for entry in data["clusters"]:
            if entry["name"] == "dev":
                entry["cluster"] = {"server": "https://dev.example", "certificate-authority-data": other}
        data["users"] = [{"name": "sso", "user": {"exec": {"command": "aws"}}}]
        data["contexts"] = [{"name": "sso", "context": {"cluster": "dev", "user": "sso"}}]
        data["current-context"] = "sso"

    edited(home, overlay, login)
    assert overlay.carry_back() == ()
    content = home.content()["a/config"]
    assert content["current-context"] == "sso"
    assert content["users"]["sso"] == {"exec": {"command": "aws"}}
    dev = content["clusters"]["dev"]
    assert dev == {"server": "https://dev.example", "certificate-authority-data": base64.b64encode(CA + CA).decode()}
    assert ours_in(home) == []


def test_copied_cluster_gets_what_the_original_trusts(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    overlay = home.overlay()

    def copy_cluster(data: dict[str, Any]) -> None:
        stanza = next(entry["cluster"] for entry in data["clusters"] if entry["name"] == "file")
        data["clusters"].append({"name": "copy", "cluster": stanza})

    edited(home, overlay, copy_cluster)
    assert overlay.carry_back() == ()
    assert home.content()["a/config"]["clusters"]["copy"] == home.content()["a/config"]["clusters"]["file"]


def test_overlay_written_over_by_another_program_deletes_no_cluster(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    before = home.content()
    overlay = home.overlay()
    overlay.path.write_text("clusters: [{name: fresh, cluster: {server: 'https://fresh.example'}}]")
    assert overlay.carry_back() == ("The command replaced the overlay kubeconfig; your clusters were not deleted.",)
    before["a/config"]["clusters"]["fresh"] = {"server": "https://fresh.example"}
    assert home.content() == before


@pytest.mark.parametrize("damage", ["missing", "broken", "empty"])
def test_lost_overlay_changes_no_file(tmp_path: Path, damage: str) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    before = home.content()
    overlay = home.overlay()
    if damage == "missing":
        overlay.path.unlink()
    else:
        overlay.path.write_text("users: [" if damage == "broken" else "")
    assert bool(overlay.carry_back()) == (damage != "empty")
    assert home.content() == before


def test_lock_of_another_program_is_respected_and_reported(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["two"])
    before = home.content()
    overlay = home.overlay()
    edited(home, overlay, lambda data: data.update({"users": [{"name": "bob", "user": {"token": "bob-token"}}]}))
    (home.folder / "a" / "config.lock").touch()
    (notice,) = overlay.carry_back(patience=0)
    assert "config.lock is held by another program" in notice
    assert "bob-token" not in notice
    assert home.content() == before
    assert (home.folder / "a" / "config.lock").exists()


def test_users_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", *LAYOUTS["home"])
    real = home.folder / "dotfiles"
    home.paths[0].rename(real)
    home.paths[0].symlink_to(real)
    real.chmod(0o640)
    overlay = home.overlay()
    edited(home, overlay, lambda data: data.update({"current-context": "file"}))
    assert overlay.carry_back() == ()
    assert home.paths[0].is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert home.content()[".kube/config"]["current-context"] == "file"
    assert sorted(path.name for path in home.paths[0].parent.iterdir()) == ["ca.crt", "config"]


def test_file_that_did_not_exist_is_created_for_its_owner_only(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {}, None)
    overlay = home.overlay()
    edited(home, overlay, lambda data: data.update({"users": [{"name": "bob", "user": {"token": "0123"}}]}))
    assert overlay.carry_back() == ()
    assert stat.S_IMODE(home.paths[0].stat().st_mode) == 0o600
    assert home.content()[".kube/config"]["users"] == {"bob": {"token": "0123"}}


def test_change_with_nowhere_to_go_is_reported_without_its_value(tmp_path: Path) -> None:
    overlay = Overlay.write(tmp_path / "overlay", load(()), proxy_url_for, PROXY_CA)
    overlay.path.write_text("users: [{name: bob, user: {token: bob-token}}]")
    (notice,) = overlay.carry_back()
    assert "KUBECONFIG names no file" in notice
    assert "bob-token" not in notice


def test_repr_of_an_overlay_holds_no_password(tmp_path: Path) -> None:
    assert "proxy-password" not in repr(Home(tmp_path / "home", *LAYOUTS["home"]).overlay())
