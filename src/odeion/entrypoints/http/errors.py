"""The one table from errors to statuses, and the envelope every error leaves in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from quart import Quart, Response
from werkzeug.exceptions import HTTPException

from odeion.domain.shared.errors import FieldError, Invalid, OdeionError
from odeion.entrypoints.http.json import dumps

log = structlog.get_logger(__name__)

STATUS_BY_CODE: dict[str, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "proof_required": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "gone": 410,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "validation_error": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "service_unavailable": 503,
}

_CODE_BY_STATUS = {status: code for code, status in STATUS_BY_CODE.items()}


def envelope(
    code: str,
    message: str,
    *,
    fields: Sequence[FieldError] = (),
    retry_after_s: int | None = None,
    status: int | None = None,
) -> Response:
    """The error as a response: `{"error": {"code", "message", "fields"?}}`."""
    body: dict[str, Any] = {"code": code, "message": message}
    if fields:
        body["fields"] = [{"field": field.field, "message": field.message} for field in fields]
    response = Response(dumps({"error": body}), status=status or STATUS_BY_CODE[code], content_type="application/json")
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(max(1, retry_after_s))
    if code == "unauthorized":
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def invalid_from(error: ValidationError, where: str) -> Invalid:
    """What pydantic refused, as ours. `where` is body, query or path."""
    return Invalid(
        "some values cannot be used",
        fields=[
            FieldError(".".join([where, *(str(part) for part in entry["loc"])]), entry["msg"])
            for entry in error.errors(include_url=False, include_context=False, include_input=False)
        ],
    )


def install_error_handlers(app: Quart) -> None:
    @app.errorhandler(OdeionError)
    async def told(error: OdeionError) -> Response:
        return refusal(error)

    @app.errorhandler(HTTPException)
    async def framework(error: HTTPException) -> Response:
        status = error.code or 500
        code = _CODE_BY_STATUS.get(status, "bad_request" if status < 500 else "internal_error")
        response = envelope(code, error.description or error.name, status=status)
        for name, value in error.get_headers():
            if name.lower() in ("allow", "content-range"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    async def unexpected(error: Exception) -> Response:
        return refusal(error)


def refusal(error: Exception) -> Response:
    """What an error is answered with."""
    if isinstance(error, OdeionError):
        return envelope(error.code, error.message, fields=error.fields, retry_after_s=error.retry_after_s)
    log.exception("unexpected error in a request", exc_info=error)
    return envelope("internal_error", "something went wrong on the server; its log says what")


def breaking_off(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """ASGI middleware: what fails after its answer began ends it without the last part, and a client sees that it is
    not whole."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except OdeionError as error:
            log.warning("an answer was broken off", code=error.code, reason=error.message)

    return answer
