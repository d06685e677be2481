"""Files behind signed addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints
from quart import Response

from odeion.domain.shared.errors import Conflict, Forbidden, NotFound, Unauthorized
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.downloads import attachment_response
from odeion.entrypoints.http.endpoint import Area, Stream
from odeion.entrypoints.http.models import Query

area = Area("files")


class FileQuery(Query):
    token: Annotated[str, StringConstraints(min_length=1, max_length=2048)]


@area.get(
    "/api/files",
    tag="Files",
    access=Access.SIGNED,
    errors=(Unauthorized, Forbidden, NotFound, Conflict),
    stream=Stream(("application/octet-stream", "video/mp4", "video/webm", "audio/mp4")),
)
async def get_signed_file(query: FileQuery) -> Response:
    """Download a signed file

    Serves what the token in the query was made for, as an attachment: a media file by HTTP range requests, or one that
    is converted while it is sent. The token's kind says which; whether its owner may have it is asked again. Tokens are
    made by the operations that answer a signed URL."""
    return await attachment_response(await use_cases().signed_files.open(query.token))
