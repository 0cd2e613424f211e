"""What the tests of the pages share: an app without a past, finished trainings, ways to look and click."""

import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
import streamlit.config
import streamlit.runtime.pages_manager
import streamlit.testing.v1.app_test
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest

from app.shared import process
from app.shared.state import job_queue
from tests._archives import zip_of_folder
from vitcore.compute import Compute
from vitcore.dataset import import_dataset, list_datasets, load_dataset
from vitcore.jobs import Job
from vitcore.pipeline import train
from vitcore.progress import Progress
from vitcore.runs import load_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0

HOSTILE = (
    "![x](http://evil/p.png)",
    "<script>alert(1)</script>",
    "**b**",
    ":smile:",
    "$x$",
    "[a](javascript:x)",
    "# title",
    "y" * 200,
)
"""Names of classes that would come alive in Markdown."""

PUNCTUATED = ("men's", "d'Artagnan's", "a, b and c", "{x}")
"""Names of classes that look like the grammar of a sentence, or like a field of a template."""

LIVE = re.compile(
    r"!\[|(?<!\\)<script|\*\*b\*\*|:smile:|\$x\$|\]\(javascript|(?<!\\)# title|y{100}|evil/|http://"
)
"""What must not be seen of them in Markdown, not even in a part."""


@pytest.fixture(autouse=True)
def app_without_past(workspace, monkeypatch):  # noqa: ARG001 - no app without its workspace
    """Caches empty and no job running, before and after; `st.navigation` known to the server."""

    class PagesManager(streamlit.runtime.pages_manager.PagesManager):
        """AppTest pretends before each run that the server has just started; see `test_frame.py`."""

    monkeypatch.setattr(streamlit.testing.v1.app_test, "PagesManager", PagesManager)
    # A page says what computes once torch is there, which could be between two looks at the page.
    process._torch_is_imported.set()
    # Modules that arrive behind a page could do so while pytest goes through those that are there.
    monkeypatch.setattr(process, "_import", lambda: None)
    monkeypatch.setattr(streamlit.runtime.pages_manager.PagesManager, "uses_pages_directory", False)
    # As in .streamlit/config.toml, which is not found when the first page is opened in another folder.
    streamlit.config.set_option("runner.magicEnabled", False)
    streamlit.config.set_option("server.address", "localhost")
    streamlit.config.set_option("server.allowedHosts", ["localhost"])
    _clear()
    yield
    for job in job_queue().active():
        job_queue().stop(job)
    finish_jobs()
    _clear()


def _clear() -> None:
    st.cache_resource.clear()
    st.cache_data.clear()


def finish_jobs() -> None:
    """Wait until no job is active."""
    deadline = time.monotonic() + PATIENCE_S
    while job_queue().active():
        assert time.monotonic() < deadline, "a job does not end"
        time.sleep(0.005)


# --- opening, looking, clicking ----------------------------------------------------------------


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    """Opens a page in a new browser session."""

    def open_page(name: str, theme: str = "light", address: dict[str, str] | None = None) -> AppTest:
        at = AppTest.from_file(ROOT / "frame.py", default_timeout=PATIENCE_S)
        at._bidi_component_manager = BidiComponentManager()  # else all packages are searched for components
        at.context["theme"] = theme
        for key, value in (address or {}).items():
            at.query_params[key] = value
        return go_to(at, name)

    return open_page


@pytest.fixture
def open_section(open_page) -> Callable[..., AppTest]:
    """Opens a section of a page in a new browser session."""

    def open_section(page: str, section: str, theme: str = "light") -> AppTest:
        at = open_page(page, theme)
        at.button_group(key=f"{page}_section").set_value(section).run()
        assert not at.exception
        return at

    return open_section


def go_to(at: AppTest, name: str) -> AppTest:
    at.switch_page(f"pages/{name}.py").run()
    at._page_hash = ""  # or the next run would go back to that page, wherever the app went meanwhile
    assert not at.exception
    return at


@pytest.fixture
def finish() -> Callable[[AppTest], AppTest]:
    """Waits for the jobs, then lets a session see how they ended."""

    def finish(at: AppTest) -> AppTest:
        finish_jobs()
        at.run()
        assert not at.exception
        return at

    return finish


def find_button(at: AppTest, name: str):
    """A button by its key, by the beginning of its key, or by the beginning of its label."""
    buttons = list(at.button)
    for test in (
        lambda b: b.key == name,
        lambda b: (b.key or "").startswith(name),
        lambda b: b.label.lower().startswith(name),
    ):
        if found := [button for button in buttons if test(button)]:
            return found[0]
    return None


def press(at: AppTest, name: str) -> AppTest:
    button = find_button(at, name)
    assert button is not None, f"no button {name!r} among {[b.key or b.label for b in at.button]}"
    button.click().run()
    assert not at.exception
    return at


def tick(at: AppTest, *rows: int) -> AppTest:
    """Choose rows of the first table by their places, as somebody who looks at it does."""
    _, _, key = at.dataframe[0].proto.id.split("-", 2)
    at.session_state[key] = {"selection": {"rows": list(rows), "columns": [], "cells": []}}
    at.run()
    assert not at.exception
    return at


def current_page(at: AppTest) -> str:
    """The title of the page that is shown."""
    return at.title[0].value


def texts(at: AppTest) -> list[str]:
    """All that is shown as Markdown, in the page and in the sidebar."""
    return [*_texts(at.main), *_texts(at.sidebar)]


def _texts(node) -> Iterator[str]:
    if node.type != "json":
        proto = getattr(node, "proto", None)
        for name in ("body", "label", "text", "help", "caption"):
            value = getattr(proto, name, None)
            if isinstance(value, str):
                yield value
        for name in ("expandable", "popover"):
            yield getattr(getattr(proto, name, None), "label", "")
    for child in getattr(node, "children", {}).values():
        yield from _texts(child)


def live(at: AppTest) -> list[str]:
    """The texts of a page in which a hostile name would come alive."""
    return [text for text in texts(at) if LIVE.search(text)]


def drop(at: AppTest, *files: tuple[str, bytes]) -> AppTest:
    """Let files arrive, as from a browser; the page then shows what is in them."""
    tray = at.session_state["staged"].tray
    for name, content in files:
        path = tray.place()
        path.write_bytes(content)
        tray.add(name, path)
    tray.complete = True
    at.run()
    assert not at.exception
    return at


def look_at_path(at: AppTest, path: Path) -> AppTest:
    """Name a folder of the server; the page then shows what is in it."""
    at.button_group(key="way").set_value("path").run()
    at.text_input[0].set_value(str(path))
    return press(at, "FormSubmitter")


def choose_weights(at: AppTest, path: str) -> AppTest:
    """Choose a weights file as the backbone of the next training; it holds from the next run on."""
    at.selectbox(key="backbone").set_value("file").run()
    at.text_input(key="weights").set_value(path)
    return at


def import_path(at: AppTest, path: Path) -> AppTest:
    return press(look_at_path(at, path), "import")


@pytest.fixture
def broken_photos(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of class folders whose only file is called like a picture and is none."""

    def broken_photos(name: str = "broken") -> Path:
        for label in ("one", "two"):
            (tmp_path / "broken" / label).mkdir(parents=True)
            (tmp_path / "broken" / label / f"{name.replace('/', ':')}.png").write_text("not a picture")
        return tmp_path / "broken"

    return broken_photos


@pytest.fixture
def ui() -> SimpleNamespace:
    """The helpers above, for modules that cannot import a conftest."""
    return SimpleNamespace(
        go_to=go_to,
        press=press,
        tick=tick,
        find_button=find_button,
        current_page=current_page,
        texts=texts,
        live=live,
        drop=drop,
        look_at_path=look_at_path,
        import_path=import_path,
        choose_weights=choose_weights,
    )


# --- jobs --------------------------------------------------------------------------------------


class HeldJob:
    """A job that is seen to run until it is let go or stopped."""

    def __init__(self, device: str, title: str, kind: str) -> None:
        self._begun, self._opened = threading.Event(), threading.Event()
        self.job = job_queue().submit(kind, title, self._work, device=device)
        for dataset_id in list_datasets()["id"][:1]:
            self.job.works_on(dataset_id)
        assert self._begun.wait(PATIENCE_S)

    def _work(self, job: Job) -> None:
        job.report(Progress(phase="fit", done=3, total=20, unit="epochs", remaining_s=4.0))
        self._begun.set()
        deadline = time.monotonic() + PATIENCE_S
        while not self._opened.wait(0.005) and not job.stop.is_set():
            assert time.monotonic() < deadline

    def let_go(self) -> None:
        self._opened.set()


@pytest.fixture
def hold() -> Callable[..., HeldJob]:
    """Starts a job that runs until it is let go; those behind it in its line wait."""

    def hold(device: str = "cpu", title: str = "held photos", kind: str = "run") -> HeldJob:
        return HeldJob(device, title, kind)

    return hold


# --- finished trainings ------------------------------------------------------------------------


@pytest.fixture
def trained(homes, workspace, picture_folder, tiny_backbone) -> SimpleNamespace:
    """A dataset of 90 images, some of them in the wrong class, and a run judged on 36 of them."""
    home = homes / "trained"
    if not home.exists():
        photos = picture_folder(count=30, name="with mistakes")
        for number in range(8):
            swap(photos / "blue" / f"{number:03}.png", photos / "green" / f"{number:03}.png")
        make_home(home, photos, "My photos", tiny_backbone)
    return take_home(home, workspace)


@pytest.fixture
def hostile(homes, workspace, picture_folder, tiny_backbone, tmp_path) -> SimpleNamespace:
    """A dataset whose names would come alive in Markdown, and a run on it."""
    home = homes / "hostile"
    if not home.exists():
        archive = zip_with_names(HOSTILE, "![x](skipped).txt", picture_folder, tmp_path)
        make_home(home, archive, "![d](http://evil/d.png)", tiny_backbone)
    return take_home(home, workspace)


@pytest.fixture
def punctuated(homes, workspace, picture_folder, tiny_backbone, tmp_path) -> SimpleNamespace:
    """A dataset whose names look like the grammar or the fields of a sentence, and a run on it."""
    home = homes / "punctuated"
    if not home.exists():
        archive = zip_with_names(PUNCTUATED, "no 'photo', {y}.txt", picture_folder, tmp_path)
        make_home(home, archive, "{name}, the maker's", tiny_backbone)
    return take_home(home, workspace)


def zip_with_names(names: Sequence[str], skipped: str, picture_folder, folder: Path) -> Path:
    """An archive of classes of these names, with mistakes, a small class, and a file that is no photo."""
    letters = tuple("abcdefgh"[: len(names)])
    photos = picture_folder(letters, count=10, name="to be named")
    for number in range(4):
        swap(photos / "a" / f"{number:03}.png", photos / "b" / f"{number:03}.png")
    for path in sorted((photos / "b").iterdir())[6:]:
        path.unlink()  # so few that the import warns of it, by name
    archive = folder / "named.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for letter, name in zip(letters, names, strict=True):
            for path in sorted((photos / letter).iterdir()):
                file.write(path, f"{name}/{path.name}")
            file.writestr(f"{name}/{skipped}", "no photo")
    return archive


def swap(first: Path, second: Path) -> None:
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def make_home(home: Path, source: Path, name: str, backbone: str) -> None:
    workspace = Workspace(home)
    dataset = import_dataset(source, name=name, workspace=workspace)
    # Folders cannot have empty names, so the address lost a slash on its way.
    for file in (dataset.folder / "index-0001.csv", dataset.folder / "dataset.json"):
        text = file.read_text(encoding="utf-8").replace("http:/evil/p", "http://evil/p")
        file.write_text(text, encoding="utf-8")
    dataset = load_dataset(dataset.id, workspace=workspace)
    train(
        dataset,
        Hyperparameters(epochs=4, validation_fraction=0.4),
        compute=Compute(backbone),
        workspace=workspace,
    )


def take_home(home: Path, workspace: Workspace) -> SimpleNamespace:
    """Copy a workspace into that of the test; its dataset and its run."""
    shutil.copytree(home, workspace.root, dirs_exist_ok=True)
    (dataset_id,), (run_id,) = workspace.ids(workspace.datasets), workspace.ids(workspace.runs)
    return SimpleNamespace(dataset=load_dataset(dataset_id), run=load_run(run_id))


@pytest.fixture
def photos_zip(picture_folder) -> Callable[..., bytes]:
    """The bytes of a zip file of class folders."""

    def photos_zip(**options) -> bytes:
        return zip_of_folder(picture_folder(name="to be packed", **options))

    return photos_zip
