"""Folders and files that only their owner can read."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from mitmkube.private_files import make_private_folder, private_folder, write_private


@pytest.fixture(autouse=True)
def _permissive_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "the temporary folder"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_folder_is_made_in_the_users_runtime_folder(tmp_path: Path) -> None:
    folder = make_private_folder({"XDG_RUNTIME_DIR": str(tmp_path)})
    assert folder.parent == tmp_path
    assert mode(folder) == 0o700


@pytest.mark.parametrize("runtime", [None, "", "/no/such/folder", "/dev/null", "/proc"])
def test_new_folder_is_made_in_the_temporary_folder_where_there_is_no_runtime_folder(
    temporary: Path, runtime: str | None
) -> None:
    folder = make_private_folder({} if runtime is None else {"XDG_RUNTIME_DIR": runtime})
    assert folder.parent == temporary
    assert mode(folder) == 0o700


def test_new_folder_is_elsewhere_when_the_runtime_folder_would_break_the_list_of_kubeconfigs(
    tmp_path: Path, temporary: Path
) -> None:
    (tmp_path / "a:b").mkdir()
    assert make_private_folder({"XDG_RUNTIME_DIR": str(tmp_path / "a:b")}).parent == temporary


def test_new_folder_is_elsewhere_when_the_temporary_folder_would_break_the_list_of_kubeconfigs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a:b").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a:b"))
    folder = make_private_folder({})
    folder.rmdir()
    assert ":" not in str(folder)


def test_new_folder_has_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert make_private_folder({"XDG_RUNTIME_DIR": "."}).is_absolute()


def test_private_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert mode(private_folder(tmp_path / "a" / "b")) == 0o700


def test_private_folder_that_others_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    assert mode(private_folder(tmp_path / "open")) == 0o700


def test_private_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_private(tmp_path / "file", b"x")
    assert mode(tmp_path / "file") == 0o600


def test_private_file_that_others_could_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o666)
    write_private(tmp_path / "file", b"new")
    assert mode(tmp_path / "file") == 0o600
    assert (tmp_path / "file").read_bytes() == b"new"


def test_private_file_that_cannot_be_written_leaves_nothing_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError):
        write_private(tmp_path / "file", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
