"""``mitmkube clean``: everything of mitmkube's own goes, and nothing else."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from mitmkube import clean as clean_module
from mitmkube import leftovers
from tests.mitmkube.commands import CLIENT, SECONDS, WAITING, Place, Web, free_ports, python, web

PODS = "/api/v1/namespaces/default/pods"
DAY = 24 * 3600


def said(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def files(place: Place) -> list[Path]:
    return sorted(path for folder in (place.home, place.runtime) for path in folder.rglob("*"))


@pytest.fixture(autouse=True)
def _own_temporary_folder(place: Place) -> None:
    """Else what runs beside this test would be looked at too."""
    folder = place.work / "tmp"
    folder.mkdir(mode=0o700)
    place.environ["TMPDIR"] = str(folder)


def ours(lines: list[str], place: Place) -> list[str]:
    """Without what other sessions of this user have in /tmp."""
    return [line for line in lines if str(place.home.parent) in line]


def test_nothing_to_remove_is_no_error(place: Place) -> None:
    assert ours(said(place.mitmkube("clean")), place) == []
    assert files(place) == []


def test_everything_that_web_wrote_is_removed(place: Place) -> None:
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page) as running:
        running.run(*CLIENT, PODS)
        running.stop()
    state = place.home / ".local" / "state" / "mitmkube" / "web"
    assert state.is_dir()
    assert ours(said(place.mitmkube("clean")), place) == [f"removed {state}"]
    assert not state.parent.exists()
    assert [path for path in files(place) if not path.is_dir()] == []


def test_running_web_is_left_alone_and_named(running_web: Web) -> None:
    place = running_web.place
    state = place.home / ".local" / "state" / "mitmkube" / "web"
    before = {path: path.stat().st_mtime_ns for path in state.iterdir()}
    assert ours(said(place.mitmkube("clean")), place) == [f"left {state}: it is in use"]
    assert {path: path.stat().st_mtime_ns for path in state.iterdir()} == before
    assert running_web.run(*CLIENT, PODS).stdout.startswith(b"200 ")


def test_session_that_was_killed_is_removed_and_one_that_goes_on_is_not(place: Place) -> None:
    earlier = place.killed_session()
    with place.started("run", "--quiet", "--", *WAITING) as on:
        # This one removes the earlier while its command runs; from then on it removes none.
        deadline = time.monotonic() + SECONDS
        while earlier.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (kept,) = place.runtime.glob("mitmkube-*")
        gone = place.killed_session()
        told = ours(said(place.mitmkube("clean")), place)
        assert sorted(told) == sorted([f"left {kept}: it is in use", f"removed {gone}"])
        assert [*place.runtime.glob("mitmkube-*")] == [kept]
        on.communicate(b"", timeout=SECONDS)
        assert on.returncode == 0
    assert list(place.runtime.iterdir()) == []


def test_what_is_not_its_own_stays(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (elsewhere / "lock").touch()
    (elsewhere / "mine").write_text("mine")
    (place.runtime / "mitmkube-aaaaaaaa").symlink_to(elsewhere)
    (place.runtime / "mitmkube-notes").mkdir(mode=0o700)
    (place.runtime / "mitmkube-bbbbbbbb").write_text("a file")
    (place.runtime / "mitmkube-cccccccc").mkdir(mode=0o700)  # a session that begins at this moment
    shared = place.runtime / "mitmkube-dddddddd"
    shared.mkdir()
    shared.chmod(0o755)
    state = place.home / ".local" / "state" / "mitmkube"
    state.mkdir(parents=True)
    (state / "web").symlink_to(elsewhere)
    (state / "mine").write_text("mine")
    before = files(place)
    told = ours(said(place.mitmkube("clean")), place)
    assert told == [f"left {place.runtime / 'mitmkube-cccccccc'}: it is in use"]
    assert files(place) == before
    assert (elsewhere / "mine").read_text() == "mine"


def test_session_without_a_lock_is_removed_when_its_authority_has_ended(place: Place) -> None:
    old = place.runtime / "mitmkube-aaaaaaaa"
    old.mkdir(mode=0o700)
    (old / "mitmproxy-ca.pem").touch()
    os.utime(old, (time.time() - DAY - 60,) * 2)
    assert ours(said(place.mitmkube("clean")), place) == [f"removed {old}"]


def test_half_written_kubeconfig_of_a_writer_that_was_killed_is_removed(place: Place) -> None:
    kubeconfig = Path(place.environ["KUBECONFIG"])
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    half = kubeconfig.with_name(f".{kubeconfig.name}.mitmkube-{gone.pid}")
    being_written = kubeconfig.with_name(f".{kubeconfig.name}.mitmkube-{os.getpid()}")
    for path in (half, being_written):
        path.write_text("users: []")
    before = kubeconfig.read_bytes()
    assert ours(said(place.mitmkube("clean")), place) == [f"removed {half}"]
    assert being_written.exists()
    assert kubeconfig.read_bytes() == before


def test_what_another_user_owns_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from another user's side, because nobody but root can make a file another's."""
    folder = tmp_path / "mitmkube-aaaaaaaa"
    folder.mkdir(mode=0o700)
    (folder / "lock").touch()
    environ = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": str(tmp_path)}
    monkeypatch.setattr(leftovers, "temporary_folder", lambda: tmp_path)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    assert clean_module.clean(environ) == 0
    assert folder.is_dir()
    monkeypatch.setattr(os, "geteuid", lambda: own)
    assert clean_module.clean(environ) == 0
    assert not folder.exists()


def test_locks_and_folders_are_the_users_alone(place: Place) -> None:
    program = "import os, stat, sys; f = os.path.dirname(os.environ['KUBECONFIG'].split(':')[0])\n"
    program += (
        "print(*(oct(stat.S_IMODE(os.stat(p).st_mode)) for p in [f, *(os.path.join(f, n) for n in os.listdir(f))]))"
    )
    done = place.shell('umask 0; mitmkube run --quiet -- "$@"', *python(program))
    modes = done.stdout.decode().split()
    assert modes[0] == oct(stat.S_IRWXU)
    assert set(modes[1:]) == {"0o600"}
    assert len(modes) >= 4
