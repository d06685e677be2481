"""News for connected clients: a WebSocket, and server-sent events as its fallback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from pydantic import Field, StringConstraints
from quart import Response, websocket

from odeion.application.shared.realtime import RealtimeMessage
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.shared.errors import Forbidden, OdeionError, Unauthorized
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area, Stream
from odeion.entrypoints.http.json import dumps
from odeion.entrypoints.http.models import Query
from odeion.entrypoints.http.security import bearer_token, identify
from odeion.entrypoints.use_cases import UseCases

area = Area("realtime")

_AUTHENTICATION_LIMIT_S = 10
# A connection outlives its 15-minute token but not its session: that is asked again this often.
_RECHECK_S = 30
_KEEP_ALIVE_S = 15
_POLICY_VIOLATION = 1008


class EventsQuery(Query):
    token: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        None, description="The session token, for clients that cannot set a header"
    )


@area.get(
    "/api/events",
    tag="App",
    access=Access.TOKEN,
    scope=Scope.REALTIME,
    stream=Stream(("text/event-stream",)),
    errors=(Unauthorized, Forbidden),
)
async def stream_events(query: EventsQuery) -> Response:
    """Subscribe to server events (fallback)

    Server-Sent Events stream for real-time updates; the token comes in the Authorization header or the query. Kept as a
    fallback transport; the preferred channel is the /api/ws WebSocket."""
    viewer = await identify(query.token or bearer_token(), Scope.REALTIME)
    response = Response(_server_sent(viewer, use_cases()), content_type="text/event-stream")
    response.timeout = None
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


async def _server_sent(viewer: Viewer, cases: UseCases) -> AsyncIterator[bytes]:
    # It runs after the handler has returned, where there is no app to ask for the use cases.
    async with cases.realtime.listen() as queue:
        yield b": connected\n\n"
        async for message in _messages(queue, viewer, cases):
            if message is None:
                yield b": still here\n\n"
            else:
                yield b"event: %s\ndata: %s\n\n" % (message.name.encode(), dumps(_payload(message)))


async def _messages(
    queue: asyncio.Queue[RealtimeMessage], viewer: Viewer, cases: UseCases
) -> AsyncIterator[RealtimeMessage | None]:
    """What this viewer may hear, None when nothing came for a while; ends with the viewer's session."""
    loop = asyncio.get_running_loop()
    recheck_at = loop.time() + _RECHECK_S
    while True:
        try:
            message = await asyncio.wait_for(queue.get(), _KEEP_ALIVE_S)
        except TimeoutError:
            message = None
        if loop.time() >= recheck_at:
            recheck_at = loop.time() + _RECHECK_S
            try:
                viewer = await cases.identification.recheck(viewer)
            except Unauthorized:
                return
            except OdeionError:
                # The database is away; who was signed in stays so until it can be asked again.
                pass
        if message is None or message.is_for(viewer):
            yield message


async def serve_websocket() -> None:
    """The handler of /api/ws: the first frame authenticates within 10 s, then events flow."""
    if not _origin_allowed():
        await websocket.close(_POLICY_VIOLATION)
        return
    try:
        viewer = await asyncio.wait_for(_authenticate(), _AUTHENTICATION_LIMIT_S)
    except (TimeoutError, OdeionError):
        await websocket.close(_POLICY_VIOLATION)
        return
    async with use_cases().realtime.listen() as queue:
        await _send("s2c_auth_ok", {"user_id": viewer.id})
        sender = asyncio.create_task(_send_events(queue, viewer))
        receiver = asyncio.create_task(_receive())
        try:
            done, _ = await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also where the handler itself is cancelled: nothing is sent for it any more.
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
        for task in done:
            task.result()
    await websocket.close(_POLICY_VIOLATION)


def _origin_allowed() -> bool:
    """A page of another site may not open a socket with somebody's session."""
    origin = websocket.headers.get("Origin")
    return origin is None or origin.partition("://")[2] == websocket.headers.get("Host")


async def _authenticate() -> Viewer:
    frame = _frame(await websocket.receive())
    payload = frame.get("payload")
    token = payload.get("token") if isinstance(payload, dict) else None
    if frame.get("type") != "c2s_auth" or not isinstance(token, str):
        raise Unauthorized("the first frame must be c2s_auth with a token")
    return await identify(token, Scope.REALTIME)


async def _send_events(queue: asyncio.Queue[RealtimeMessage], viewer: Viewer) -> None:
    async for message in _messages(queue, viewer, use_cases()):
        if message is None:
            await _send("s2c_ping", {})
        else:
            await _send("s2c_event", _payload(message))


async def _receive() -> None:
    """Clients have nothing more to say yet, but for `c2s_pong`; what else comes is an error of theirs."""
    while True:
        frame = _frame(await websocket.receive())
        if frame.get("type") != "c2s_pong":
            await _send("s2c_error", {"code": "bad_request", "message": "frames of this type are not understood"})


async def _send(type: str, payload: dict[str, Any]) -> None:
    await websocket.send(dumps({"type": type, "payload": payload}).decode())


def _frame(raw: str | bytes) -> dict[str, Any]:
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return frame if isinstance(frame, dict) else {}


def _payload(message: RealtimeMessage) -> dict[str, Any]:
    return {"name": message.name, "at": message.at, "data": message.data}
