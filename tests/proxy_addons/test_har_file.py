"""The HAR is a whole document at every moment, and has its name only when it is finished."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from analyzers.exchange import Exchange, Request, Response
from analyzers.output import har
from proxy_addons.har_file import HarFile

ROOT = Path(__file__).parents[2]


def entry(number: int) -> str:
    request = Request(method="GET", host="10.0.0.1", path=f"/api/v1/n/{number}?ü=1")
    return har.entry_text(Exchange(id=number, request=request, response=Response(status=200, body=b"{}")))


def entries(path: Path) -> list[object]:
    found = json.loads(path.read_bytes())["log"]["entries"]
    assert isinstance(found, list)
    return found


def test_partial_file_is_valid_after_every_entry(tmp_path) -> None:
    path, partial = tmp_path / "out.har", tmp_path / "out.har.partial"
    file = HarFile(path, "1")
    assert entries(partial) == []
    for number in range(1, 20):
        file.write(entry(number))
        assert len(entries(partial)) == number
        assert not path.exists()
    file.finish(har.head("1") + har.TAIL)  # shorter than what was there
    assert entries(path) == []
    assert not partial.exists()


def test_file_is_for_its_owner_only(tmp_path) -> None:
    path, partial = tmp_path / "out.har", tmp_path / "out.har.partial"
    partial.write_text("left by a run that was killed")
    partial.chmod(0o644)
    file = HarFile(path, "1")
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    file.finish(har.head("1") + har.TAIL)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_partial_file_does_not_follow_a_link(tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out.har.partial").symlink_to(victim)
    HarFile(tmp_path / "out.har", "1").finish(har.head("1") + har.TAIL)
    assert victim.read_text() == "precious"


def test_killed_process_leaves_a_valid_partial_file(tmp_path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from analyzers.exchange import Exchange, Request\n"
        "from analyzers.output import har\n"
        "from proxy_addons.har_file import HarFile\n"
        "file = HarFile(pathlib.Path(sys.argv[1]), '1')\n"
        "for number in (1, 2, 3):\n"
        "    file.write(har.entry_text(Exchange(id=number, request=Request(method='GET'))))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program, tmp_path / "a.har"], cwd=ROOT, timeout=60)
    assert done.returncode == -9
    assert len(entries(tmp_path / "a.har.partial")) == 3
    assert not (tmp_path / "a.har").exists()


def test_folder_that_is_not_there_is_an_os_error(tmp_path) -> None:
    with pytest.raises(OSError, match="no-such-folder"):
        HarFile(tmp_path / "no-such-folder" / "a.har", "1")


def test_entry_that_was_written_can_be_read_again(tmp_path) -> None:
    file = HarFile(tmp_path / "out.har", "1")
    places = [file.write(entry(number)) for number in range(1, 4)]
    assert [file.read(place) for place in places] == [entry(number) for number in range(1, 4)]
    file.write(entry(4))  # reading has not moved the end
    assert len(entries(tmp_path / "out.har.partial")) == 4
    file.discard()
