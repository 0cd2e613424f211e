"""ONNX Runtime Web, pinned: fetched once from the registry of its package, and kept."""

import base64
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

from vitcore.records import guard
from vitcore.workspace import Workspace

__all__ = ["FILES", "PUBLIC", "integrity_of", "web_runtime"]

_VERSION = "1.30.0"
_SHA256 = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
FILES = tuple(_SHA256)
"""The files of the runtime: its script, what loads its program, and the program."""

PUBLIC = f"https://cdn.jsdelivr.net/npm/onnxruntime-web@{_VERSION}/dist"
"""A public place that has them, too."""

_REGISTRY = "https://registry.npmjs.org"
_LARGEST_BYTES = 100 * 10**6
_TIMEOUT_S = 20


def integrity_of(name: str) -> str:
    """Return the digest of a file as browsers want it."""
    return "sha256-" + base64.b64encode(bytes.fromhex(_SHA256[name])).decode()


def web_runtime(workspace: Workspace) -> Path | None:
    """Return the folder with the files of the runtime; None if it is not here and cannot be fetched.

    Args:
        workspace: Where it is kept.

    Raises:
        StorageError: The disk is full or not writable.
    """
    folder = workspace.web / f"onnxruntime-web-{_VERSION}"
    if _is_whole(folder):
        return folder
    archive = _download()
    files = {} if archive is None else _unpacked(archive)
    if not all(_is_pinned(name, files.get(name, b"")) for name in FILES):
        return None
    with guard(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            temporary = folder / f"{name}.part"
            temporary.write_bytes(files[name])
            temporary.replace(folder / name)
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        return all(_is_pinned(name, (folder / name).read_bytes()) for name in FILES)
    except OSError:
        return False


def _is_pinned(name: str, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == _SHA256[name]


def _download() -> bytes | None:
    """Return the package of the runtime; None if the registry cannot be reached."""
    address = f"{_registry()}/onnxruntime-web/-/onnxruntime-web-{_VERSION}.tgz"
    if not address.startswith("https://"):
        return None
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - https
            data: bytes = answer.read(_LARGEST_BYTES)
            return data
    except (OSError, ValueError, urllib.error.URLError):
        return None


def _registry() -> str:
    """Return the registry that npm itself would ask: a variable, a line in ``~/.npmrc``, or the usual one."""
    for name in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    try:
        lines = (Path.home() / ".npmrc").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError, RuntimeError):
        lines = []
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "registry":
            return value.strip().strip("\"'").rstrip("/")
    return _REGISTRY


def _unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files of the runtime in its package; none if it is no such package."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for name in FILES:
                member = members.extractfile(f"package/dist/{name}")
                if member is not None:
                    found[name] = member.read(_LARGEST_BYTES)
    except (tarfile.TarError, OSError, EOFError, KeyError, ValueError):
        return {}
    return found
