"""Files as answers: stored ones by range, others as they are made."""

from __future__ import annotations

import posixpath
import unicodedata
from urllib.parse import quote

from quart import Response, request

from odeion.application.shared.downloads import Download, MadeFile
from odeion.entrypoints.http.ranges import ranged_response

# Longer names are cut by file systems, or refused.
_MAX_NAME = 150


async def inline_response(download: Download) -> Response:
    """To be shown where it was asked for."""
    return await _response(download)


async def attachment_response(download: Download) -> Response:
    """To be saved under its name."""
    response = await _response(download)
    response.headers["Content-Disposition"] = content_disposition(download.file_name)
    return response


async def _response(download: Download) -> Response:
    content = download.content
    if not isinstance(content, MadeFile):
        return ranged_response(content)
    # Nothing is made for those who only ask what it would be.
    body = b"" if request.method == "HEAD" else await content.begin()
    response = Response(body, content_type=content.media_type)
    response.headers["Accept-Ranges"] = "none"
    response.headers["Cache-Control"] = "no-store"
    if request.method == "HEAD":
        del response.headers["Content-Length"]
    response.timeout = None
    return response


def content_disposition(file_name: str) -> str:
    """An attachment of this name (RFC 6266), with a plainer one for clients that know ASCII only. What could lead out
    of a folder, or out of the header, is replaced."""
    stem, extension = posixpath.splitext(file_name)
    name = stem[:_MAX_NAME] + extension[:_MAX_NAME]
    name = "".join("_" if ord(c) < 32 or ord(c) == 127 or c in "/\\" else c for c in name).lstrip(".") or "download"
    name = name.encode("utf-8", "replace").decode()
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().replace('"', "_").strip()
    plain = f"download{plain}" if not plain or plain.startswith(".") else plain
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
