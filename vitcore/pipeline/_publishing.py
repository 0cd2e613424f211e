"""A run on the model hub: the model folder with its card, and the web page as a static space."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitcore.errors import InputError, Stopped
from vitcore.messages import mark
from vitcore.pipeline._exporting import export_model, export_web
from vitcore.pipeline._handing_on import IMAGES
from vitcore.progress import Progress, Task
from vitcore.records import load_record, save_record, write_text
from vitcore.runs import Run
from vitcore.workspace import Workspace

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Published", "load_published", "publish_run"]

_FILE, _CARD = "published.json", "README.md"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_MODEL_FACTS = "---\nlibrary_name: vitcore\npipeline_tag: image-classification\ntags: [vit-studio]\n---\n\n"
_SPACE_FACTS = "---\ntitle: {title}\nsdk: static\npinned: false\n---\n\n"


@dataclass(frozen=True, kw_only=True)
class Published:
    """The addresses of a run on the hub.

    Attributes:
        model: Of the model folder.
        page: Of the space with the web page; empty if there is none.
        private: Whether only its owner sees them.
    """

    model: str
    page: str
    private: bool


def publish_run(
    run: Run,
    repository: str,
    *,
    public: bool = False,
    page: bool = True,
    images: int = IMAGES,
    language: str = "en",
    workspace: Workspace | None = None,
    task: Task | None = None,
) -> Published:
    """Upload a run to the model hub: what the exports make, and no photo.

    What is uploaded is compared with the run first, as every export is.

    Args:
        run: A run with results.
        repository: ``owner/name``; made if it is not there.
        public: Whether everybody may see it. A repository that is there stays as it is.
        page: Whether the web page goes along, as a static space of the same name.
        images: Validation photos to compare on, at most.
        language: Of the model card.
        workspace: Where the run's dataset is; the default workspace if not given.
        task: Where progress is reported, and what stops it between two uploads.

    Raises:
        InputError: The name is none, or the hub refuses or cannot be reached.
        Stopped: The task was stopped.
        VitcoreError: As for `export_model` and `export_web`.
    """
    from huggingface_hub import HfApi

    task = task or Task()
    if not _NAME.fullmatch(repository):
        raise InputError(
            "'{name}' is no name on the model hub; give OWNER/NAME, such as your-name/birds.",
            name=repository[:80],
        )
    api, private = HfApi(), not public
    with tempfile.TemporaryDirectory(prefix="vitcore-") as folder:
        model, space = Path(folder) / "model", Path(folder) / "page"
        export_model(run, model, images=images, language=language, workspace=workspace, task=task)
        _head(model, _MODEL_FACTS)
        if page:
            export_web(run, space, images=images, language=language, workspace=workspace, task=task)
            title = run.name.replace("\n", " ").replace("'", "''")[:100]
            _head(space, _SPACE_FACTS.format(title=f"'{title}'"))
        published = Published(
            model=_upload(api, repository, "model", model, private=private, task=task),
            page=_upload(api, repository, "space", space, private=private, task=task) if page else "",
            private=private,
        )
    save_record(run.folder / _FILE, published)
    return published


def load_published(run: Run) -> Published | None:
    """Return where a run was published last; None if it was not.

    Raises:
        StorageError: The record is damaged.
    """
    file = run.folder / _FILE
    return load_record(Published, file, mark("publish again")) if file.is_file() else None


def _head(folder: Path, facts: str) -> None:
    """Put the facts that the hub reads in front of the card."""
    card = folder / _CARD
    write_text(card, facts + card.read_text(encoding="utf-8"))


def _upload(api: "HfApi", repository: str, kind: str, folder: Path, *, private: bool, task: Task) -> str:
    """Upload a folder in one commit, and return the address of its repository."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    if task.stopped:
        raise Stopped("Publishing was stopped.")
    task.report(Progress(phase="publish"))
    sdk = "static" if kind == "space" else None
    try:
        made = api.create_repo(repository, repo_type=kind, private=private, exist_ok=True, space_sdk=sdk)
        api.upload_folder(
            repo_id=repository,
            repo_type=kind,
            folder_path=folder,
            commit_message="Published with ViT Studio",
        )
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        response = getattr(error, "response", None)
        reason = "no token" if response is None else str(response.status_code)
        raise InputError(
            "The model hub refuses {name} ({reason}); sign in with 'hf auth login', with a token that may "
            "write there.",
            name=repository,
            reason=reason,
        ) from error
    except (OSError, RuntimeError) as error:  # the latter while large files are uploaded
        raise InputError(
            "The model hub cannot be reached ({error}); check the network, then publish again.", error=error
        ) from error
    return str(made)
