"""What explain, rbac and rule do where stdout or stdin is not what they would like it to be."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mitmkube.commands import Place

NOT_FOUND = 'Error from server (NotFound): pods "wäb→" not found\n'
PRINTING = (["explain"], ["explain", "--format", "json"], ["rbac"], ["rule"])


def shell(line: str, *arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    """``line``, in which "$@" is ``mitmkube ARGUMENTS``."""
    return subprocess.run(
        ["sh", "-c", line, "sh", sys.executable, "-m", "mitmkube", *arguments],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **environ},
    )


@pytest.mark.parametrize("arguments", PRINTING)
def test_closed_stdout_is_said_in_one_line(arguments: list[str]) -> None:
    done = shell('"$@" >&-', *arguments, stdin=NOT_FOUND.encode())
    assert (done.returncode, done.stderr) == (2, b"mitmkube: stdout is closed: there is nowhere to write to\n")


@pytest.mark.parametrize("arguments", [["explain"], ["explain", "--format", "json"], ["rule"]])
def test_full_disk_is_said_in_one_line(arguments: list[str]) -> None:
    done = shell('"$@" >/dev/full', *arguments, stdin=NOT_FOUND.encode())
    assert done.returncode == 2
    assert done.stderr == b"mitmkube: stdout cannot be written to: No space left on device\n"


@pytest.mark.parametrize("arguments", [["explain"], ["rule", "rbac-denied"]])
def test_encoding_without_a_character_shows_it_escaped(arguments: list[str]) -> None:
    done = shell('"$@"', *arguments, stdin=NOT_FOUND.encode(), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-16"])
def test_json_is_utf_8_in_every_locale(encoding: str) -> None:
    done = shell('"$@"', "explain", "--format=json", stdin=NOT_FOUND.encode(), PYTHONIOENCODING=encoding)
    assert "wäb→" in json.loads(done.stdout.decode("utf-8"))["items"][0]["findings"][0]["summary"]


def test_json_is_json_when_a_file_has_a_name_that_is_no_text(tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/\xff.txt"
    Path(os.fsdecode(file)).write_text(NOT_FOUND)
    done = shell('"$@"', "explain", "--format=json", os.fsdecode(file), PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout.decode("utf-8"))["items"][0]["file"] == os.fsdecode(file)


def test_gzip_on_stdin_is_unpacked() -> None:
    done = shell('"$@"', "explain", stdin=gzip.compress(NOT_FOUND.encode()))
    assert b"There is no pod" in done.stdout


def test_archive_in_utf_16_is_an_archive() -> None:
    archive = '{"log": {"creator": {"name": "Chrome"}, "entries": []}}'
    assert b"(HAR)" in shell('"$@"', "explain", stdin=archive.encode("utf-16")).stdout


@pytest.mark.parametrize("command", ["explain", "rbac"])
def test_gzip_that_is_broken_is_said_in_one_line(command: str, tmp_path: Path) -> None:
    packed = gzip.compress(os.urandom(4096))
    file = tmp_path / "broken.gz"
    file.write_bytes(packed[:100] + bytes(100) + packed[200:])
    done = shell('"$@"', command, str(file))
    assert done.returncode == 2
    assert b"is compressed and broken" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_name_that_is_too_long_cannot_be_read() -> None:
    done = shell('"$@"', "explain", "a" * 5000)
    assert done.returncode == 2
    assert done.stderr.endswith(b" cannot be read: File name too long\n")


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ('"$@" >&-', 2, b"mitmkube: stdout is closed: there is nowhere to write to\n"),
        ('"$@" >/dev/full', 2, b"mitmkube: stdout cannot be written to: No space left on device\n"),
        ('{ sleep 0.2; "$@"; } | true', 0, b""),
    ],
)
def test_overlay_that_cannot_be_named_is_said_in_one_line(
    no_cluster: Place, line: str, status: int, said: bytes
) -> None:
    config = no_cluster.work / "config"
    config.write_text('{clusters: [{name: a, cluster: {server: "https://a.test"}}]}')
    done = shell(line, "kubeconfig", **no_cluster.environ, KUBECONFIG=str(config))
    assert (done.returncode, done.stderr) == (status, said)
