"""Which engine a training's embeddings are computed with."""

from threading import Event

import pandas as pd

from vitcore.backbone import Backbone
from vitcore.dataset import Dataset
from vitcore.features import EngineChoice, choose_engine
from vitcore.pipeline._material import image_files
from vitcore.progress import OnProgress
from vitcore.workspace import Workspace

__all__ = ["choose_for"]


def choose_for(
    dataset: Dataset,
    rows: pd.DataFrame,
    backbone: Backbone,
    *,
    device: str,
    precision: str,
    engine: str,
    workspace: Workspace,
    on_progress: OnProgress | None,
    stop: Event | None,
) -> EngineChoice:
    """`choose_engine` for the images of some rows of a dataset's index."""
    return choose_engine(
        backbone,
        image_files(dataset, rows),
        list(rows["label"]),
        device=device,
        precision=precision,
        engine=engine,
        workspace=workspace,
        on_progress=on_progress,
        stop=stop,
    )
