"""Places where nobody else can put something in place of what was written."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path
from types import SimpleNamespace

import pytest

from mitmkube import trusted_place
from mitmkube.trusted_place import UntrustedPlace, trusted


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir(mode=0o700)
    return folder


def test_own_closed_folder_is_trusted_and_what_is_not_there_yet_in_it(place: Path) -> None:
    assert trusted(place) == place
    assert trusted(place / "a" / "b") == place / "a" / "b"


@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o1775, 0o711])
def test_folder_where_others_touch_only_their_own_is_trusted(place: Path, mode: int) -> None:
    place.chmod(mode)
    assert trusted(place / "a") == place / "a"


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o757])
def test_folder_that_everybody_may_write_is_not(place: Path, mode: int) -> None:
    (place / "closed").mkdir(mode=0o700)
    place.chmod(mode)
    for path in (place, place / "closed", place / "closed" / "not there"):
        with pytest.raises(UntrustedPlace, match="others can change what is in") as refused:
            trusted(path)
        assert str(refused.value.strerror).endswith(str(place))


def test_folder_that_a_group_may_write_is_trusted_where_the_group_is_the_user(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.chmod(0o775)
    monkeypatch.setattr(os, "getegid", lambda: 4711)
    status = place.stat()
    groups = {
        "own": SimpleNamespace(gr_name="jane", gr_mem=[]),
        "shared": SimpleNamespace(gr_name="staff", gr_mem=[]),
        "joined": SimpleNamespace(gr_name="jane", gr_mem=["jane", "bob"]),
    }
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_name="jane"))
    alone = {}
    for name, group in groups.items():
        monkeypatch.setattr(grp, "getgrgid", lambda _, group=group: group)
        alone[name] = trusted_place._is_alone_in(status.st_gid + 4711)
    assert alone == {"own": True, "shared": False, "joined": False}


def test_folder_of_another_user_is_not(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place.stat().st_uid == 0:  # root is trusted by everybody, so it is somebody else's
        os.chown(place, 4711, 4711)
    else:
        own = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(UntrustedPlace):
        trusted(place)


def test_link_is_followed_before_it_is_looked_at(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place)
    assert trusted(tmp_path / "link" / "a") == place / "a"
    place.chmod(0o777)
    with pytest.raises(UntrustedPlace):
        trusted(tmp_path / "link" / "a")
