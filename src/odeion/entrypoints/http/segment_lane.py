"""Media segments, answered without the web framework (ADR 15)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any

from odeion.application.playback.ports import SegmentBytes
from odeion.application.playback.streams import Streams
from odeion.entrypoints.http.errors import refusal
from odeion.entrypoints.http.headers import secure

SEGMENT_TYPE = "video/mp4"
# A segment is the same for ever for its URL, and the URL dies with the session.
IMMUTABLE = "private, max-age=86400, immutable"
# No more than what the route takes; what is wrong with all else is told by the framework.
_SEGMENT = re.compile(
    r"/api/playback/streams/([A-Za-z0-9_-]{16,128})/(video(?:-[a-z0-9]{1,8})?|audio-[0-9]{1,5})/([0-9]{1,6})\.m4s"
)
_App = Callable[[Any, Any, Any], Awaitable[None]]
_Send = Callable[[Any], Awaitable[None]]


def segment_headers(segment: SegmentBytes) -> dict[str, str]:
    headers = {"Content-Type": SEGMENT_TYPE, "Cache-Control": IMMUTABLE}
    if segment.size_bytes is not None:
        headers["Content-Length"] = str(segment.size_bytes)
    return headers


class SegmentLane:
    """ASGI middleware: `streams` answers a plain GET of a segment, as the route of the framework would."""

    def __init__(self, app: _App, streams: Streams) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Any, receive: Any, send: _Send) -> None:
        is_plain = scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]
        segment = _SEGMENT.fullmatch(scope["path"]) if is_plain else None
        if segment is None:
            await self._app(scope, receive, send)
            return
        answering = asyncio.create_task(self._answer(segment, send))
        left = asyncio.create_task(_cancel_when_left(receive, answering))
        try:
            await answering
        except asyncio.CancelledError:
            # Nobody is there any more to be told anything, unless this is the end of the server.
            if not left.done():
                raise
        finally:
            left.cancel()

    async def _answer(self, asked: re.Match[str], send: _Send) -> None:
        try:
            segment = await self._streams.segment(asked[1], asked[2], int(asked[3]))
        except Exception as error:
            response = refusal(error)
            secure(response.headers, asked[0])
            await _begin(send, response.status_code, response.headers)
            await send({"type": "http.response.body", "body": await response.get_data(), "more_body": False})
            return
        headers = segment_headers(segment)
        secure(headers, asked[0])
        async with aclosing(segment.pieces) as pieces:
            await _begin(send, 200, headers.items())
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _begin(send: _Send, status: int, headers: Iterable[tuple[str, str]]) -> None:
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def _cancel_when_left(receive: Callable[[], Awaitable[Any]], answering: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    answering.cancel()
