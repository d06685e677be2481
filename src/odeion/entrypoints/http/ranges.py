"""Range requests (RFC 9110, section 14) over a file."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from urllib.parse import quote_from_bytes

from quart import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import http_date, parse_range_header, quote_etag, unquote_etag

from odeion.application.shared.downloads import StoredFile
from odeion.entrypoints.http.context import http_settings
from odeion.entrypoints.http.security import comes_from_proxy


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
    response = Response(b"" if request.method == "HEAD" else file.read(start, length), status=status, headers=headers)
    response.headers["Content-Length"] = str(length)
    response.timeout = None  # A film is fetched for as long as it is watched.
    return response


def _range_applies(file: StoredFile) -> bool:
    """If-Range: a part is only of use to a client whose other parts are of the same file."""
    condition = request.headers.get("If-Range")
    if condition is None:
        return True
    etag, weak = unquote_etag(condition)
    return etag == file.etag and not weak
