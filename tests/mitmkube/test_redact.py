"""``mitmkube redact`` as a command: what becomes of an archive that another tool has written."""

from __future__ import annotations

import base64
import gzip
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from mitmproxy.test import tflow, tutils

from tests.mitmkube.commands import Place
from tests.spellings import spellings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports uses names that are going away
    from mitmproxy.addons.savehar import SaveHar

SECRET = "c4naryF00dBabe7"


@pytest.fixture
def har() -> bytes:
    """What mitmproxy itself saves of three requests; the secret is hidden by nobody."""
    path = b"/api/v1/namespaces/dev/secrets/db"
    body = json.dumps({"kind": "Secret", "data": {"a": base64.b64encode(SECRET.encode()).decode()}}).encode()
    fields = ((b"authorization", b"Bearer " + SECRET.encode()), (b"user-agent", b"kubectl/v1.33"))
    flows = [
        _flow(path, fields, body),
        _flow(b"/api/v1/pods?token=" + SECRET.encode(), (), b'{"kind":"PodList","items":[]}'),
        _flow(b"/api/v1/namespaces/dev/pods/web", (), b'{"kind":"Pod","metadata":{"name":"web"}}'),
    ]
    return json.dumps(SaveHar().make_har(flows)).encode()  # type: ignore[no-untyped-call]


def _flow(path: bytes, fields: tuple[tuple[bytes, bytes], ...], body: bytes) -> Any:
    request = tutils.treq(path=path, headers=fields, content=b"")
    response = tutils.tresp(headers=((b"content-type", b"application/json"),), content=body)
    return tflow.tflow(req=request, resp=response)


def assert_clean(text: str) -> None:
    assert [spelling for spelling in spellings(SECRET) if spelling in text] == []


def test_archive_of_another_tool_is_cleaned_on_stdout(no_cluster: Place, har: bytes) -> None:
    assert SECRET in har.decode()
    file = no_cluster.work / "other.har"
    file.write_bytes(har)
    done = no_cluster.mitmkube("redact", file)
    assert (done.returncode, done.stderr) == (0, b"")
    assert_clean(done.stdout.decode())
    log = json.loads(done.stdout)["log"]
    assert log["version"] == "1.2"
    assert log["creator"] == json.loads(har)["log"]["creator"]
    assert [entry["response"]["status"] for entry in log["entries"]] == [200, 200, 200]
    assert log["entries"][2]["request"]["url"].endswith("/api/v1/namespaces/dev/pods/web")
    assert '"a":"[redacted:' in log["entries"][0]["response"]["content"]["text"]
    assert file.read_bytes() == har


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_archive_on_stdin_is_written_to_a_file_of_its_owner(
    no_cluster: Place, har: bytes, pack: Callable[[bytes], bytes]
) -> None:
    done = no_cluster.mitmkube("redact", "-", "-o", "clean.har", stdin=pack(har))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    clean = no_cluster.work / "clean.har"
    assert clean.stat().st_mode & 0o777 == 0o600
    assert_clean(clean.read_text())
    assert len(json.loads(clean.read_text())["log"]["entries"]) == 3


def test_cleaned_archive_is_still_explained(no_cluster: Place) -> None:
    refusal = {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403,
        "message": 'secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" in the namespace'
        ' "dev"', "details": {"kind": "secrets"},
    }  # fmt: skip
    flow = _flow(b"/api/v1/namespaces/dev/secrets", ((b"authorization", b"Bearer x.y"),), json.dumps(refusal).encode())
    flow.response.status_code = 403
    archive = json.dumps(SaveHar().make_har([flow])).encode()  # type: ignore[no-untyped-call]
    cleaned = no_cluster.mitmkube("redact", "-", stdin=archive)
    explained = no_cluster.mitmkube("explain", stdin=cleaned.stdout)
    assert b"jane may not list secrets in namespace dev." in explained.stdout


def test_entry_in_which_a_secret_stands_all_the_same_is_left_out_and_named(no_cluster: Place, har: bytes) -> None:
    """A place that nobody thought of: it is known only from the first entry that the word is a secret."""
    document = json.loads(har)
    document["log"]["entries"][2]["response"]["statusText"] = f"see {SECRET}"
    document["log"]["entries"].reverse()
    done = no_cluster.mitmkube("redact", "-", stdin=json.dumps(document).encode())
    assert done.returncode == 0
    assert done.stderr == b"mitmkube: entry 1 is left out: a secret stands in response.statusText\n"
    assert_clean(done.stdout.decode())
    assert len(json.loads(done.stdout)["log"]["entries"]) == 2


def test_archive_that_ends_in_the_middle_is_cleaned_up_to_there(no_cluster: Place, har: bytes) -> None:
    cut = har[: har.rindex(b'"startedDateTime"') + 200]
    done = no_cluster.mitmkube("redact", "-", stdin=cut)
    assert done.returncode == 2
    assert done.stderr == b"mitmkube: - ends in the middle of line 1: what stands before that was written\n"
    assert_clean(done.stdout.decode())
    assert len(json.loads(done.stdout)["log"]["entries"]) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"not json", b'{"log":{"version":"1.2"}}', b"\xff\xfe\0"])
def test_what_is_no_archive_is_said_in_one_line(no_cluster: Place, content: bytes) -> None:
    done = no_cluster.mitmkube("redact", "-", "-o", "clean.har", stdin=content)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"mitmkube: - is no HTTP archive (HAR); mitmkube redact cleans nothing else\n"
    assert not (no_cluster.work / "clean.har").exists()


@pytest.mark.parametrize("arguments", [["redact", "missing.har"], ["redact", "-", "-o", "no/such/folder"], ["redact"]])
def test_bad_input_is_said_in_one_line(no_cluster: Place, arguments: list[str]) -> None:
    done = no_cluster.mitmkube(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(b"mitmkube: ")
    assert done.stderr.count(b"\n") == 1
