"""The HAR is a whole document at every moment, and has its name only when it is finished."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzers.exchange import Exchange, Request, Response
from analyzers.output import har
from proxy_addons.har_file import HarFile

ROOT = Path(__file__).parents[2]


def entry(number: int | str) -> str:
    request = Request(method="GET", host="10.0.0.1", path=f"/api/v1/n/{number}?ü=1")
    return har.entry_text(Exchange(id=1, request=request, response=Response(status=200, body=b"{}")))


def entries(path: Path) -> list[object]:
    found = json.loads(path.read_bytes())["log"]["entries"]
    assert isinstance(found, list)
    return found


def test_partial_file_is_valid_after_every_entry(tmp_path) -> None:
    path, partial = tmp_path / "out.har", tmp_path / "out.har.partial"
    file = HarFile(path, "1")
    assert entries(partial) == []
    for number in range(1, 20):
        file.write([entry(number)])
        assert len(entries(partial)) == number
        assert not path.exists()
    file.finish(har.head("1"), [])
    assert entries(path) == []
    assert not partial.exists()


def test_file_is_for_its_owner_only(tmp_path) -> None:
    path, partial = tmp_path / "out.har", tmp_path / "out.har.partial"
    partial.write_text("left by a run that was killed")
    partial.chmod(0o644)
    file = HarFile(path, "1")
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    file.finish(har.head("1"), [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_partial_file_does_not_follow_a_link(tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out.har.partial").symlink_to(victim)
    HarFile(tmp_path / "out.har", "1").finish(har.head("1"), [])
    assert victim.read_text() == "precious"


def test_killed_process_leaves_a_valid_partial_file(tmp_path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from analyzers.exchange import Exchange, Request\n"
        "from analyzers.output import har\n"
        "from proxy_addons.har_file import HarFile\n"
        "file = HarFile(pathlib.Path(sys.argv[1]), '1')\n"
        "for number in (1, 2, 3):\n"
        "    file.write([har.entry_text(Exchange(id=number, request=Request(method='GET')))])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program, tmp_path / "a.har"], cwd=ROOT, timeout=60)
    assert done.returncode == -9
    assert len(entries(tmp_path / "a.har.partial")) == 3
    assert not (tmp_path / "a.har").exists()


def test_folder_that_is_not_there_is_an_os_error(tmp_path) -> None:
    with pytest.raises(OSError, match="no-such-folder"):
        HarFile(tmp_path / "no-such-folder" / "a.har", "1")


def test_entries_that_were_written_are_copied_where_they_are_wanted(tmp_path) -> None:
    file = HarFile(tmp_path / "out.har", "1")
    places = [file.write([entry(number)])[0] for number in range(1, 5)]
    file.finish(har.head("1"), [places[2], entry(7), places[0]])
    assert numbers(tmp_path / "out.har") == ["3", "7", "1"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.har"]


def test_file_that_a_killed_run_left_half_written_goes_with_the_next(tmp_path) -> None:
    (tmp_path / "out.har.partial2").write_text("half")
    HarFile(tmp_path / "out.har", "1")
    assert [path.name for path in tmp_path.iterdir()] == ["out.har.partial"]


# What is still open


def numbers(path: Path) -> list[str]:
    """Which entries there are, by the number in their URL; a later version of one that is open has a letter more."""
    return [one["request"]["url"].rpartition("/")[2].partition("?")[0] for one in entries(path)]  # type: ignore[index]


def test_entries_of_what_is_open_stand_behind_the_others_and_are_replaced(tmp_path) -> None:
    path, partial = tmp_path / "out.har", tmp_path / "out.har.partial"
    file = HarFile(path, "1")
    file.write_live([entry("open")])
    assert numbers(partial) == ["open"]
    first = file.write([entry(1)])[0]
    assert numbers(partial) == ["1", "open"]
    file.write_live([entry("open-a" + "y" * 5000), entry("other")])
    second = file.write([entry(2)])[0]
    assert numbers(partial) == ["1", "2", "open-a" + "y" * 5000, "other"]
    file.write_live([entry("open-b")])
    assert numbers(partial) == ["1", "2", "open-b"]
    assert partial.read_bytes().endswith(har.TAIL.encode())
    file.write_live([])
    assert numbers(partial) == ["1", "2"]
    file.write_live([entry("open-c")])
    file.finish(har.head("1"), [first, second])
    assert numbers(path) == ["1", "2"]


def random_calls(file: HarFile, seed: int, count: int) -> list[str]:
    """Entries that ended and entries that are open, of all lengths; what must be in the file in the end."""
    choose = random.Random(seed)
    ended: list[str] = []
    live: list[str] = []
    for number in range(count):
        if choose.random() < 0.5:
            ended.append(str(number))
            file.write([entry(number)])
        else:
            live = [f"{number}-{'y' * choose.randrange(9000)}" for _ in range(choose.randrange(4))]
            file.write_live([entry(one) for one in live])
    return ended + live


@pytest.mark.parametrize("seed", range(5))
def test_file_is_a_whole_document_after_every_system_call(tmp_path, monkeypatch, seed: int) -> None:
    partial = tmp_path / "out.har.partial"
    file = HarFile(tmp_path / "out.har", "1")
    calls: list[str] = []

    def seen(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*arguments: object) -> object:
            result = real(*arguments)
            entries(partial)
            calls.append(name)
            return result

        return call

    for name in ("pwrite", "ftruncate"):
        monkeypatch.setattr(os, name, seen(name))
    assert random_calls(file, seed, 200) == numbers(partial)
    assert calls.count("pwrite") <= 200  # one for each
    assert "ftruncate" in calls


KILLED = """
import os, pathlib, sys, tests.proxy_addons.test_har_file as tests
for killed_at in range(1, 60):
    child = os.fork()
    if child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
        continue
    file = tests.HarFile(pathlib.Path(sys.argv[1]) / f"{killed_at}.har", "1")
    calls = 0
    def counted(real):
        def call(*arguments):
            global calls
            result = real(*arguments)
            calls += 1
            if calls == killed_at:
                os.kill(os.getpid(), 9)
            return result
        return call
    os.pwrite, os.ftruncate = counted(os.pwrite), counted(os.ftruncate)
    tests.random_calls(file, killed_at, 100)
"""


def test_process_that_is_killed_at_any_call_leaves_a_whole_document(tmp_path) -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, tmp_path], cwd=ROOT, timeout=120, check=True)
    left = [numbers(path) for path in tmp_path.iterdir()]
    assert len(left) == 59
    assert any(left)


def test_calls_of_several_threads_leave_a_whole_document(tmp_path) -> None:
    file = HarFile(tmp_path / "out.har", "1")

    def live() -> None:
        for number in range(200):
            file.write_live([entry(f"open-{'y' * (number * 37 % 3000)}")])

    thread = threading.Thread(target=live)
    thread.start()
    for number in range(200):
        file.write([entry(number)])
    thread.join()
    assert numbers(tmp_path / "out.har.partial")[:200] == [str(number) for number in range(200)]
    file.discard()


# A disk that is full


FULL = """
import pathlib, resource, signal, sys, tests.proxy_addons.test_har_file as tests
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = tests.HarFile(pathlib.Path(sys.argv[1]), "1")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
written, failed = [], 0
for number in range(200):
    try:
        if number % 3:
            file.write_live([tests.entry("open" + "y" * 4000)])
        else:
            written.append(file.write([tests.entry(f"{number}-" + "x" * 1500)])[0])
    except OSError:
        failed += 1
    tests.entries(file.partial)
assert failed > 10 and len(written) > 10, (failed, len(written))
try:
    file.finish(tests.har.head("1"), [*written, *(tests.entry("z" * 1000) for _ in range(100))])
except OSError:
    print(len(written))
"""


def test_full_disk_leaves_a_whole_document_with_what_was_written(tmp_path) -> None:
    program = [sys.executable, "-W", "ignore", "-c", FULL, tmp_path / "out.har"]
    done = subprocess.run(program, cwd=ROOT, timeout=120, check=True, stdout=subprocess.PIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["out.har.partial"]
    assert len(entries(tmp_path / "out.har.partial")) == int(done.stdout)
