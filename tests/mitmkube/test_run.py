"""``mitmkube run -- COMMAND`` seen from outside: the command is as it would be without, and the report follows."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from tests.mitmkube.api_server import ApiServer
from tests.mitmkube.commands import CLIENT, MITMKUBE, Place, python

ONE_LINE = r"\Amitmkube: [^\n]+\n\Z"
QUIET = ("run", "--quiet", "--")
PODS = "/api/v1/namespaces/default/pods"
REFUSED = "/api/v1/namespaces/prod/pods"


# What the command gives back


def test_output_of_the_command_is_byte_for_byte_its_own(no_cluster: Place) -> None:
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 999); sys.stderr.buffer.write(bytes(range(256)))"
    done = no_cluster.mitmkube(*QUIET, *python(program))
    assert done.stdout == bytes(range(256)) * 999
    assert done.stderr == bytes(range(256))


def test_kubectl_prints_and_ends_as_without_mitmkube(place: Place, kubectl: str) -> None:
    for arguments in (("get", "pods"), ("get", "pods", "-n", "prod"), ("get", "nonsense"), ("get", "--nonsense")):
        directly = subprocess.run([kubectl, *arguments], env=place.environ, capture_output=True, check=False)
        through = place.mitmkube("run", "--report", "report", "--", kubectl, *arguments)
        assert (through.returncode, through.stdout, through.stderr) == (
            directly.returncode,
            directly.stdout,
            directly.stderr,
        )


@pytest.mark.parametrize("status", [0, 1, 42, 125, 255])
def test_exit_status_is_the_commands(no_cluster: Place, status: int) -> None:
    assert no_cluster.mitmkube(*QUIET, "sh", "-c", f"exit {status}").returncode == status


def test_exit_status_of_a_command_that_was_killed_is_128_and_the_signal(no_cluster: Place) -> None:
    done = no_cluster.mitmkube("run", "--", "sh", "-c", "kill -KILL $$")
    assert done.returncode == 137
    assert b"ended by SIGKILL" in done.stderr


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [("no-such-command", 127, "no-such-command: command not found"), ("/", 126, "/: permission denied")],
)
def test_command_that_cannot_be_started_is_said_in_one_line(
    no_cluster: Place, command: str, status: int, words: str
) -> None:
    done = no_cluster.mitmkube("run", "--har", "har", "--json", "json", "--", command)
    assert (done.returncode, done.stdout, done.stderr.decode()) == (status, b"", f"mitmkube: {words}\n")
    assert list(no_cluster.work.iterdir()) == []


def test_two_dashes_of_the_command_stay(no_cluster: Place) -> None:
    done = no_cluster.mitmkube(*QUIET, *python("import sys; print(sys.argv[1:])"), "--", "a", "--", "--har")
    assert done.stdout == b"['--', 'a', '--', '--har']\n"


def test_two_dashes_before_the_command_may_be_left_out(no_cluster: Place) -> None:
    done = no_cluster.mitmkube("run", "--quiet", "echo", "--steps", "--json", "x")
    assert done.stdout == b"--steps --json x\n"


def test_arguments_that_are_no_unicode_reach_the_command(no_cluster: Place) -> None:
    done = subprocess.run(
        [*(os.fsencode(word) for word in MITMKUBE), b"run", b"--json", b"j", b"--", b"printf", b"%s", b"\xff\xfe"],
        env=no_cluster.environ,
        cwd=no_cluster.work,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"\xff\xfe")


# What the command finds


def test_only_kubeconfig_differs_in_the_commands_environment(place: Place) -> None:
    seen = dict(
        line.split("=", 1) for line in place.mitmkube(*QUIET, "env", "-0").stdout.decode().split("\0") if "=" in line
    )
    overlay, _, own = seen.pop("KUBECONFIG").partition(":")
    assert own == place.environ["KUBECONFIG"]
    assert Path(overlay).parent.parent == place.runtime
    assert seen == {name: value for name, value in place.environ.items() if name != "KUBECONFIG"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C"}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}])
def test_what_python_does_to_the_c_locale_does_not_reach_the_command(no_cluster: Place, given: dict[str, str]) -> None:
    environ = {name: value for name, value in no_cluster.environ.items() if name != "LC_ALL"} | given
    done = subprocess.run(
        [*MITMKUBE, *QUIET, "env"], env=environ, cwd=no_cluster.work, capture_output=True, text=True, check=False
    )
    seen = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {name: value for name, value in seen.items() if name.startswith(("LC_", "LANG"))} == given


def test_environment_that_is_no_unicode_reaches_the_command(no_cluster: Place) -> None:
    environ = {**{os.fsencode(k): os.fsencode(v) for k, v in no_cluster.environ.items()}, b"ODD": b"\xff"}
    done = subprocess.run(
        [*MITMKUBE, *QUIET, "printenv", "ODD"], env=environ, cwd=no_cluster.work, capture_output=True, check=False
    )
    assert done.stdout == b"\xff\n"


def test_working_folder_and_umask_are_the_same(no_cluster: Place) -> None:
    done = no_cluster.shell(f"umask 0123; mitmkube run --quiet -- {CLIENT[0]} -c 'import os; print(oct(os.umask(0)))'")
    assert done.stdout == b"0o123\n"
    assert no_cluster.mitmkube(*QUIET, "pwd", "-P").stdout.decode().strip() == os.path.realpath(no_cluster.work)


def test_stdin_reaches_the_command(no_cluster: Place) -> None:
    given = bytes(range(256)) * 4000
    assert no_cluster.mitmkube(*QUIET, "cat", stdin=given).stdout == given


def test_stdin_that_the_command_leaves_is_left_for_the_next(no_cluster: Place) -> None:
    done = no_cluster.shell("printf 'one\\ntwo\\n' | { mitmkube run --quiet -- sh -c 'read x; echo $x'; cat; }")
    assert done.stdout == b"one\ntwo\n"


@pytest.mark.parametrize("descriptor", [0, 1, 2])
def test_what_is_closed_is_closed_for_the_command_too(no_cluster: Place, descriptor: int) -> None:
    program = f"import os\ntry: os.fstat({descriptor})\nexcept OSError: os._exit(7)"
    done = no_cluster.shell(f'mitmkube run -- "$@" {descriptor}>&-', *python(program))
    assert done.returncode == 7


def test_file_that_the_shell_left_open_for_the_command_is_open_in_it(no_cluster: Place) -> None:
    done = no_cluster.shell("mitmkube run --quiet -- cat <(echo hello)")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


def test_command_has_no_file_of_mitmkubes(no_cluster: Place) -> None:
    program = "import os; print([fd for fd in range(3, 256) if os.path.exists(f'/dev/fd/{fd}')])"
    directly = subprocess.run(python(program), capture_output=True, check=False)
    assert no_cluster.mitmkube(*QUIET, *python(program)).stdout == directly.stdout


# The report


def test_report_is_on_stderr_after_what_the_command_said(place: Place) -> None:
    done = place.mitmkube("run", "--", *CLIENT, REFUSED)
    assert done.stdout.startswith(b"403 ")
    report = done.stderr.decode()
    assert report.startswith("- mitmkube ---")
    assert "failed: rbac, at step 7 authorization" in report
    assert "jane may not list pods in namespace prod" in report


def test_report_of_what_went_well_says_so(place: Place) -> None:
    assert "list pods in default was answered 200" in place.mitmkube("run", "--", *CLIENT, PODS).stderr.decode()


def test_quiet_says_nothing_of_what_went_well(place: Place) -> None:
    assert place.mitmkube("run", "--quiet", "--", *CLIENT, PODS).stderr == b""


def test_quiet_says_what_failed(place: Place) -> None:
    assert b"failed: rbac" in place.mitmkube("run", "--quiet", "--", *CLIENT, REFUSED).stderr


def test_steps_shows_all_fifteen(place: Place) -> None:
    lines = place.mitmkube("run", "--steps", "--", *CLIENT, REFUSED).stderr.decode().splitlines()
    numbers = [
        int(found[1]) for line in lines if (found := re.match(r" *(?:passed|failed|not \S+|-|\S)? +(\d+) ", line))
    ]
    assert numbers[:15] == list(range(1, 16)), "\n".join(lines)


def test_report_in_a_file_leaves_stderr_to_the_command(place: Place) -> None:
    done = place.mitmkube(
        "run", "--report", "report", "--", "sh", "-c", 'echo mine >&2; exec "$@"', "sh", *CLIENT, REFUSED
    )
    assert done.stderr == b"mine\n"
    assert "failed: rbac" in (place.work / "report").read_text()


def test_command_that_sent_nothing_is_said_in_words(place: Place) -> None:
    done = place.mitmkube("run", "--", "true")
    assert "Nothing was sent through the proxy" in done.stderr.decode()


def test_client_that_leaves_the_password_out_is_told_of(place: Place) -> None:
    """As Python's kubernetes package does with a proxy-url."""
    ask = """
        import http.client, os, re
        overlay = open(os.environ["KUBECONFIG"].split(os.pathsep)[0]).read()
        connection = http.client.HTTPConnection(*re.search(r"proxy-url: .*@([0-9.]+):([0-9]+)", overlay).groups())
        connection.set_tunnel("127.0.0.1", 1)
        try:
            connection.connect()
        except OSError as error:
            print(error)
    """
    done = place.mitmkube("run", "--", *python(textwrap.dedent(ask)))
    assert b"407 Proxy Authentication Required" in done.stdout
    assert "A client came to the proxy without the user name and password" in " ".join(done.stderr.decode().split())


def test_run_in_a_run_is_said_in_words_and_works(place: Place) -> None:
    done = place.mitmkube("run", "--report", "outer", "--", *MITMKUBE, "run", "--", *CLIENT, PODS)
    assert done.stdout.startswith(b"200 ")
    assert "This ran inside another mitmkube" in " ".join(done.stderr.decode().split())
    assert "Nothing was sent through the proxy" in (place.work / "outer").read_text()


def test_report_that_nobody_reads_changes_nothing(no_cluster: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = no_cluster.mitmkube("run", "--", "sh", "-c", "exit 7", stderr=writing)
    os.close(writing)
    assert done.returncode == 7


def test_error_that_nobody_reads_changes_nothing(no_cluster: Place) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = no_cluster.mitmkube("run", "--", "no-such-command", stderr=writing)
    os.close(writing)
    assert done.returncode == 127


def test_stderr_that_is_full_changes_nothing(no_cluster: Place) -> None:
    with Path("/dev/full").open("wb") as full:
        assert no_cluster.mitmkube("run", "--", "sh", "-c", "exit 7", stderr=full).returncode == 7


def test_connection_that_outlives_the_command_does_not_hold_mitmkube(place: Place) -> None:
    # The watch goes on in the background, and has stdin, so that it ends with the test.
    script = 'exec 3<&0; "$@" >watch 2>/dev/null <&3 & until test -s watch; do sleep 0.05; done; exit 5'
    command = ("sh", "-c", script, "sh", *CLIENT, f"{PODS}?watch=true", "--hold")
    with place.started("run", "--report", "report", "--", *command) as process:
        assert process.wait(60) == 5
    assert "watch pods in default  200" in (place.work / "report").read_text()
    assert "open" in (place.work / "report").read_text()


# What mitmkube leaves


def test_nothing_is_left_and_nothing_is_written_at_home(place: Place) -> None:
    place.mitmkube("run", "--", *CLIENT, PODS, REFUSED)
    assert [*place.runtime.iterdir(), *place.home.rglob("*"), *place.work.iterdir()] == []


def test_files_are_private_while_the_command_runs(place: Place) -> None:
    program = """
import os, stat, sys
from pathlib import Path
overlay = Path(os.environ["KUBECONFIG"].split(":")[0])
for path in (overlay.parent, *overlay.parent.rglob("*")):
    print(oct(stat.S_IMODE(path.stat().st_mode)), "folder" if path.is_dir() else "file")
"""
    done = place.shell('umask 0; mitmkube run --quiet -- "$@"', *python(program))
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "0o700 folder"
    assert len(lines) > 1
    assert set(lines[1:]) <= {"0o600 file", "0o700 folder"}


def test_temporary_folder_with_a_space_in_its_name_will_do(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    done = place.mitmkube(*QUIET, *CLIENT, PODS, env={"XDG_RUNTIME_DIR": "", "TMPDIR": str(folder)})
    assert done.stdout.startswith(b"200 ")
    assert list(folder.iterdir()) == []


def test_runtime_folder_that_is_none_is_not_needed(place: Place, tmp_path: Path) -> None:
    for runtime in ("/no/such/folder", "/dev/null", "/proc"):
        done = place.mitmkube(*QUIET, *CLIENT, PODS, env={"XDG_RUNTIME_DIR": runtime, "TMPDIR": str(tmp_path)})
        assert (done.returncode, done.stderr) == (0, b"")


# What is wrong from the start


def test_kubeconfig_that_cannot_be_read_is_said_in_one_line(place: Place) -> None:
    (place.work / "broken").write_text("a: [\n")
    (place.work / "binary").write_bytes(b"\xff\xfe\x00")
    (place.work / "list").write_text("- a\n")
    for kubeconfig in ("broken", "binary", "list", "."):
        done = place.mitmkube("run", "--har", "har", "--", "touch", "ran", env={"KUBECONFIG": kubeconfig})
        assert done.returncode == 125
        assert done.stdout == b""
        assert done.stderr.decode().startswith("mitmkube: ")
        assert kubeconfig in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
    assert not (place.work / "ran").exists()
    assert not (place.work / "har").exists()
    assert list(place.runtime.iterdir()) == []


@pytest.mark.parametrize("option", ["--har", "--json", "--report"])
def test_file_that_cannot_be_written_is_said_in_one_line_before_the_command_runs(
    no_cluster: Place, option: str
) -> None:
    for path in ("missing/file", ".", "/proc/file"):
        done = no_cluster.mitmkube("run", option, path, "--", "touch", "ran")
        assert done.returncode == 125
        assert done.stderr.startswith(b"mitmkube: ")
        assert done.stderr.count(b"\n") == 1
    assert list(no_cluster.work.iterdir()) == []


def test_cluster_that_does_not_answer_is_reported(tmp_path: Path, kubectl: str, api: ApiServer) -> None:
    place = Place.make(tmp_path, api.kubeconfig(tmp_path / "kubeconfig"))
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(kubeconfig.read_text().replace(str(api.port), "1"))
    done = place.mitmkube("run", "--", kubectl, "get", "pods")
    assert done.returncode == 1
    assert b"failed: network" in done.stderr


def test_working_folder_that_is_gone_does_not_matter(place: Place) -> None:
    done = place.shell('mkdir gone; cd gone; rmdir ../gone; mitmkube run --quiet -- "$@"', *CLIENT, PODS)
    assert done.stdout.startswith(b"200 ")


def test_many_commands_at_once_do_not_disturb_each_other(place: Place) -> None:
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(place.started("run", "--report", f"report-{n}", "--", *CLIENT, PODS)) for n in range(4)
        ]
        for process in processes:
            out, err = process.communicate(timeout=60)
            assert (process.returncode, err) == (0, b"")
            assert out.startswith(b"200 ")
    assert sorted(path.name for path in place.work.iterdir()) == [f"report-{n}" for n in range(4)]


def test_proxy_that_cannot_be_passed_is_refused_and_nothing_is_run(place: Place, tmp_path: Path) -> None:
    kubeconfig = Path(place.environ["KUBECONFIG"])
    document = yaml.safe_load(kubeconfig.read_text())
    document["clusters"][0]["cluster"]["proxy-url"] = "socks5://127.0.0.1:1080"
    kubeconfig.write_text(yaml.safe_dump(document))
    done = place.mitmkube("run", "--har", tmp_path / "har", "--", "touch", tmp_path / "touched")
    assert done.returncode == 125
    assert done.stdout == b""
    assert re.fullmatch(
        rb"mitmkube: the way to cluster dev leads through socks5://127\.0\.0\.1:1080[^\n]*\n", done.stderr
    )
    assert not (tmp_path / "touched").exists()
    assert not (tmp_path / "har").exists()


def test_environment_proxy_leaves_nothing_behind(place: Place) -> None:
    script = 'stat -c %a "$MITMKUBE_CA"; echo "$MITMKUBE_CA"; echo "$HTTPS_PROXY" | sed "s/:[^:@]*@/:@/"'
    done = place.mitmkube("run", "--quiet", "--env-proxy", "--", "sh", "-c", script)
    mode, file, url = done.stdout.decode().split()
    assert mode == "600"
    assert re.fullmatch(r"http://mitmkube-[0-9a-f]{12}:@127\.0\.0\.1:\d+", url)
    assert Path(file).parent.parent == place.runtime
    assert list(place.runtime.iterdir()) == []


def test_wrapped_plugin_leaves_nothing_behind(place: Place, tmp_path: Path) -> None:
    kubeconfig = Path(place.environ["KUBECONFIG"])
    document = yaml.safe_load(kubeconfig.read_text())
    command = {"command": "env", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    document["users"][0]["user"] = {"exec": command}
    kubeconfig.write_text(yaml.safe_dump(document))
    script = 'cp "${KUBECONFIG%%:*}" "$OVERLAY"; ls -l "$(dirname "${KUBECONFIG%%:*}")" | grep -c "^srw-------.*sock"'
    overlay = tmp_path / "overlay"
    done = place.mitmkube("run", "--quiet", "--wrap-plugin", "--", "sh", "-c", script, env={"OVERLAY": str(overlay)})
    assert done.stdout == b"1\n"
    (user,) = yaml.safe_load(overlay.read_text())["users"]
    assert "plugin_shim.py" in str(user)
    assert list(place.runtime.iterdir()) == []
    assert yaml.safe_load(kubeconfig.read_text()) == document
