"""The photos of a request."""

from collections.abc import AsyncGenerator, Sequence

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from vitcore.serving._limits import Limits

__all__ = ["read_uploads"]

_FIELD = "files"
_MB = 10**6
_OTHER_FIELDS = 10  # that are passed over


async def read_uploads(request: Request, limits: Limits) -> list[UploadFile]:
    """Read the photos of a request; large ones are on the disk until they are closed.

    Raises:
        HTTPException: 413 if they are too many or too large, 422 if there are none.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(422, f"Send the photos as multipart/form-data, in fields named '{_FIELD}'.")
    parser = MultiPartParser(
        request.headers, _body(request, limits), max_files=limits.files, max_fields=_OTHER_FIELDS
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "Too many files" in error.message:
            detail = f"The request has more than {limits.files} files; send fewer at once."
            raise HTTPException(413, detail) from error
        raise HTTPException(422, f"The request is no form that can be read: {error.message}") from error
    uploads = [value for value in form.getlist(_FIELD) if isinstance(value, UploadFile)]
    refusal = _refusal(uploads, limits)
    if refusal is not None:
        await form.close()
        raise refusal
    return uploads


async def _body(request: Request, limits: Limits) -> AsyncGenerator[bytes]:
    """The body of a request, which is given up once it is too large."""
    too_large = HTTPException(
        413, f"The request is larger than {limits.request_bytes / _MB:g} MB; send fewer photos at once."
    )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.request_bytes:
        raise too_large
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limits.request_bytes:
            raise too_large
        yield part


def _refusal(uploads: Sequence[UploadFile], limits: Limits) -> HTTPException | None:
    if not uploads:
        return HTTPException(422, f"There is no photo; send one or more in fields named '{_FIELD}'.")
    for upload in uploads:
        if (upload.size or 0) > limits.file_bytes:
            most = f"{limits.file_bytes / _MB:g} MB"
            return HTTPException(413, f"'{upload.filename}' is larger than {most}; send a smaller copy.")
    return None
