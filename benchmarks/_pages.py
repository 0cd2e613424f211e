"""The speed of pages while a training runs."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import streamlit as st
import streamlit.runtime.pages_manager
import streamlit.testing.v1.app_test
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.logger import set_log_level
from streamlit.testing.v1 import AppTest

from app.shared.state import job_queue
from benchmarks._rows import Row, timed
from benchmarks._setting import Setting, home_at, submit_training, wait_for
from vitcore.compute import Compute
from vitcore.dataset import Dataset, import_dataset
from vitcore.jobs import Job
from vitcore.pipeline import train
from vitcore.runs import delete_run
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

__all__ = ["new_session", "page_rerun", "served"]

_ROOT = Path(__file__).parents[1]
_IMAGES = 120
_ROUNDS = 3
_RERUNS = 8
_PATIENCE_S = 120.0
# As long as possible: small steps, many epochs.
_LONG = Hyperparameters(epochs=1000, batch_size=1, learning_rate=1e-4)


def page_rerun(setting: Setting) -> list[Row]:
    """Milliseconds of a rerun of each page while a training runs, against the same with nothing running.

    Server-side, with a dataset and a run; three rounds of eight reruns each, in turn with and without.
    """
    workspace = setting.workspace()
    dataset = import_dataset(setting.digit_files(_IMAGES), workspace=workspace)
    train(dataset, Hyperparameters(epochs=20), compute=Compute(setting.backbone), workspace=workspace)
    pages = sorted(path.stem for path in (_ROOT / "pages").glob("*.py"))
    idle: dict[str, list[float]] = defaultdict(list)
    busy: dict[str, list[float]] = defaultdict(list)
    with served(workspace):
        app = new_session()
        for number in range(_ROUNDS):
            setting.say(f"  page-rerun: round {number + 1} of {_ROUNDS}")
            for page in pages:
                idle[page] += _reruns(app, page)
            trainings = _Trainings(dataset, setting.backbone, workspace)
            for page in pages:
                busy[page] += trainings.during(app, page)
            trainings.end()
    return [
        Row(
            name=f"page-rerun: {page}, {title}",
            value=1000 * float(np.percentile(busy[page], percentile)),
            unit="ms",
            baseline=1000 * float(np.percentile(idle[page], percentile)),
        )
        for page in pages
        for title, percentile in (("median", 50), ("95th percentile", 95))
    ]


class _Trainings:
    """A training that runs for as long as pages are looked at."""

    def __init__(self, dataset: Dataset, backbone: str, workspace: Workspace) -> None:
        self._dataset, self._backbone, self._workspace = dataset, backbone, workspace
        self._started: list[Job] = []

    def during(self, app: AppTest, page: str) -> list[float]:
        """Seconds of reruns of a page, all of them while the training had epochs behind and before it."""
        while True:
            job = self._running()
            seconds = _reruns(app, page)
            if job.snapshot.state == "running":
                return seconds

    def end(self) -> None:
        """Stop, and leave no more runs behind than there were."""
        for job in self._started:
            job_queue().stop(job)
            wait_for(job)
            if job.snapshot.result_id:
                delete_run(job.snapshot.result_id, workspace=self._workspace)

    def _running(self) -> Job:
        if not self._started or not self._started[-1].snapshot.active:
            job = submit_training(
                job_queue(), self._dataset, _LONG, backbone=self._backbone, workspace=self._workspace
            )
            self._started.append(job)
            deadline = time.monotonic() + _PATIENCE_S
            while (progress := job.snapshot.progress) is None or progress.phase != "fit":
                if not job.snapshot.active or time.monotonic() > deadline:
                    raise RuntimeError(f"The training does not come to its epochs: {job.snapshot}")
                time.sleep(0.005)
        return self._started[-1]


def _reruns(app: AppTest, page: str) -> list[float]:
    """Seconds of some reruns of a page that has been opened already."""
    app.switch_page(f"pages/{page}.py").run()
    app._page_hash = ""  # noqa: SLF001 - or the next run would go back to where the app was before
    app.run()
    seconds = [timed(app.run) for _ in range(_RERUNS)]
    if app.exception:
        raise RuntimeError(f"Page {page} fails: {app.exception[0].message}")
    return seconds


def new_session() -> AppTest:
    """Open the app in a new session, whose first page is drawn."""
    app = AppTest.from_file(_ROOT / "frame.py", default_timeout=_PATIENCE_S)
    # Else all packages are searched for components, which a server does once.
    app._bidi_component_manager = BidiComponentManager()  # noqa: SLF001
    return app.run()


@contextmanager
def served(workspace: Workspace) -> Iterator[None]:
    """The app without a past on that workspace, as a server that has been started already."""

    class PagesManager(streamlit.runtime.pages_manager.PagesManager):
        """AppTest pretends before each run that the server has just started; not of this class."""

    managers = streamlit.testing.v1.app_test, streamlit.runtime.pages_manager.PagesManager
    original, by_directory = managers[0].PagesManager, managers[1].uses_pages_directory
    managers[0].PagesManager, managers[1].uses_pages_directory = PagesManager, False
    set_log_level("error")  # Streamlit warns that there is no server
    _forget()
    try:
        with home_at(workspace):
            yield
    finally:
        _forget()
        set_log_level("info")
        managers[0].PagesManager, managers[1].uses_pages_directory = original, by_directory


def _forget() -> None:
    st.cache_resource.clear()
    st.cache_data.clear()
