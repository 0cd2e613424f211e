"""A classifier as a web page that answers on the visitor's own device.

::

    index.html, page.css, page.js, photo.js     the page
    model.json                                  classes, bounds of doubt, texts in every language
    model.onnx                                  the classifier
    ort.wasm.min.mjs, ort-wasm-simd-threaded.*  ONNX Runtime Web, or a reference to a public copy of it
"""

import html
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitcore.inference._web_runtime import FILES, PUBLIC, integrity_of, web_runtime
from vitcore.records import write_text
from vitcore.workspace import Workspace

__all__ = ["write_web_page"]

_OWN = ("page.css", "page.js", "photo.js")
_MODEL = "model.onnx"
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{more}; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'{public}; worker-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'"
)


def write_web_page(
    folder: Path, *, title: str, texts: Mapping[str, Mapping[str, Any]], workspace: Workspace
) -> None:
    """Write the page around the ``model.onnx`` in a folder.

    ONNX Runtime Web is fetched once and kept in the workspace. Where there is no network, the page refers to
    a public copy of it, with the digests that its files must have.

    Args:
        folder: Holds the file of `write_onnx`, or a smaller one made of it.
        title: Of the page.
        texts: Its words by language, the first of them the usual one.
        workspace: Where the runtime is kept.
    """
    import onnx

    proto = onnx.load(folder / _MODEL, load_external_data=False)
    facts = {item.key: item.value for item in proto.metadata_props}
    source = Path(__file__).parent / "web"
    runtime = web_runtime(workspace)
    names = dict(zip(("main", "loader", "binary"), FILES, strict=True))
    if runtime is not None:
        for name in FILES:
            shutil.copyfile(runtime / name, folder / name)
        about: dict[str, Any] = names
        policy = _POLICY.format(more="", public="")
    else:
        about = {part: f"{PUBLIC}/{name}" for part, name in names.items()}
        about["integrity"] = {f"{PUBLIC}/{name}": integrity_of(name) for name in FILES}
        policy = _POLICY.format(more=" blob:", public=f" {PUBLIC}/")
    model = {
        "file": _MODEL,
        "classes": json.loads(facts["classes"]),
        "input_size": max(json.loads(facts["input_sizes"])),
        "least_confidence": float(facts["least_confidence"]),
        "largest_novelty": float(facts["largest_novelty"]),
        "runtime": about,
        "texts": texts,
    }
    for name in _OWN:
        shutil.copyfile(source / name, folder / name)
    page = (source / "index.html").read_text(encoding="utf-8")
    page = page.replace("{policy}", policy).replace("{title}", html.escape(title))
    write_text(folder / "index.html", page)
    write_text(folder / "model.json", json.dumps(model, ensure_ascii=False))
