"""Another user of the same machine: reads nothing of mitmkube's, and puts nothing of theirs in its place."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mitmkube.api_server import ApiServer
from tests.mitmkube.commands import CLIENT, SECONDS, Place, free_ports, python, web

PODS = "/api/v1/namespaces/default/pods"
SOMEBODY = 65534


@pytest.fixture
def open_place(api: ApiServer) -> Iterator[Place]:
    """A place that everybody may look into: only mitmkube's own care keeps them out."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own is closed to others
    folder.chmod(0o755)
    try:
        place = Place.make(folder, api.kubeconfig(folder / "kubeconfig"))
        for path in (place.home, place.work, place.runtime):
            path.chmod(0o755)
        yield place
    finally:
        shutil.rmtree(folder)


def can_read(path: Path) -> bool:
    """Whether another user can: tried where that can be, else told from the modes on the way."""
    if os.geteuid() != 0:
        modes = [(folder.stat().st_mode, stat.S_IXOTH) for folder in path.parents] + [
            (path.stat().st_mode, stat.S_IROTH)
        ]
        return all(mode & wanted for mode, wanted in modes)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(SOMEBODY)
            os.setuid(SOMEBODY)
            (os.listdir(path) if path.is_dir() else path.read_bytes())  # noqa: PTH208
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def written(place: Place) -> list[Path]:
    found = [path for folder in (place.home, place.runtime) for path in folder.rglob("*")]
    return [path for path in found if path.is_file() or "mitmkube" in path.name]


def test_place_of_these_tests_is_open(open_place: Place) -> None:
    (open_place.work / "open").write_text("x")
    assert can_read(open_place.work / "open")
    (open_place.work / "open").chmod(0o600)
    assert not can_read(open_place.work / "open")


def test_another_user_reads_no_file_of_web(open_place: Place) -> None:
    proxy, page = free_ports(2)
    through = ("sh", "-c", 'umask 0; exec "$@"', "sh")
    with open_place.started("web", "--port", proxy, "--web-port", page, through=through) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"export ")
        files = written(open_place)
        assert len(files) >= 5
        assert [path for path in files if can_read(path)] == []
        process.terminate()
        process.communicate(timeout=SECONDS)


def test_another_user_can_change_no_folder_that_was_made(open_place: Place) -> None:
    open_place.shell("umask 0; mitmkube kubeconfig")
    folders = [path for path in open_place.home.rglob("*") if path.is_dir()]
    assert [path.name for path in sorted(folders)] == [".local", "state", "mitmkube", "web"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_another_user_reads_no_file_of_run(open_place: Place) -> None:
    waiting = python("import sys; print('up', flush=True); sys.stdin.read()")
    through = ("sh", "-c", 'umask 0; exec "$@"', "sh")
    with open_place.started("run", "--har", "out.har", "--", *waiting, through=through) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        files = [*written(open_place), *open_place.work.glob("out.har*")]
        assert len(files) >= 4
        assert [path for path in files if can_read(path)] == []
        process.communicate(b"", timeout=SECONDS)


def test_password_is_in_the_overlay_and_nowhere_else(place: Place) -> None:
    program = (
        "import os, pathlib, sys\n"
        "print(pathlib.Path(os.environ['KUBECONFIG'].split(':')[0]).read_text())\n"
        "for pid in (os.getpid(), os.getppid()):\n"
        "    for name in ('cmdline', 'environ'):\n"
        "        print('PROC', repr(pathlib.Path(f'/proc/{pid}/{name}').read_bytes()))\n"
    )
    done = place.mitmkube("run", "--", *python(program))
    text = done.stdout.decode()
    found = re.search(r"http://mitmkube-\w+:([\w-]+)@", text)
    assert found is not None
    processes = [line for line in text.splitlines() if line.startswith("PROC")]
    assert len(processes) == 4
    assert not any(found[1] in line for line in processes)
    assert found[1] not in done.stderr.decode()


# Places that others can change


def test_runtime_folder_that_others_can_change_is_not_used(place: Place, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir(mode=0o700)
    place.runtime.chmod(0o777)
    program = "import os; print(os.environ['KUBECONFIG'])"
    done = place.mitmkube("run", "--quiet", "--", *python(program), env={"TMPDIR": str(temporary)})
    assert done.stdout.decode().startswith(f"{temporary}/mitmkube-")
    assert list(place.runtime.iterdir()) == []


def test_temporary_folder_that_others_can_change_is_refused_in_one_line(place: Place, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    temporary.chmod(0o777)
    environ = {"TMPDIR": str(temporary), "XDG_RUNTIME_DIR": ""}
    done = place.mitmkube("run", "--", *CLIENT, PODS, env=environ)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.decode() == (
        f"mitmkube: no folder for the session: others can change what is in {temporary}; "
        "set TMPDIR to a folder that is yours alone\n"
    )
    temporary.chmod(0o1777)
    assert place.mitmkube("run", "--quiet", "--", *CLIENT, PODS, env=environ).stdout.startswith(b"200 ")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("command", ["web", "kubeconfig"])
def test_state_folder_that_others_can_change_is_refused_in_one_line(place: Place, tmp_path: Path, command: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o777)
    done = place.mitmkube(command, env={"XDG_STATE_HOME": str(state)})
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"mitmkube: {state} is not safe: others can change what is in {state}; "
        "set XDG_STATE_HOME to a folder that is yours alone\n"
    )
    assert list(state.iterdir()) == []


def test_link_in_place_of_a_file_is_replaced_and_not_followed(place: Place, tmp_path: Path) -> None:
    """A name can be foreseen in the state folder; what it leads to stays as it is."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    state = place.home / ".local" / "state" / "mitmkube" / "web"
    state.mkdir(parents=True, mode=0o700)
    for name in ("kubeconfig", "settings.json", "mitmproxy-ca.pem", "mitmproxy-dhparam.pem"):
        (state / name).symlink_to(victim)
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as running:
        assert running.run(*CLIENT, PODS).stdout.startswith(b"200 ")
        running.stop()
    assert victim.read_text() == "mine"
    assert not any(path.is_symlink() for path in state.iterdir())


def test_link_in_place_of_the_lock_is_refused(place: Place, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    state = place.home / ".local" / "state" / "mitmkube" / "web"
    state.mkdir(parents=True, mode=0o700)
    (state / "lock").symlink_to(victim)
    done = place.mitmkube("web")
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert not victim.exists()
