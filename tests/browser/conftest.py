"""A real server and a real browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests._server import running_app

expect.set_options(timeout=60_000)

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        if os.environ.get("VITCORE_REQUIRE_BROWSER"):
            pytest.fail(f"No browser was found; install one of {', '.join(NAMES)}.")
        pytest.skip("needs Chromium")
    with sync_playwright() as playwright:
        # Containers often forbid the sandbox; the only pages opened are our own. Another name leads here.
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP elsewhere.example 127.0.0.1"]
        # A camera that shows a moving picture, and a browser that asks nobody whether it may be used.
        arguments += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
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
