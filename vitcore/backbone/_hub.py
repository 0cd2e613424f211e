"""The weights on the model hub: found in its cache, checked, or downloaded into it.

huggingface_hub says which file there is (commit, digest, size), and knows the cache, the token, the proxies
and the mirror. Its own download (version 2.4) does not fit: when it ends early it deletes what has arrived,
it hands on 10 MB at a time, for which a stop would have to wait, and it waits for a hub that is down as long
as that says. So `_download` reads the bytes; the library then finds them in its cache and links them.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from vitcore.backbone._digest import file_sha256
from vitcore.backbone._download import Foreign, Silence, Truncated, download, watched
from vitcore.errors import Stopped
from vitcore.messages import Message, cause, message
from vitcore.progress import Task

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfFileMetadata

__all__ = ["AUTO_PATIENCE_S", "HubError", "hub_file", "hub_problem", "is_kept"]

FILE = "model.safetensors"
AUTO_PATIENCE_S = 3.0
"""Seconds for the hub's first answer where nobody asked for it by name."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[\w-]{1,128}")


class HubError(Exception):
    """The weights cannot be had from the hub.

    Args:
        why: The cause, part of a sentence.
        remedy: What to do about it, part of a sentence.
    """

    def __init__(self, why: Message, remedy: Message) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


def hub_file(repository: str, task: Task, answer_s: float | None = None) -> Path:
    """Return the weights of a repository of the hub, whole, downloading them if they are not in its cache.

    A damaged file in the cache is deleted and downloaded anew.

    Args:
        repository: Owner and name on the hub.
        task: Where megabytes are reported, and what stops the download within a second.
        answer_s: Seconds for the first answer; ``HF_HUB_ETAG_TIMEOUT`` if not given. A download that is
            silent for ``HF_HUB_DOWNLOAD_TIMEOUT`` seconds is given up.

    Raises:
        HubError: They cannot be had.
        Stopped: The task was stopped; what has arrived is kept, and the next download begins there.
    """
    damaged = False
    try:
        with _in_words(repository):
            kept = _kept(repository)
            if kept is not None and _is_whole(kept):
                return kept
            if kept is not None:
                damaged = True
                _delete(kept)
            return _fetched(repository, _ask(repository, task, answer_s), task)
    except HubError as error:
        if not damaged:
            raise
        why = message("the file on this machine was damaged and has been deleted, and {why}", why=error.why)
        raise HubError(why, error.remedy) from error


def hub_problem(repository: str) -> Message | None:
    """Return why files of a repository could not be downloaded now; None if they could."""
    try:
        with _in_words(repository):
            _ask(repository, Task(), AUTO_PATIENCE_S)
    except HubError as error:
        return error.why
    return None


@contextmanager
def _in_words(repository: str) -> Iterator[None]:
    """Turn errors of the network and the disk into a `HubError`."""
    import httpx2

    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, Silence, Foreign) as error:
        raise _explained(error, repository) from error


# --- the cache -------------------------------------------------------------------------------


def is_kept(repository: str) -> bool:
    """Return True if the weights of a repository are in the cache."""
    return _kept(repository) is not None


def _kept(repository: str) -> Path | None:
    import huggingface_hub

    found = huggingface_hub.try_to_load_from_cache(repository, FILE)
    return Path(found) if isinstance(found, str) else None


def _is_whole(path: Path) -> bool:
    """Return whether a file is what the hub had; without a digest, whether nothing is missing."""
    import safetensors

    if digest := _digest(path):
        return file_sha256(path) == digest
    try:
        with safetensors.safe_open(path, framework="numpy"):
            return True
    except safetensors.SafetensorError:
        return False


def _digest(path: Path) -> str:
    """Return the digest of a file, which is the name of its blob; empty where there is none."""
    names = [path.name]
    if path.is_symlink():
        # One step only: a blob may be a link itself, into a store that has names of another kind.
        names = [path.readlink().name]
    elif path.name == FILE:
        size_bytes = path.stat().st_size
        blobs = path.parents[2].glob("blobs/*")
        names = [blob.name for blob in blobs if blob.is_file() and blob.stat().st_size == size_bytes]
    return next(filter(_SHA256.fullmatch, names), "")


def _delete(pointer: Path) -> None:
    if pointer.is_symlink():
        (pointer.parent / pointer.readlink()).unlink(missing_ok=True)
    pointer.unlink(missing_ok=True)


def _fetched(repository: str, about: "HfFileMetadata", task: Task) -> Path:
    """Return the path in the cache of a file that is downloaded unless another process just did it."""
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    name, size_bytes = str(about.etag), about.size or 0
    cache, folder = Path(constants.HF_HUB_CACHE), repo_folder_name(repo_id=repository, repo_type="model")
    blob = cache / folder / "blobs" / name
    blob.parent.mkdir(parents=True, exist_ok=True)
    url = huggingface_hub.hf_hub_url(repository, FILE, revision=about.commit_hash)
    with _locked(cache / ".locks" / folder / f"{name}.lock", task):
        if blob.is_file() and not _is_whole(blob):
            blob.unlink()
        part = blob.with_name(f"{name}.incomplete")
        for last in (False, True):
            if blob.is_file():
                break
            try:
                download(url, part, size_bytes, task)
            except Truncated as error:
                raise _broken(error) from error
            if (file_sha256(part) == name) if _SHA256.fullmatch(name) else _is_whole(part):
                part.replace(blob)
            elif last:
                part.unlink()
                raise HubError(
                    message("the file arrived damaged twice (its SHA-256 is not that of the hub)"),
                    message("try again on another network"),
                )
            else:
                part.unlink()
    link = partial(huggingface_hub.hf_hub_download, repository, FILE, revision="main")
    [path] = watched(lambda: iter([link()]), task, constants.HF_HUB_DOWNLOAD_TIMEOUT)
    return Path(path)


@contextmanager
def _locked(path: Path, task: Task) -> Iterator[None]:
    """Keep other processes from downloading the same; hf_hub_download takes the same lock."""
    import filelock
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # loaded lazily

    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        locked = False
        while not locked:
            if task.stopped:
                raise Stopped("The download was stopped before it began.")
            with suppress(filelock.Timeout):
                stack.enter_context(WeakFileLock(path, timeout=0.5))
                locked = True
        yield


# --- what the hub says -------------------------------------------------------------------------


def _ask(repository: str, task: Task, answer_s: float | None) -> "HfFileMetadata":
    """Return the commit, the digest and the size of the weights."""
    import huggingface_hub
    from huggingface_hub import constants

    if constants.is_offline_mode():
        raise HubError(
            message("HF_HUB_OFFLINE is set"),
            message(
                "unset it, copy the folder {folder} from a machine that has the file",
                folder=constants.HF_HUB_CACHE,
            ),
        )
    patience_s = answer_s or constants.HF_HUB_ETAG_TIMEOUT
    url = huggingface_hub.hf_hub_url(repository, FILE)

    def asked() -> "Iterator[HfFileMetadata]":
        yield huggingface_hub.get_hf_file_metadata(url, timeout=patience_s)

    [about] = watched(asked, task, patience_s)
    # A login page has none of these; and the name becomes that of a file.
    if not about.commit_hash or not about.size or not _NAME.fullmatch(about.etag or ""):
        raise Foreign
    return about


def _explained(error: Exception, repository: str) -> HubError:
    """Return an error of the network or the disk in words."""
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    endpoint = constants.ENDPOINT
    match error:
        case HfHubHTTPError() | httpx2.HTTPStatusError():
            return _refused(error.response, repository)
        case Foreign():
            return HubError(
                message("{endpoint} does not answer as a model hub does", endpoint=endpoint),
                message(
                    "open a web page and sign in to this network if it asks, check HF_ENDPOINT if you set it"
                ),
            )
        case Silence() | httpx2.TimeoutException() | LocalEntryNotFoundError():
            return HubError(message("the model hub does not answer"), message("try again later"))
        case httpx2.ProxyError():
            return _proxy_refused(str(error))
        case httpx2.HTTPError() if "CERTIFICATE" in str(error):
            return HubError(
                message("the certificate of {endpoint} is not trusted", endpoint=endpoint),
                message("sign in to this network, set SSL_CERT_FILE to the certificates of your proxy"),
            )
        case httpx2.InvalidURL() | httpx2.UnsupportedProtocol() | ValueError():
            return HubError(
                message("{endpoint} is not the address of a model hub", endpoint=endpoint),
                message("check HF_ENDPOINT and HTTPS_PROXY"),
            )
        case httpx2.HTTPError():
            return HubError(
                message("the model hub cannot be reached"),
                message("connect to the internet, set HTTPS_PROXY if you need a proxy"),
            )
        case _:
            return HubError(
                message("{reason} in {folder}", reason=cause(error), folder=constants.HF_HUB_CACHE),
                message("free some space there, set HF_HOME to another folder"),
            )


def _refused(response: "httpx2.Response", repository: str) -> HubError:
    """Return a status of 400 and more in words, with what the hub says itself."""
    from huggingface_hub import constants

    status, headers = response.status_code, response.headers
    # As much of it as leaves room for what to do.
    said = shorten(headers.get("X-Error-Message", ""), 160, placeholder=" …").rstrip(". ")
    code = headers.get("X-Error-Code")
    # Without its scheme an address can be shown, and copied, as it is wherever names are escaped.
    page = f"{re.sub('^https?://', '', constants.ENDPOINT)}/{repository}"
    sign_in = message("sign in with 'hf auth login' or set HF_TOKEN")
    match status, code:
        case _, "GatedRepo":
            return HubError(
                message(
                    "its licence must be accepted first (the hub says: {said})", said=said or str(status)
                ),
                message("accept it at {page}, {sign_in}, try again", page=page, sign_in=sign_in),
            )
        case _, "RepoNotFound":
            return HubError(
                message("{page} does not exist, or is not open to you", page=page),
                message("check the name, {sign_in} if it is private", sign_in=sign_in),
            )
        case (_, "EntryNotFound" | "RevisionNotFound") | (404, _):
            return HubError(
                message("{page} has no file {file}", page=page, file=FILE), message("check the name")
            )
        case 401, _:
            return HubError(message("the hub does not accept your token, or wants one (status 401)"), sign_in)
        case 407, _:
            return _proxy_refused("407")
        case 429, _:
            wait = headers.get("Retry-After", "")
            return HubError(
                message("the hub has had too many requests from this network (status 429)"),
                message("try again in {seconds} s", seconds=int(wait))
                if wait.isdecimal()
                else message("try again in a few minutes"),
            )
        case _ if status >= 500:
            return HubError(
                message("the model hub reports a fault of its own (status {status})", status=status),
                message("try again later"),
            )
    return HubError(
        message("the hub refuses access (status {status}: {said})", status=status, said=said)
        if said
        else message("the hub refuses access (status {status})", status=status),
        message("check in a browser whether {page} opens", page=page),
    )


def _proxy_refused(said: str) -> HubError:
    return HubError(
        message("the proxy refuses the connection ({said})", said=said),
        message("check the address and the password in HTTPS_PROXY"),
    )


def _broken(error: Truncated) -> HubError:
    done, total = error.done_mb, error.total_mb
    why = (
        message("the download stalled after {done} of {total} MB", done=done, total=total)
        if error.silent
        else message("the connection broke after {done} of {total} MB", done=done, total=total)
    )
    return HubError(why, message("try again and it resumes there"))
