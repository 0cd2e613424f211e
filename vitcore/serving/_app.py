"""The requests that a server answers.

::

    POST /predict       multipart, one or more `files`  ->  what ``vitcore predict --json`` prints
    GET  /health        whether it is there, and with what it answers
    GET  /classes       the names of the classes
    GET  /docs          all of this for people, with a form; /openapi.json for programs

What is wrong with a request is one sentence, ``{"error": "…"}``.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from vitcore.errors import VitcoreError
from vitcore.inference import Classifier, PredictedFile
from vitcore.serving._docs import docs_page, openapi
from vitcore.serving._door import Door
from vitcore.serving._limits import DEFAULT_LIMITS, Limits
from vitcore.serving._uploads import read_uploads
from vitcore.serving._worker import Answer, Worker
from vitcore.text import json_text

__all__ = ["serving_app"]


class _Json(JSONResponse):
    """JSON as the command line prints it."""

    def render(self, content: object) -> bytes:
        return json_text(content).encode()


def serving_app(
    classifier: Classifier, *, limits: Limits = DEFAULT_LIMITS, hosts: Collection[str] = (), token: str = ""
) -> Starlette:
    """Return the application of a server.

    Args:
        classifier: What answers.
        limits: The most that one request may ask for.
        hosts: Names it answers to, besides ``localhost`` and the addresses of machines.
        token: What every request but ``/health`` has to bring; none is asked for if empty.
    """
    service = _Service(classifier, Worker(classifier), limits)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.worker.close)

    return Starlette(
        routes=[
            Route("/", service.docs),
            Route("/docs", service.docs),
            Route("/openapi.json", service.openapi),
            Route("/health", service.health),
            Route("/classes", service.classes),
            Route("/predict", service.predict, methods=["POST"]),
        ],
        middleware=[Middleware(Door, hosts=hosts, token=token)],
        exception_handlers={HTTPException: _refusal},
        lifespan=lifespan,
    )


def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _Json({"error": error.detail}, error.status_code, headers=error.headers)


@dataclass(frozen=True)
class _Service:
    """The answers to requests."""

    classifier: Classifier
    worker: Worker
    limits: Limits

    async def docs(self, _: Request) -> Response:
        """Answer GET /docs."""
        policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
        page = docs_page(self.classifier.classes, self.limits)
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def openapi(self, _: Request) -> Response:
        """Answer GET /openapi.json."""
        return _Json(openapi(self.limits))

    async def health(self, _: Request) -> Response:
        """Answer GET /health."""
        embedder = self.classifier.embedder
        return _Json(
            {
                "status": "ok",
                "backbone": str(embedder.backbone.spec.title),
                "device": embedder.device.name,
                "dtype": embedder.device.precision,
                "classes": len(self.classifier.classes),
            }
        )

    async def classes(self, _: Request) -> Response:
        """Answer GET /classes."""
        return _Json({"classes": list(self.classifier.classes)})

    async def predict(self, request: Request) -> Response:
        """Answer POST /predict."""
        uploads: list[UploadFile] = []
        waiting: list[asyncio.Future[Answer]] = []
        try:
            async with asyncio.timeout(self.limits.seconds):
                with self.worker.expecting():
                    uploads += await read_uploads(request, self.limits)
                    waiting += [asyncio.wrap_future(self.worker.submit(one.file.read)) for one in uploads]
                answers = await asyncio.gather(*waiting)
        except TimeoutError as error:
            detail = f"It took more than {self.limits.seconds:g} seconds; send fewer photos at once."
            raise HTTPException(503 if uploads else 408, detail) from error
        except ClientDisconnect:
            return Response(status_code=400)  # that nobody is there to read
        except asyncio.CancelledError as error:  # its time of grace is over
            raise HTTPException(503, "The server ends before the photos have been answered.") from error
        except (VitcoreError, MemoryError, RuntimeError) as error:
            raise HTTPException(500, f"The photos cannot be answered: {error}") from error
        finally:
            for future in waiting:  # those that are not answered yet are left out
                future.cancel()
            for upload in uploads:
                await upload.close()
        rows = [
            PredictedFile.of(upload.filename or "photo", answer)
            for upload, answer in zip(uploads, answers, strict=True)
        ]
        return _Json(
            {
                "predictions": [row.to_dict() for row in rows if not row.error],
                "skipped": [row.to_dict() for row in rows if row.error],
            }
        )
