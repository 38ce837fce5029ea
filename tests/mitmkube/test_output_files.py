"""Files that the user named: refused before the command runs, never half written, and never in a device's place."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from mitmkube.errors import UserError
from mitmkube.output_files import check_writable, is_stream, write


def test_file_that_can_be_written_is_not_made_by_the_check(tmp_path: Path) -> None:
    assert check_writable(tmp_path / "report") == tmp_path / "report"
    assert list(tmp_path.iterdir()) == []


def test_file_that_exists_is_left_alone_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("old")
    check_writable(tmp_path / "report")
    assert (tmp_path / "report").read_text() == "old"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing/report", "there is no folder"),
        ("file/report", "there is no folder"),
        (".", "is a folder"),
        ("", "is a folder"),
        ("/proc/report", "cannot be written"),
        ("x" * 300, "File name too long"),
    ],
)
def test_file_that_cannot_be_written_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, words: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words) as raised:
        check_writable(Path(path))
    assert "\n" not in str(raised.value)
    assert str(Path(path)) in str(raised.value)


def test_folder_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:
        folder = Path("/sys")  # root may write wherever a file can be put at all
    with pytest.raises(UserError, match="cannot be written: "):
        check_writable(folder / "report")


def test_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write(check_writable(tmp_path / "link"), "new")
    assert (tmp_path / "target").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def test_link_to_what_does_not_exist_yet_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write(check_writable(tmp_path / "link"), "new")
    assert (tmp_path / "target").read_text() == "new"


def test_written_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write(tmp_path / "report", "x")
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o600


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1"])
def test_device_is_a_stream(path: str) -> None:
    assert is_stream(Path(path))
    assert check_writable(Path(path)) == Path(path)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero"])
def test_device_is_written_to_and_stays_one(path: str) -> None:
    assert is_stream(Path(path))  # else root would now replace it
    write(Path(path), "x")
    assert Path(path).is_char_device()


def test_full_device_is_said_in_one_line() -> None:
    with pytest.raises(UserError, match=r"^/dev/full could not be written: No space left on device$"):
        write(Path("/dev/full"), "x")


def test_what_a_stream_already_got_stays(tmp_path: Path) -> None:
    (tmp_path / "stdout").write_text("what the command printed\n")
    with (tmp_path / "stdout").open("ab") as opened:
        write(check_writable(Path(f"/dev/fd/{opened.fileno()}")), "the report\n")
    assert (tmp_path / "stdout").read_text() == "what the command printed\nthe report\n"


def test_pipe_gets_the_text_and_stays_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(check_writable(tmp_path / "pipe"), "x")
    reader.join(60)
    assert got == ["x"]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["file", "pipe"])
def test_text_that_is_no_unicode_is_written_anyway(tmp_path: Path, name: str) -> None:
    if name == "pipe":
        name = "/dev/null"
    write(tmp_path / name, "\udcff")
