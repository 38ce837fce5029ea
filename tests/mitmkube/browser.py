"""A real browser: the tests' own, headless."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    """An empty page, until the block ends."""
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("a browser is needed: chromium or google-chrome on PATH")
        pytest.skip("no chromium and no google-chrome on this machine")
    with (
        sync_playwright() as playwright,
        # A browser that root starts has no sandbox.
        playwright.chromium.launch(executable_path=program, args=["--no-sandbox"]) as browser,
    ):
        yield browser.new_page(viewport={"width": 1400, "height": 800})
