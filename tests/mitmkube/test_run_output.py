"""The files that a run leaves: JSON as documented, HAR that any viewer reads, and no secret in either."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from tests import har_schema
from tests.mitmkube.api_server import SECRET_PLAIN, SECRET_VALUE, TOKEN, ApiServer
from tests.mitmkube.commands import CLIENT, SECONDS, Place

PODS = "/api/v1/namespaces/default/pods"
SECRET = "/api/v1/namespaces/default/secrets/db"
REFUSED = "/api/v1/namespaces/prod/pods"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"


def run_json(place: Place, *command: str) -> dict[str, Any]:
    place.mitmkube("run", "--json", "json", "--", *command)
    document: dict[str, Any] = json.loads((place.work / "json").read_text())
    return document


def run_har(place: Place, *command: str) -> list[dict[str, Any]]:
    place.mitmkube("run", "--har", "har", "--", *command)
    entries: list[dict[str, Any]] = json.loads((place.work / "har").read_text())["log"]["entries"]
    return entries


# JSON


def documented(heading: str) -> set[str]:
    """The field names of a table in docs/json.md."""
    section = re.split(r"\n##? ", DOCUMENTATION.read_text().split(f"\n## {heading}\n")[1])[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_json_has_the_documented_fields(place: Place) -> None:
    document = run_json(place, *CLIENT, PODS, REFUSED)
    assert set(document) == documented("The document")
    assert set(document["command"]) == documented("command")
    for request in document["requests"]:
        assert set(request) == documented("requests")
    for finding in document["findings"]:
        assert set(finding) == documented("findings")
    for step in document["steps"]:
        assert set(step) == documented("steps")


def test_json_says_what_failed(place: Place) -> None:
    document = run_json(place, *CLIENT, PODS, REFUSED)
    assert document["schema"] == "mitmkube/v1"
    assert document["cause"] == {"request": 2, "rule": "rbac-denied"}
    assert [request["status"] for request in document["requests"]] == [200, 403]
    assert document["command"]["exit_status"] == 1
    assert document["command"]["cluster"] == "dev"
    assert document["command"]["kubeconfig"] == [place.environ["KUBECONFIG"]]


def test_json_of_a_command_that_was_killed_names_the_signal(no_cluster: Place) -> None:
    command = run_json(no_cluster, "sh", "-c", "kill -TERM $$")["command"]
    assert (command["exit_status"], command["signal"]) == (None, "SIGTERM")


def test_json_of_a_command_that_sent_nothing_says_so(no_cluster: Place) -> None:
    document = run_json(no_cluster, "true")
    assert document["requests"] == []
    assert "Nothing was sent through the proxy" in document["command"]["notices"][0]


# HAR


def test_har_is_as_the_specification_has_it(place: Place) -> None:
    place.mitmkube("run", "--har", "har", "--", *CLIENT, PODS, REFUSED)
    log = har_schema.check((place.work / "har").read_bytes())
    assert log["creator"]["name"] == "mitmkube"
    assert [entry["response"]["status"] for entry in log["entries"]] == [200, 403]


def test_har_has_the_bodies_of_refusals_and_with_bodies_all(place: Place) -> None:
    well, refused = run_har(place, *CLIENT, PODS, REFUSED)
    assert "text" not in well["response"]["content"]
    assert well["response"]["content"]["comment"] == "left out; --bodies keeps it, redacted"
    assert json.loads(refused["response"]["content"]["text"])["kind"] == "Status"
    place.mitmkube("run", "--har", "all", "--bodies", "--", *CLIENT, PODS, REFUSED)
    asked, _ = har_schema.check((place.work / "all").read_bytes())["entries"]
    assert asked["response"]["content"]["size"] == well["response"]["content"]["size"]
    assert json.loads(asked["response"]["content"]["text"])["items"]


def test_har_on_a_stream_has_bodies_where_they_are_asked_for(place: Place) -> None:
    command = ("--quiet", "--har", "/dev/stdout", "--report", "report", "--", *CLIENT, PODS)
    texts = []
    for option in ((), ("--bodies",)):
        done = place.mitmkube("run", *option, *command)
        printed = done.stdout[done.stdout.index(b'{"log"') :]
        (entry,) = har_schema.check(printed)["entries"]
        texts.append("text" in entry["response"]["content"])
    assert texts == [False, True]


def test_har_entry_carries_its_findings_and_notes(place: Place) -> None:
    well, refused = run_har(place, *CLIENT, PODS, REFUSED)
    assert well["_mitmkube"]["findings"] == []
    assert isinstance(well["_mitmkube"]["notes"], list)
    (finding,) = refused["_mitmkube"]["findings"]
    assert {"rule", "category", "hop", "step", "summary", "evidence", "fix"} <= set(finding)
    assert finding["rule"] == "rbac-denied"


def test_har_keeps_request_headers_that_are_no_secret(place: Place, api: ApiServer) -> None:
    (entry,) = run_har(place, *CLIENT, PODS)
    headers = {header["name"].lower(): header["value"] for header in entry["request"]["headers"]}
    assert headers["x-kept"] == "yes"
    assert headers["host"] == f"127.0.0.1:{api.port}"
    assert TOKEN not in headers.get("authorization", "")


def test_har_of_an_exec_hides_what_was_executed(place: Place, kubectl: str) -> None:
    place.mitmkube("run", "--har", "har", "--json", "json", "--", kubectl, "exec", "web", "--", "sh", "my-passphrase")
    text = (place.work / "har").read_text()
    assert "/pods/web/exec?" in text
    for name in ("har", "json"):
        assert "my-passphrase" not in (place.work / name).read_text()


def test_har_that_was_there_is_replaced_only_at_the_end(place: Place) -> None:
    (place.work / "har").write_text("old")
    done = place.mitmkube("run", "--quiet", "--har", "har", "--", "cat", "har")
    assert done.stdout == b"old"
    assert json.loads((place.work / "har").read_text())["log"]["entries"] == []
    assert sorted(path.name for path in place.work.iterdir()) == ["har"]


@pytest.mark.parametrize("option", ["--har", "--json", "--report"])
def test_file_is_readable_by_its_owner_only(place: Place, option: str) -> None:
    (place.work / "file").write_text("old")
    (place.work / "file").chmod(0o644)
    place.mitmkube("run", option, "file", "--", "true")
    assert stat.S_IMODE((place.work / "file").stat().st_mode) == 0o600


# A long session


def test_long_session_is_kept_in_part_and_its_har_whole(place: Place) -> None:
    paths = [REFUSED if number == 40 else PODS for number in range(1, 131)]
    files = ("--har", "har", "--json", "json", "--report", "report")
    place.mitmkube("run", "--keep-flows", "100", *files, "--", *CLIENT, *paths)
    log = json.loads((place.work / "har").read_text())["log"]
    assert [entry["_mitmkube"]["id"] for entry in log["entries"]] == list(range(1, 131))
    assert log["entries"][39]["_mitmkube"]["findings"][0]["rule"] == "rbac-denied"
    document = json.loads((place.work / "json").read_text())
    assert len(document["requests"]) == 100
    assert document["cause"] == {"request": 40, "rule": "rbac-denied"}
    assert [span["count"] for span in document["left_out"]] == [14, 16]
    assert (document["totals"]["requests"], document["totals"]["failed"]) == (130, 1)
    report = (place.work / "report").read_text()
    assert "130 requests" in report
    assert "... 14 requests left out (--keep-flows 100)" in report


# Where it cannot be put


@pytest.mark.parametrize("option", ["--har", "--json", "--report"])
def test_what_the_command_printed_stays_when_a_file_is_where_that_went(place: Place, option: str) -> None:
    with (place.work / "out").open("ab") as out:
        place.mitmkube("run", "--quiet", option, "/dev/stdout", "--", "sh", "-c", "echo printed; exit 1", stdout=out)
    text = (place.work / "out").read_text()
    assert text.startswith("printed\n")
    assert len(text) > len("printed\n")


@pytest.mark.parametrize("option", ["--har", "--json", "--report"])
def test_device_stays_a_device(place: Place, option: str) -> None:
    # Not /dev/null: where this fails it would be gone.
    os.mkfifo(place.work / "pipe")
    reading = os.open(place.work / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert place.mitmkube("run", option, "pipe", "--", "true").returncode == 0
        assert os.read(reading, 10)
    finally:
        os.close(reading)
    assert (place.work / "pipe").is_fifo()
    assert [path.name for path in place.work.iterdir()] == ["pipe"]


@pytest.mark.parametrize("option", ["--har", "--json"])
def test_file_that_cannot_be_written_in_the_end_leaves_the_report(place: Place, option: str) -> None:
    done = place.mitmkube("run", option, "/dev/full", "--", *CLIENT, REFUSED)
    assert b"failed: rbac" in done.stderr
    assert done.stderr.endswith(b"mitmkube: /dev/full could not be written: No space left on device\n")
    assert done.returncode == 125


# Secrets


def shapes(secret: str) -> list[bytes]:
    """``secret`` as it could be written somewhere: as it is, in base64, and in base64 at any offset."""
    plain = secret.encode()
    encoded = {base64.b64encode(b" " * offset + plain)[4:-4] for offset in range(3)}
    return [plain, *encoded]


def test_no_secret_is_in_anything_that_is_written(place: Place, kubectl: str, tmp_path: Path) -> None:
    (tmp_path / "overlay").touch()
    script = """
cat "${KUBECONFIG%%:*}" >&3
"$KUBECTL" get secret db -o yaml
"$KUBECTL" get secrets -n prod -v9
exec "$@"
"""
    done = place.shell(
        f"export KUBECTL='{kubectl}'\n"
        'mitmkube run --steps --har har --json json --report report -- "$@" 3>../overlay',
        *("sh", "-c", script, "sh", *CLIENT, SECRET, REFUSED),
    )
    assert SECRET_VALUE.encode() in done.stdout
    found = re.search(r"http://mitmkube-\w+:([\w-]+)@", (tmp_path / "overlay").read_text())
    assert found
    written = {path.name: path.read_bytes() for path in place.work.rglob("*") if path.is_file()}
    assert {"har", "json", "report"} <= set(written)
    for name, content in written.items():
        for secret in (TOKEN, SECRET_PLAIN, found[1]):
            for shape in shapes(secret):
                assert shape not in content, (name, shape)
        assert SECRET_VALUE.encode() not in content, name


def test_no_secret_is_in_the_report_on_stderr(place: Place) -> None:
    done = place.mitmkube("run", "--steps", "--", *CLIENT, SECRET, REFUSED)
    assert b"failed: rbac" in done.stderr
    for secret in (TOKEN, SECRET_PLAIN, SECRET_VALUE):
        for shape in shapes(secret):
            assert shape not in done.stderr


def test_secret_on_the_command_line_is_not_written(place: Place, kubectl: str) -> None:
    token = "another-s3cr3t-t0ken"
    done = place.mitmkube(
        "run", "--har", "har", "--json", "json", "--", kubectl, "get", "pods", "-n", "prod", "--token", token
    )
    assert b"failed: rbac" in done.stderr
    for content in (done.stderr, *(path.read_bytes() for path in place.work.iterdir())):
        for shape in shapes(token):
            assert shape not in content


def test_credential_reaches_the_server_as_it_was_sent(place: Place, api: ApiServer) -> None:
    place.mitmkube("run", "--", *CLIENT, PODS)
    assert api.authorization == [f"Bearer {TOKEN}"]
    assert api.requests == [f"GET {PODS}"]


def test_disk_that_is_full_stops_no_traffic_and_loses_nothing_that_was_written(place: Place) -> None:
    """A limit on the size of files says no as a full disk does, at the same calls."""
    pods = "/api/v1/namespaces/default/pods"
    command = ("run", "--har", "har", "--", *CLIENT, *[pods] * 60)
    with place.started(*command, through=("sh", "-c", 'ulimit -f 64; exec "$@"', "sh")) as process:
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 125
    assert out.count(b"200 ") == 60
    assert b"60 requests" in err
    said = err.decode().splitlines()[-1]
    where = place.work / "har"
    assert said == f"mitmkube: {where} could not be written: File too large; what was recorded is in {where}.partial"
    entries = json.loads((place.work / "har.partial").read_text())["log"]["entries"]
    assert 1 <= len(entries) < 60
    assert not (place.work / "har").exists()
    assert list(place.runtime.iterdir()) == []


def test_two_outputs_in_one_file_are_refused(place: Place) -> None:
    done = place.mitmkube("run", "--har", "both", "--json", "./both", "--", "touch", "ran")
    assert done.returncode == 125
    assert (
        done.stderr == f"mitmkube: {place.work / 'both'} is named twice; each output needs a file of its own\n".encode()
    )
    assert list(place.work.iterdir()) == []
