"""mitmweb's page in a real browser: the comments, the filter, and the view above a body."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.mitmkube.browser import browser_page
from tests.mitmkube.commands import CLIENT, Web

PODS = "/api/v1/namespaces/default/pods"
REFUSED = "/api/v1/namespaces/prod/pods"
COMMENT = "rbac at authorization: jane may not list pods in namespace prod."


@pytest.fixture
def page(running_web: Web) -> Iterator[Page]:
    """The page of a ``mitmkube web`` through which one request succeeded and one was refused."""
    running_web.run(*CLIENT, PODS, REFUSED)
    running_web.flows(2)
    with browser_page() as page:
        page.goto(running_web.url)
        expect(page.locator(".flow-table tbody tr", has_text=PODS)).to_be_visible()
        yield page


def test_comments_stand_beside_the_flows(page: Page) -> None:
    expect(page.locator(".flow-table thead")).to_contain_text("Comment")
    expect(page.locator(".flow-table tbody tr", has_text=REFUSED)).to_contain_text(COMMENT)
    expect(page.locator(".flow-table tbody tr", has_text=PODS)).to_contain_text("list pods in default")


def test_filter_by_category_hides_the_others(page: Page) -> None:
    page.locator("nav a", has_text="Flow List").click()
    page.get_by_placeholder("Search").fill("~comment rbac")
    expect(page.locator(".flow-table tbody tr", has_text=PODS)).to_have_count(0)
    expect(page.locator(".flow-table tbody tr", has_text=REFUSED)).to_be_visible()


def test_kubernetes_view_is_chosen_by_itself(page: Page) -> None:
    page.locator(".flow-table tbody tr", has_text=REFUSED).click()
    page.locator(".flow-detail a", has_text="Response").click()
    detail = page.locator(".flow-detail")
    expect(detail).to_contain_text("Kubernetes")
    expect(detail).to_contain_text("failed: rbac, at step 7 authorization")
    expect(detail).to_contain_text("reason: Forbidden")


def test_request_shows_no_authorization(page: Page) -> None:
    page.locator(".flow-table tbody tr", has_text=REFUSED).click()
    page.locator(".flow-detail a", has_text="Request").click()
    detail = page.locator(".flow-detail")
    expect(detail).to_contain_text("X-Kept")
    expect(detail).not_to_contain_text("Authorization:")
