"""A later start takes away what a killed session has left, and never what another session uses."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mitmkube import leftovers
from mitmkube.lock_file import NAME, locked
from tests.mitmkube.commands import CLIENT, MITMKUBE, SECONDS, WAITING, Place, free_ports, python, web

PODS = "/api/v1/namespaces/default/pods"


def session(folder: Path, name: str = "mitmkube-abcdefgh") -> Path:
    made = folder / name
    made.mkdir(mode=0o700)
    (made / "overlay").write_text("of a session")
    (made / NAME).touch()
    return made


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what runs beside this test would be looked at too."""
    folder = tmp_path / "tmp"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(leftovers, "temporary_folder", lambda: folder)


def test_next_run_removes_what_a_killed_one_left(no_cluster: Place) -> None:
    left = no_cluster.killed_session()
    done = no_cluster.mitmkube("run", "--quiet", "--", *python("import time; time.sleep(1)"))
    assert done.returncode == 0
    assert not left.exists()
    assert list(no_cluster.runtime.iterdir()) == []


def test_web_removes_what_a_killed_run_left(place: Place) -> None:
    left = place.killed_session()
    proxy, page = free_ports(2)
    with web(place, "--port", proxy, "--web-port", page):
        assert not left.exists()


def test_session_that_goes_on_is_left_alone(no_cluster: Place) -> None:
    with no_cluster.started("run", "--quiet", "--", *WAITING) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        (used,) = no_cluster.runtime.glob("mitmkube-*")
        files = set(used.iterdir())
        assert no_cluster.mitmkube("run", "--quiet", "--", "true").returncode == 0
        assert files <= set(used.iterdir())
        process.communicate(b"", timeout=SECONDS)
    assert process.returncode == 0


def test_what_is_in_use_or_not_ours_stays(tmp_path: Path) -> None:
    dead, used = session(tmp_path), session(tmp_path, "mitmkube-inuse123")
    others = session(tmp_path, "mitmkube-abcdefghi"), session(tmp_path, "others-abcdefgh")
    (tmp_path / "mitmkube-linked00").symlink_to(others[1])
    open_to_all = session(tmp_path, "mitmkube-open0000")
    open_to_all.chmod(0o755)
    with locked(used):
        leftovers.remove_quietly({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert not dead.exists()
    for kept in (used, *others, open_to_all):
        assert (kept / "overlay").read_text() == "of a session"


def test_lock_is_held_as_soon_as_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "mitmkube-abcdefgh"
    folder.mkdir(mode=0o700)
    with locked(folder):
        assert [path.name for path in folder.iterdir()] == [NAME]
        with pytest.raises(leftovers.InUse):
            leftovers.remove(folder)
    leftovers.remove(folder)
    assert not folder.exists()


def test_killed_at_any_moment_nothing_is_left_but_whole_documents(place: Place) -> None:
    """SIGKILL to mitmkube alone, SIGTERM to it, at moments that a seed decides; the next start tidies up."""
    moments = random.Random(20261123)
    for turn in range(8):
        number = moments.choice((signal.SIGKILL, signal.SIGTERM))
        har = place.work / f"har{turn}"
        command = [*MITMKUBE, "run", "--har", har, "--", *CLIENT, PODS, f"{PODS}/web", PODS, "--hold"]
        with subprocess.Popen(
            command,
            env=place.environ,
            cwd=place.work,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(moments.uniform(0.05, 2.5))
            process.send_signal(number)
            process.wait(SECONDS)
        for written in (har, har.with_name(f"{har.name}.partial")):
            if written.exists():
                assert json.loads(written.read_text())["log"]["version"] == "1.2", (turn, number)
        assert not har.with_name(f"{har.name}.partial2").exists() or number == signal.SIGKILL
        if number == signal.SIGTERM:
            assert list(place.runtime.iterdir()) == [], turn
    done = place.mitmkube("run", "--quiet", "--", *python("import time; time.sleep(1)"))
    assert done.returncode == 0
    assert list(place.runtime.iterdir()) == []
    assert [path for path in place.home.rglob("*") if path.is_file()] == []
