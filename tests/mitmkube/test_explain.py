"""``mitmkube explain`` and ``mitmkube rule`` as commands: what they print, where, and how they end."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analyzers.classify import rules
from analyzers.output import explained

FORBIDDEN = (
    'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the '
    'namespace "prod"\n'
)


def mitmkube(*arguments: str | Path, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [sys.executable, "-m", "mitmkube", *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_message_on_stdin_is_explained() -> None:
    done = mitmkube("explain", stdin=FORBIDDEN)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "failed: rbac, at step 7 authorization" in done.stdout
    assert "kubectl create role pods-list -n prod --verb=list --resource=pods" in done.stdout


def test_dash_is_stdin() -> None:
    assert mitmkube("explain", "-", stdin=FORBIDDEN).stdout == mitmkube("explain", stdin=FORBIDDEN).stdout


def test_json_is_one_document_of_the_schema(tmp_path: Path) -> None:
    file = tmp_path / "error.txt"
    file.write_text(FORBIDDEN)
    done = mitmkube("explain", file, "--format", "json")
    document = json.loads(done.stdout)
    assert document["schema"] == explained.SCHEMA
    (item,) = document["items"]
    assert list(item) == ["file", "line", "kind", "findings", "notes"]
    assert (item["file"], item["line"], item["kind"]) == (str(file), 1, "text")
    (finding,) = item["findings"]
    assert list(finding) == ["rule", "category", "hop", "step", "summary", "evidence", "fix"]
    assert finding["rule"] == "rbac-denied"


def test_file_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("error.txt").write_text(FORBIDDEN)
    document = json.loads(mitmkube("explain", "./error.txt", "--format=json").stdout)
    assert document["items"][0]["file"] == "./error.txt"


def test_several_files_are_items_in_their_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text(FORBIDDEN)
    document = json.loads(mitmkube("explain", tmp_path / "b.txt", tmp_path / "a.txt", "--format", "json").stdout)
    assert [Path(item["file"]).name for item in document["items"]] == ["b.txt", "a.txt"]


def test_text_without_a_failure_yields_no_finding_and_says_so() -> None:
    done = mitmkube("explain", stdin="pod/web created\n")
    assert done.returncode == 0
    assert "no failure was found in it" in done.stdout
    document = json.loads(mitmkube("explain", "--format", "json", stdin="pod/web created\n").stdout)
    assert [item["findings"] for item in document["items"]] == [[]]
    assert document["items"][0]["notes"]


def test_packed_file_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "error.txt.gz"
    file.write_bytes(gzip.compress(FORBIDDEN.encode()))
    assert "failed: rbac" in mitmkube("explain", file).stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_file_that_is_missing_is_one_line_and_status_2(tmp_path: Path, form: str) -> None:
    good = tmp_path / "good.txt"
    good.write_text(FORBIDDEN)
    done = mitmkube("explain", tmp_path / "none.txt", good, "--format", form)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "none.txt cannot be read: No such file or directory" in done.stderr
    assert "rbac" in done.stdout  # the others are explained all the same


def test_folder_is_one_line_and_status_2(tmp_path: Path) -> None:
    done = mitmkube("explain", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"mitmkube: {tmp_path} is a folder; name a file, or - for stdin\n"


def test_broken_archive_is_one_line_and_status_2(tmp_path: Path) -> None:
    file = tmp_path / "error.txt.gz"
    file.write_bytes(gzip.compress(FORBIDDEN.encode() * 100)[:40])
    done = mitmkube("explain", file)
    assert done.returncode == 2
    assert "is compressed and broken" in done.stderr
    assert "Traceback" not in done.stderr


def test_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text("".join(f'Error from server (NotFound): pods "web-{number}" not found\n' for number in range(500)))
    command = f'"{sys.executable}" -m mitmkube explain "{file}" | head -1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.endswith("\n0\n")
    assert done.stderr == ""


def test_secret_in_a_pasted_log_is_not_printed() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl"
    pasted = f"error: cannot do it with token {token}\n" + FORBIDDEN.replace("jane", f"jane?token={token}")
    for form in ("text", "json"):
        assert "c2lnbmF0dXJl" not in mitmkube("explain", "--format", form, stdin=pasted).stdout


def test_control_characters_of_a_log_do_not_reach_the_terminal() -> None:
    done = mitmkube("explain", stdin="error: \x1b]0;owned\x07\x1b[2Jthe frobnicator is gone\x9b31m\n")
    assert "\x1b" not in done.stdout
    assert "\x9b" not in done.stdout


def test_catalogue_lists_every_rule() -> None:
    shown = mitmkube("rule").stdout
    assert all(f"  {rule.id} " in shown for rule in rules())


@pytest.mark.parametrize("name", ["rbac-denied", "rbac_denied", "RBAC-Denied"])
def test_page_of_a_rule_is_its_docstring(name: str) -> None:
    shown = mitmkube("rule", name).stdout
    assert shown.startswith("rbac-denied\nThe API server knows the user, and the user lacks a permission.\n")
    for part in ("What you see", "Why it happens", "What to do", "References"):
        assert f"\n{part}\n" in shown


def test_rule_that_is_none_is_status_2_with_the_nearest_one() -> None:
    done = mitmkube("rule", "rbac-denid")
    assert done.returncode == 2
    assert done.stderr == "mitmkube: there is no rule rbac-denid; did you mean rbac-denied?\n"
