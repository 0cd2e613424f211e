"""How to use a server: a page for people, a description for programs."""

from collections.abc import Sequence
from html import escape
from typing import Any

from vitcore.serving._limits import Limits

__all__ = ["docs_page", "openapi"]

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ViT Studio: a classifier that answers</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
code, pre {{ font-family: ui-monospace, monospace; background: #f1f5f7; border-radius: .3rem }}
code {{ padding: 0 .2rem }} pre {{ padding: .8rem; overflow-x: auto }}
button {{ font: inherit; background: #0b6e8a; color: #fff; border: 0; padding: .4rem 1rem }}
</style></head><body><main>
<h1>A classifier that answers</h1>
<p>Send photos, get the most probable class of each, its probability, and a word of warning where the
classifier is not sure.</p>
<form action="predict" method="post" enctype="multipart/form-data">
<p><label>Photos <input type="file" name="files" multiple required accept="image/*"></label>
<button>Predict</button></p></form>
<h2>POST /predict</h2>
<p>Multipart, one or more files in fields named <code>files</code>.</p>
<pre>curl -F files=@photo.jpg -F files=@other.jpg http://localhost:8000/predict</pre>
<pre>{{"predictions": [{{"path": "photo.jpg", "label": "…", "confidence": 0.93, "sure": true, "reason": "",
                  "probabilities": {{"…": 0.93, "…": 0.07}}}}],
 "skipped": [{{"path": "other.jpg", "reason": "not an image of a known format"}}]}}</pre>
<p>Where it is not <code>sure</code>, the <code>reason</code> is <code>ambiguous</code> (several classes are
possible) or <code>novel</code> (the photo is unlike all that the classifier learned from).</p>
<p>At most {files} photos, {file_mb:g} MB each and {request_mb:g} MB together, in {seconds:g} seconds.
What asks for more gets status 413, what is no form with photos 422, and says why in <code>error</code>.</p>
<h2>GET /classes</h2><p>{classes}</p>
<h2>GET /health</h2><p>Status 200 as long as the server answers.</p>
<p>For programs: <a href="openapi.json">openapi.json</a></p>
</main></body></html>
"""


def docs_page(classes: Sequence[str], limits: Limits) -> str:
    """Return the page that explains a server."""
    return _PAGE.format(
        classes=escape(", ".join(classes)),
        files=limits.files,
        file_mb=limits.file_bytes / 1e6,
        request_mb=limits.request_bytes / 1e6,
        seconds=limits.seconds,
    )


def openapi(limits: Limits) -> dict[str, Any]:
    """Return the description by OpenAPI 3.1."""
    text, number = {"type": "string"}, {"type": "number"}
    prediction = {
        "path": text,
        "label": text,
        "confidence": number,
        "sure": {"type": "boolean"},
        "reason": {"type": "string", "enum": ["", "ambiguous", "novel"]},
        "probabilities": {"type": "object", "additionalProperties": number},
    }
    photos = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": limits.files}
    answer = {"predictions": _list_of(prediction), "skipped": _list_of({"path": text, "reason": text})}
    errors = {"401": "no token", "413": "too many or too large", "422": "no form with photos"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "A classifier made with ViT Studio", "version": "1"},
        "paths": {
            "/predict": {
                "post": {
                    "summary": "The classes of photos",
                    "requestBody": {
                        "required": True,
                        "content": {"multipart/form-data": {"schema": _object({"files": photos})}},
                    },
                    "responses": {
                        "200": _json_of("An answer for each photo", _object(answer)),
                        **{
                            status: _json_of(title, _object({"error": text}))
                            for status, title in errors.items()
                        },
                    },
                }
            },
            "/classes": {
                "get": {
                    "summary": "The names of the classes",
                    "responses": {
                        "200": _json_of("In order", _object({"classes": {"type": "array", "items": text}}))
                    },
                }
            },
            "/health": {
                "get": {
                    "summary": "Whether the server answers",
                    "responses": {"200": _json_of("It does", _object({"status": text}))},
                }
            },
        },
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list_of(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": _object(properties)}


def _json_of(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": title, "content": {"application/json": {"schema": schema}}}
