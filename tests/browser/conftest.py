"""A real server and a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks._web_page import BROWSER_ARGUMENTS, BROWSER_NAMES
from tests._server import running_app

expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if executable is None:
        if os.environ.get("VITCORE_REQUIRE_BROWSER"):
            pytest.fail(f"No browser was found; install one of {', '.join(BROWSER_NAMES)}.")
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        # Another name leads here.
        arguments = [*BROWSER_ARGUMENTS, "--host-resolver-rules=MAP elsewhere.example 127.0.0.1"]
        launched = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The app on a free port, in the workspace of the test; gives its address."""
    with running_app(tmp_path / "server.log") as app:
        yield app.address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()
