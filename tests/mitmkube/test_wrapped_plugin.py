"""A credential plugin that runs inside the shim notices nothing, and the user's own files know nothing of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from analyzers.kubeconfig import load
from mitmkube.overlay import Overlay
from mitmkube.wrapped_plugin import PluginWrapper, is_wrapped, unwrapped
from tests.mitmkube.test_overlay import PROXY_CA, Home, proxy_url_for

CONFIG = """
apiVersion: v1
kind: Config
current-context: dev
clusters:
- name: dev
  cluster: {server: "https://dev.example:6443"}
- name: other
  cluster: {server: "https://other.example:6443"}
contexts:
- name: dev
  context: {cluster: dev, user: sso}
- name: other
  context: {cluster: other, user: jane}
users:
- name: sso
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      args: [get, --cluster=dev]
      env: [{name: PROFILE, value: dev}]
      interactiveMode: IfAvailable
      installHint: ask around
      provideClusterInfo: true
- name: bare
  user:
    tokenFile: secrets/token
    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: true, interactiveMode: Never}
- name: missing
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-login, interactiveMode: Never}
- name: jane
  user: {token: jane-token}
""".replace("command: true", 'command: "env"')


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home")


def make_home(folder: Path) -> Home:
    home = Home(folder, {".kube/config": CONFIG}, None)
    login = folder / ".kube" / "bin" / "login"
    login.parent.mkdir()
    login.write_text("#!/bin/sh\n")
    login.chmod(0o755)
    return home


def wrapped_users(home: Home, search_path: str | None = None) -> dict[str, dict[str, Any]]:
    run = home.folder / "run"
    run.mkdir(exist_ok=True)
    wrapper = PluginWrapper(folder=run, socket=run / "plugins.sock", search_path=search_path or os.environ["PATH"])
    return wrapper.users(load(home.paths))


def overlay(home: Home) -> Overlay:
    users = wrapped_users(home)
    return Overlay.write(home.folder / "run" / "overlay", load(home.paths), proxy_url_for, PROXY_CA, users=users)


def users_of(home: Home) -> dict[str, Any]:
    """As client-go would see them: paths from the file's folder, without what is empty or a default."""
    users = {entry["name"]: entry["user"] for entry in yaml.safe_load(home.paths[0].read_text())["users"]}
    for user in users.values():
        exec_ = user.get("exec")
        if exec_ is None:
            continue
        if "/" in exec_["command"]:
            exec_["command"] = os.path.normpath(home.paths[0].parent / exec_["command"])
        user["exec"] = {k: v for k, v in exec_.items() if v and v != "IfAvailable"}
    made: dict[str, Any] = json.loads(json.dumps(users).replace(str(home.folder), "HOME"))
    return made


# The stanza


def test_stanza_keeps_everything_but_what_is_run(home: Home) -> None:
    own = yaml.safe_load(CONFIG)["users"][0]["user"]["exec"]
    exec_ = wrapped_users(home)["sso"]["exec"]
    assert {**exec_, "command": own["command"], "args": own["args"]} == own
    assert Path(exec_["command"]).name == "login"
    assert exec_["args"][-2:] == own["args"]


def test_plugin_keeps_the_program_and_the_name_that_it_has_without_the_shim(home: Home) -> None:
    """A path is meant from the folder of the file that names it, a bare name from PATH."""
    users = wrapped_users(home)
    assert users["sso"]["exec"]["args"][3:5] == [str(home.folder / ".kube/bin/login")] * 2
    assert users["bare"]["exec"]["args"][3:] == ["env", "env"]


def test_other_credentials_of_the_same_user_are_still_found(home: Home) -> None:
    assert wrapped_users(home)["bare"]["tokenFile"] == str(home.folder / ".kube/secrets/token")


def test_plugin_that_client_go_would_not_find_stays_for_it_to_say_so(home: Home) -> None:
    assert set(wrapped_users(home)) == {"sso", "bare"}
    assert set(wrapped_users(home, search_path="/nonexistent")) == {"sso"}


def test_stanza_that_sets_path_is_looked_up_on_the_path_outside_it(home: Home) -> None:
    home.paths[0].write_text(CONFIG.replace('command: "env"', 'command: "env", env: [{name: PATH, value: /none}]'))
    program, name = wrapped_users(home)["bare"]["exec"]["args"][3:5]
    assert Path(program).is_absolute()
    assert name == "env"


@pytest.mark.parametrize("broken", ["command: ''", "command: [1]", "command: env, args: text"])
def test_stanza_that_client_go_refuses_is_left_for_it(home: Home, broken: str) -> None:
    home.paths[0].write_text(CONFIG.replace('command: "env"', broken))
    assert set(wrapped_users(home)) == {"sso"}


def test_stanza_is_found_again_without_the_shim(home: Home) -> None:
    users = wrapped_users(home)
    assert all(map(is_wrapped, users.values()))
    bare = unwrapped(users["bare"])
    assert not is_wrapped(bare)
    assert bare["exec"] == yaml.safe_load(CONFIG)["users"][1]["user"]["exec"]


# The user's own files


COMMANDS = [
    "use-context other",
    "set-context --current --namespace=ci",
    "set-credentials sso --exec-arg=fresh",
    "set-credentials sso --exec-command=elsewhere",
    "set-credentials sso --exec-env=MORE=1",
    "set-credentials sso --token=beside",
    "set-credentials bare --exec-interactive-mode=Always",
    "set-credentials missing --exec-arg=fresh",
    "set-credentials fresh --token=new",
    "delete-user sso",
    "delete-user jane",
    "unset users.sso",
    "unset users.bare.exec",
    "delete-cluster other",
    "view --raw",
]


def test_config_commands_change_the_users_as_without_the_shim(kubectl: str, tmp_path: Path) -> None:
    differing = []
    for index, command in enumerate(COMMANDS):
        direct, through = (make_home(tmp_path / f"{name}-{index}") for name in ("direct", "through"))
        argv = [kubectl, "config", *command.split()]
        laid_over = overlay(through)
        expected = direct.run(argv)
        got = through.run(argv, laid_over.environment(through.environ, through.folder))
        notices = laid_over.carry_back()
        assert "plugin_shim" not in through.paths[0].read_text(), command
        one = (expected.returncode, users_of(direct), direct.content()[".kube/config"]["contexts"], ())
        other = (got.returncode, users_of(through), through.content()[".kube/config"]["contexts"], notices)
        if one != other:
            differing.append((command, one, other, expected.stderr, got.stderr))
    assert differing == []


def test_merging_all_files_into_one_does_not_take_the_shim_along(kubectl: str, tmp_path: Path) -> None:
    script = f"{kubectl} config view --raw --flatten > merged && mv merged .kube/config"
    direct, through = make_home(tmp_path / "direct"), make_home(tmp_path / "through")
    laid_over = overlay(through)
    assert direct.run(["sh", "-c", script]).returncode == 0
    assert through.run(["sh", "-c", script], laid_over.environment(through.environ, through.folder)).returncode == 0
    assert laid_over.carry_back() == ()
    assert users_of(through) == users_of(direct)


def test_merging_into_a_second_file_does_not_take_the_shim_along(kubectl: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home", {".kube/config": CONFIG, "second": "{}"}, ".kube/config:second")
    (home.folder / ".kube/bin").mkdir()
    (home.folder / ".kube/bin/login").symlink_to("/bin/true")
    laid_over = overlay(home)
    script = f"{kubectl} config view --raw --flatten > merged && cat merged && mv merged second"
    written = home.run(["sh", "-c", script], laid_over.environment(home.environ, home.folder))
    assert "plugin_shim" in written.stdout
    assert laid_over.carry_back() == ()
    assert "plugin_shim" not in (home.folder / "second").read_text()
    users = {one["name"]: one["user"] for one in yaml.safe_load((home.folder / "second").read_text())["users"]}
    assert users["bare"]["exec"]["command"] == "env"


# The shim


def run_plugin(
    home: Home, script: str, *, env: Mapping[str, str] | None = None, **more: Any
) -> tuple[subprocess.CompletedProcess[bytes], subprocess.CompletedProcess[bytes]]:
    """A plugin with the command line and environment that client-go would give it: without the shim, and in it."""
    login = home.folder / ".kube/bin/login"
    login.write_text(script)
    exec_ = wrapped_users(home)["sso"]["exec"]
    environ = dict(os.environ) if env is None else env
    commands = ([str(login), "get", "--cluster=dev"], [exec_["command"], *exec_["args"]])
    direct, through = (
        subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False, **more)
        for command in commands
    )
    return direct, through


TELLS_ALL = f"""#!{sys.executable} -IS
import os, signal, sys
print(sys.argv, os.getcwd(), sorted(os.environb.items()), sys.stdin.read())
print([str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)], os.getpgrp())
print(sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else "")
print("to stderr", file=sys.stderr)
sys.exit(7)
"""


@pytest.mark.parametrize(
    "env", [None, {}, {"KUBERNETES_EXEC_INFO": "{}", "PYTHONPATH": "/none", "LC_ALL": "C"}], ids=str
)
def test_plugin_sees_and_says_the_same(home: Home, env: Mapping[str, str] | None) -> None:
    direct, through = run_plugin(home, TELLS_ALL, env=env, input=b"from stdin")
    assert (through.returncode, through.stdout, through.stderr) == (direct.returncode, direct.stdout, direct.stderr)
    assert direct.returncode == 7
    assert b"from stdin" in direct.stdout


def test_variable_that_python_sets_for_itself_does_not_reach_the_plugin(home: Home) -> None:
    """LC_CTYPE, where the locale is C."""
    direct, through = run_plugin(home, "#!/bin/sh\nexec /usr/bin/env\n", env={"KUBERNETES_EXEC_INFO": "{}"})
    assert sorted(through.stdout.splitlines()) == sorted(direct.stdout.splitlines())
    assert b"KUBERNETES_EXEC_INFO={}" in direct.stdout


def test_signals_that_python_ignores_are_not_ignored_in_the_plugin(home: Home) -> None:
    script = "#!/bin/sh\n(yes; echo $? >&2) | head -1 > /dev/null\n"
    direct, through = run_plugin(home, script)
    assert through.stderr == direct.stderr == b"141\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT"])
def test_plugin_that_a_signal_ends_ends_the_shim_alike(home: Home, name: str) -> None:
    direct, through = run_plugin(home, f"#!/bin/sh\necho said\nkill -{name[3:]} $$\n")
    assert through.returncode == direct.returncode == -signal.Signals[name]
    assert through.stdout == direct.stdout


def test_plugin_that_catches_an_interrupt_is_waited_for(home: Home) -> None:
    """Ctrl-C reaches both: the plugin may ask back, and what it then says counts."""
    login = home.folder / ".kube/bin/login"
    login.write_text('#!/bin/sh\ntrap "echo asked; exit 5" INT\necho ready >&2\nwhile :; do sleep 0.05; done\n')
    exec_ = wrapped_users(home)["sso"]["exec"]
    with subprocess.Popen(
        [exec_["command"], *exec_["args"]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (5, b"asked\n")


def test_answer_of_any_size_and_content_passes(home: Home) -> None:
    script = f"#!{sys.executable} -IS\nimport sys\nsys.stdout.buffer.write(bytes(range(256)) * 20000)\n"
    direct, through = run_plugin(home, script)
    assert through.stdout == direct.stdout
    assert len(direct.stdout) == 5_120_000


def test_key_pair_is_printed_unchanged_where_nobody_listens_for_it(home: Home) -> None:
    said = json.dumps({"status": {"clientCertificateData": "c", "clientKeyData": "k"}})
    direct, through = run_plugin(home, f"#!/bin/sh\necho '{said}'\n")
    assert (through.returncode, through.stdout, through.stderr) == (0, direct.stdout, b"")


def test_plugin_that_was_removed_meanwhile_is_named(home: Home) -> None:
    exec_ = wrapped_users(home)["sso"]["exec"]
    (home.folder / ".kube/bin/login").unlink()
    ended = subprocess.run([exec_["command"], *exec_["args"]], capture_output=True, timeout=60, check=False)
    assert ended.returncode == 127
    assert ended.stderr.decode() == f"{home.folder}/.kube/bin/login: no such file or directory\n"
