"""Who gets in, and what somebody who comes after a crash finds, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests._interrupted import interrupted_training
from tests.browser._driving import settled
from vitcore.runs import load_run

pytestmark = [pytest.mark.browser, pytest.mark.thorough]


def test_the_app_does_not_work_under_another_name(page: Page, server: str) -> None:
    """As a web site would reach it that lets its own name lead to this computer."""
    refused: list[str] = []

    def note(reason: str) -> None:
        refused.append(reason)

    page.on("websocket", lambda socket: socket.on("socketerror", note))
    with page.expect_websocket():
        page.goto(server.replace("localhost", "elsewhere.example"))
    expect(page.get_by_text("Teach your computer to tell your photos apart")).to_have_count(0)
    page.wait_for_timeout(2000)
    assert refused
    assert "403" in refused[0]
    expect(page.get_by_text("Teach your computer to tell your photos apart")).to_have_count(0)

    page.goto(server)
    expect(page.get_by_text("Teach your computer to tell your photos apart")).to_be_visible()


def test_a_second_session_sees_what_was_interrupted_and_resumes_it(
    page: Page, browser: Browser, server: str, picture_folder: Callable[..., Path], tiny_backbone: str
) -> None:
    run_id = interrupted_training(picture_folder(), tiny_backbone, epochs=20)
    told = "was interrupted after 0 of 20 epochs"
    page.goto(server)
    expect(page.get_by_text(told)).to_be_visible()

    second = browser.new_context().new_page()
    second.goto(server)
    expect(second.get_by_text(told)).to_be_visible()
    settled(second)
    second.get_by_role("button", name="Resume").click()
    expect(second.get_by_role("heading", name="Train", exact=True)).to_be_visible()
    expect(second.get_by_text("The chosen classifier")).to_be_visible()
    assert load_run(run_id).state == "complete"
    second.context.close()

    page.reload()
    expect(page.get_by_text("Bring in more photos")).to_be_visible()
    expect(page.get_by_text(told)).to_have_count(0)
