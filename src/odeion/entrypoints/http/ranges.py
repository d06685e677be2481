"""Range requests (RFC 9110, section 14) over a file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import cast
from urllib.parse import quote_from_bytes

from quart import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import http_date, parse_range_header, quote_etag, unquote_etag

from odeion.application.shared.downloads import StoredFile
from odeion.domain.shared.errors import Unavailable
from odeion.entrypoints.http.context import http_settings
from odeion.entrypoints.http.security import comes_from_proxy
from odeion.entrypoints.http.zero_copy import EXTENSION, FileSpan

_PIECE_BYTES = 512 * 1024


def ranged_response(file: StoredFile) -> Response:
    """200 with the whole file, 206 with one range, 304 for what the client has, 416 for a range beyond the end.
    Several ranges at once are answered with the whole file, as the standard allows. Where a proxy sends files itself,
    it does all of this."""
    sendfile = http_settings().sendfile
    if sendfile is not None and comes_from_proxy():
        # Only what a trusted proxy reads may name a path.
        place = sendfile.prefix + quote_from_bytes(os.fsencode(file.path))
        headers = {sendfile.header: place, "Content-Type": file.media_type, "Cache-Control": "private, no-cache"}
        return Response(b"", headers=headers)
    size = file.size_bytes
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": quote_etag(file.etag),
        "Last-Modified": http_date(datetime.fromtimestamp(file.modified_s, UTC)),
        "Cache-Control": "private, no-cache",
        "Content-Type": file.media_type,
    }
    if request.if_none_match.contains_weak(file.etag):
        return Response(b"", status=304, headers=headers)

    wanted = parse_range_header(request.headers.get("Range")) if _range_applies(file) else None
    start, length, status = 0, size, 200
    if wanted is not None and wanted.units == "bytes" and len(wanted.ranges) == 1:
        bounds = wanted.range_for_length(size)
        if bounds is None:
            raise RequestedRangeNotSatisfiable(length=size, description=f"the file has {size} bytes")
        start, length, status = bounds[0], bounds[1] - bounds[0], 206
        headers["Content-Range"] = f"bytes {start}-{bounds[1] - 1}/{size}"
    body = _span if EXTENSION in (request.scope.get("extensions") or {}) else _pieces
    content = b"" if request.method == "HEAD" else body(file, start, length)
    response = Response(content, status=status, headers=headers)
    response.headers["Content-Length"] = str(length)
    response.timeout = None  # A film is fetched for as long as it is watched.
    return response


async def _span(file: StoredFile, start: int, length: int) -> AsyncIterator[bytes]:
    """Not bytes, but what the server takes in their place."""
    async with file.open() as opened:
        yield cast(bytes, FileSpan(opened, start, length))


async def _pieces(file: StoredFile, start: int, length: int) -> AsyncIterator[bytes]:
    """Raises Unavailable, also where the file ends before its time."""
    async with file.open() as opened:
        at, end = start, start + length
        while at < end:
            size = min(_PIECE_BYTES, end - at)
            await opened.fetch(at, size)
            piece = os.pread(opened.descriptor, size, at)
            if not piece:
                raise Unavailable("the file ended early; it may have changed")
            at += len(piece)
            yield piece


def _range_applies(file: StoredFile) -> bool:
    """If-Range: a part is only of use to a client whose other parts are of the same file."""
    condition = request.headers.get("If-Range")
    if condition is None:
        return True
    etag, weak = unquote_etag(condition)
    return etag == file.etag and not weak
