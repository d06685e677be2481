"""The API application."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import cache

import orjson
from quart import Quart, Response, request

from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import AppContext, install_context
from odeion.entrypoints.http.endpoint import Area, Handler
from odeion.entrypoints.http.errors import breaking_off, install_error_handlers
from odeion.entrypoints.http.headers import secure
from odeion.entrypoints.http.openapi import build_document
from odeion.entrypoints.http.routes import (
    account,
    api_keys,
    catalog,
    files,
    identity,
    invites,
    libraries,
    oauth,
    playback,
    playback_audit,
    progress,
    realtime,
    second_factors,
    settings,
    system,
    transcoding,
    users,
)
from odeion.entrypoints.http.segment_lane import SegmentLane
from odeion.entrypoints.http.web_app import install_web_app
from odeion.entrypoints.http.zero_copy import ZeroCopy

AREAS: tuple[Area, ...] = (
    system.area,
    identity.area,
    second_factors.area,
    oauth.area,
    account.area,
    users.area,
    invites.area,
    settings.area,
    api_keys.area,
    libraries.area,
    catalog.area,
    progress.area,
    playback.area,
    playback_audit.area,
    files.area,
    transcoding.area,
    realtime.area,
)

_MAX_BODY = 1024 * 1024
# Silence of a client in the middle of a body; answers that stream lift their own limit.
_BODY_TIMEOUT_S = 30
_RESPONSE_TIMEOUT_S = 60

_WEBSOCKET_OPERATION = {
    "operationId": "open_websocket",
    "summary": "Unified WebSocket (events + Watch Together)",
    "description": "Carries events both ways. Authenticates in-band: the first client frame must be "
    '{"type":"c2s_auth","payload":{"token":"<JWT>"}} within 10 s; the server answers s2c_auth_ok, or closes with 1008. '
    "Events follow as s2c_event with name, at and data; each connection hears only what its user may.",
    "tags": ["App", "Watch Together"],
    "x-role": "viewer",
    "responses": {"101": {"description": "Switching protocols"}},
}


def openapi_document() -> dict[str, object]:
    """The document of the API, made from the declared routes."""
    document = build_document(AREAS)
    document["paths"]["/api/ws"] = {"get": _WEBSOCKET_OPERATION}
    document["paths"]["/openapi.json"] = {
        "get": {
            "operationId": "get_openapi_document",
            "summary": "OpenAPI document",
            "tags": ["System"],
            "security": [],
            "x-role": "public",
            "responses": {
                "200": {"description": "This document", "content": {"application/json": {"schema": {"type": "object"}}}}
            },
        }
    }
    return document


@cache
def _document() -> bytes:
    """Made when it is first asked for: it takes as long as all the rest of the application."""
    return orjson.dumps(openapi_document())


def create_app(context: AppContext) -> Quart:
    app = Quart(__name__, static_folder=None)
    app.config.update(
        MAX_CONTENT_LENGTH=_MAX_BODY,
        BODY_TIMEOUT=_BODY_TIMEOUT_S,
        RESPONSE_TIMEOUT=_RESPONSE_TIMEOUT_S,
        PROPAGATE_EXCEPTIONS=False,
    )
    # `/api//movies` is another path than `/api/movies`, not one that is guessed.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    install_context(app, context)
    install_error_handlers(app)
    for area in AREAS:
        app.register_blueprint(area.blueprint())
    app.add_websocket("/api/ws", "open_websocket", realtime.serve_websocket)

    async def get_openapi_document() -> Response:
        return Response(await asyncio.to_thread(_document), content_type="application/json")

    app.add_url_rule(
        "/openapi.json",
        "get_openapi_document",
        get_openapi_document,
        methods=["GET"],
        provide_automatic_options=False,
    )
    if context.settings.web_root is not None:
        install_web_app(app, context.settings.web_root)
    app.after_request(_secure)
    answer = app.asgi_app
    if _access_to(playback.get_media_segment) is Access.STREAM:
        # The lane asks for nothing but the key of the stream.
        answer = SegmentLane(answer, context.use_cases.streams)
    app.asgi_app = ZeroCopy(breaking_off(answer))  # type: ignore[method-assign]
    _run_bus(app, context)
    return app


def _access_to(handler: Handler) -> Access:
    return next(endpoint.access for area in AREAS for endpoint in area.endpoints if endpoint.handler is handler)


async def _secure(response: Response) -> Response:
    secure(response.headers, request.path)
    return response


def _run_bus(app: Quart, context: AppContext) -> None:
    listener: asyncio.Task[None] | None = None

    @app.before_serving
    async def start() -> None:
        nonlocal listener
        listener = asyncio.create_task(context.use_cases.realtime.run())

    @app.after_serving
    async def stop() -> None:
        if listener is not None:
            listener.cancel()
            with suppress(asyncio.CancelledError):
                await listener
        await context.use_cases.streams.close()
        await context.use_cases.downloads.close()
