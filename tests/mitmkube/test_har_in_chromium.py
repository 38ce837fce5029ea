"""The HAR in a real viewer: Chromium's own network panel, into which it is imported as a person would."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from analyzers.command import Story
from analyzers.output import har
from tests.har_of_recordings import refused_connection, story, upgraded
from tests.mitmkube.browser import browser_page

PANEL = "devtools://devtools/bundled/devtools_app.html?panel=network"
# What the panel made of an entry, besides what its rows show.
REQUESTS = """async () => {
    const { NetworkLog } = await import('./models/logs/logs.js');
    return NetworkLog.NetworkLog.instance().requests().map((one) => ({
        url: one.url(), method: one.requestMethod, status: one.statusCode, size: one.resourceSize,
        seconds: one.duration, times: one.timing, address: one.remoteAddress(), type: one.resourceType().name(),
        started: one.issueTime(), headers: one.responseHeaders.length,
    }));
}"""


@pytest.fixture
def panel() -> Iterator[Page]:
    """The network panel, with nothing in it."""
    with browser_page() as page:
        page.goto(PANEL)
        yield page


def load(panel: Page, archive: str, folder: Path) -> None:
    """Import ``archive`` with the panel's own button."""
    file = folder / "out.har"
    file.write_text(archive, "utf-8")
    with panel.expect_file_chooser() as chooser:
        panel.get_by_role("button", name="Import HAR").click()
    chooser.value.set_files(file)


def row(panel: Page, text: str) -> Locator:
    return panel.locator(".network-log-grid tbody tr", has_text=text).first


def cells(line: Locator) -> list[str]:
    return [text.replace("\xa0", " ") for text in line.inner_text().split("\t")]


def archive() -> str:
    exchanges = [
        *story("get_pods_forbidden"),
        upgraded("1.36_exec_exit_3", 50),
        upgraded("1.36_port_forward", 51),
        refused_connection(52),
    ]
    return har.document(Story.of(exchanges), "1.0")


def test_every_entry_is_a_row_with_its_status_size_and_time(panel: Page, tmp_path: Path) -> None:
    text = archive()
    entries = json.loads(text)["log"]["entries"]
    load(panel, text, tmp_path)
    expect(row(panel, "secrets?limit=500")).to_be_visible()
    name, status, _, _, size, spent = cells(row(panel, "secrets?limit=500"))
    assert (name, status, size) == ("secrets?limit=500", "403", "0.3 kB")
    assert spent.endswith(" ms")
    assert cells(row(panel, "exec?command=sh"))[1:3] == ["101", "websocket"]
    seen = {one["url"]: one for one in panel.evaluate(REQUESTS)}
    assert len(seen) == len(entries)
    for entry in entries:
        one = seen[entry["request"]["url"]]
        assert one["method"] == entry["request"]["method"]
        assert one["status"] == entry["response"]["status"]
        assert one["size"] == entry["response"]["content"]["size"]
        assert one["headers"] == len(entry["response"]["headers"])
        assert one["seconds"] == pytest.approx(entry["time"] / 1000, abs=1e-4)


def test_times_of_an_entry_are_read_as_they_were_written(panel: Page, tmp_path: Path) -> None:
    load(panel, har.document(Story.of([upgraded("1.36_exec_exit_3")])), tmp_path)
    expect(row(panel, "exec?command=sh")).to_be_visible()
    (seen,) = panel.evaluate(REQUESTS)
    times = seen["times"]
    assert times["requestTime"] == 1_700_000_000
    assert (times["connectStart"], times["connectEnd"]) == (0, 30)
    assert (times["sslStart"], times["sslEnd"]) == (10, 30)
    assert (times["sendStart"], times["sendEnd"]) == (30, 31)
    assert times["receiveHeadersEnd"] == pytest.approx(131)
    assert seen["address"].startswith("127.0.0.1")


def test_messages_of_an_exec_stand_in_the_pane_without_what_they_say(panel: Page, tmp_path: Path) -> None:
    load(panel, archive(), tmp_path)
    row(panel, "exec?command=sh").locator("td").first.click()
    panel.get_by_role("tab", name="Messages").click()
    said = ("[stdout: 693 bytes, left out]", "[stderr: 7 bytes, left out]", '"status":"Failure"', "Connection close")
    for words in said:
        expect(panel.get_by_role("cell", name=words)).to_be_visible()


def test_refusal_is_read_in_the_response_pane(panel: Page, tmp_path: Path) -> None:
    load(panel, archive(), tmp_path)
    row(panel, "secrets?limit=500").locator("td").first.click()
    panel.get_by_role("tab", name="Response").click()
    expect(panel.locator(".network-item-view")).to_contain_text("Forbidden")


def without_timings(log: dict[str, Any]) -> None:
    del log["entries"][0]["timings"]


def without_response(log: dict[str, Any]) -> None:
    log["entries"][0]["response"] = None


def without_a_date(log: dict[str, Any]) -> None:
    log["entries"][0]["startedDateTime"] = "yesterday"


@pytest.mark.parametrize("broken", [without_timings, without_response, without_a_date])
def test_archive_that_is_broken_gives_no_rows(
    broken: Callable[[dict[str, Any]], None], panel: Page, tmp_path: Path
) -> None:
    document = json.loads(archive())
    broken(document["log"])
    load(panel, json.dumps(document), tmp_path)
    whole = json.loads(har.document(Story.of([refused_connection()])))
    # A second one, which is whole, shows that the panel had read the first.
    load(panel, json.dumps(whole), tmp_path)
    expect(row(panel, "127.0.0.1")).to_be_visible()
    assert len(panel.evaluate(REQUESTS)) == 1
