"""Bodies that go to the socket from where they lie: files from the page cache, by sendfile(2), and what lies in several
places of memory, by writev(2).

hypercorn has no extension for it. Its connection is replaced by one that what answers a request finds in a context
variable; of hypercorn and h11 this needs what they keep of the connection, so their versions are pinned.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import h11
import hypercorn.asyncio.run
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed
from hypercorn.protocol.h11 import H11Protocol

from odeion.application.shared.downloads import Buffers, OpenFile
from odeion.domain.shared.errors import Unavailable

EXTENSION = "odeion.zero_copy"
_PIECE_BYTES = 4 << 20
_PARTS_AT_ONCE = 1024  # IOV_MAX

_connection: ContextVar[_Connection | None] = ContextVar("connection", default=None)


@dataclass(frozen=True, slots=True)
class FileSpan:
    """A stretch of a file as a piece of a body, where the request's scope has EXTENSION. The answer must have a
    Content-Length."""

    file: OpenFile
    start: int
    length: int

    def __len__(self) -> int:
        return self.length


class _Connection(TCPServer):
    async def run(self) -> None:
        _connection.set(self)
        # What was written is on its way when it was drained: nothing may lie in a buffer when a file follows.
        self.writer.transport.set_write_buffer_limits(high=0)
        await super().run()

    @property
    def plain_http(self) -> h11.Connection | None:
        """None where bytes are not sent as they are: over TLS, HTTP/2 and WebSockets."""
        protocol = self.protocol.protocol
        is_encrypted = self.writer.get_extra_info("ssl_object") is not None
        connection = protocol.connection if isinstance(protocol, H11Protocol) and not is_encrypted else None
        return connection if isinstance(connection, h11.Connection) else None

    async def send_from_place(self, http: h11.Connection, body: FileSpan | Buffers) -> None:
        """Raises Unavailable where the file cannot be read, or ends before its time."""
        try:
            # It only counts, for which anything with a length will do.
            http.send_with_data_passthrough(h11.Data(data=cast(bytes, body)))
            async with self.send_lock:
                # The event loop does not watch what is its own.
                socket = os.dup(self.writer.get_extra_info("socket").fileno())
                try:
                    await (self._copy(socket, body) if isinstance(body, FileSpan) else self._write(socket, body))
                finally:
                    os.close(socket)
        except (ConnectionError, h11.LocalProtocolError):
            await self.protocol.handle(Closed())

    async def _copy(self, socket: int, span: FileSpan) -> None:
        at, end = span.start, span.start + span.length
        fetched = at
        while at < end:
            if at == fetched:
                fetched = min(at + _PIECE_BYTES, end)
                await span.file.fetch(at, fetched - at)
            try:
                sent = os.sendfile(socket, span.file.descriptor, at, fetched - at)
            except BlockingIOError:
                await self._until_writable(socket)
                continue
            except ConnectionError:
                raise
            except OSError as error:
                raise Unavailable("the file cannot be read now; its disk may be away") from error
            if not sent:
                raise Unavailable("the file ended early; it may have changed")
            at += sent
            if at < fetched:
                await self._until_writable(socket)
            else:
                # Others get their turn.
                await asyncio.sleep(0)

    async def _write(self, socket: int, body: Buffers) -> None:
        left = list(body.parts)
        while left:
            try:
                sent = os.writev(socket, left[:_PARTS_AT_ONCE])
            except BlockingIOError:
                await self._until_writable(socket)
                continue
            whole = 0
            while whole < len(left) and sent >= len(left[whole]):
                sent -= len(left[whole])
                whole += 1
            del left[:whole]
            if sent:
                left[0] = memoryview(left[0])[sent:]

    async def _until_writable(self, socket: int) -> None:
        writable = self.loop.create_future()

        def tell() -> None:
            if not writable.done():
                writable.set_result(None)

        self.loop.add_writer(socket, tell)
        try:
            await writable
        finally:
            self.loop.remove_writer(socket)


# There is no other place to plug it in.
hypercorn.asyncio.run.TCPServer = _Connection  # type: ignore[attr-defined]

_Send = Callable[[Any], Awaitable[None]]


class ZeroCopy:
    """ASGI middleware: sends each FileSpan of a body, and Buffers, joined where there is no other way."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: _Send) -> None:
        connection = _connection.get()
        http = connection.plain_http if connection is not None else None
        if scope["type"] == "http" and http is not None:
            scope["extensions"][EXTENSION] = {}

        async def send_on(message: Any) -> None:
            body = message.get("body")
            if connection is not None and http is not None and isinstance(body, FileSpan | Buffers):
                await connection.send_from_place(http, body)
            else:
                await send({**message, "body": bytes(body)} if isinstance(body, Buffers) else message)

        await self._app(scope, receive, send_on)
