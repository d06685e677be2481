"""What can go wrong, by category. A category says what the caller can do about it; it knows no HTTP status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused value. `field` is a dotted path into what was sent: `body.paths.0`, `query.page`."""

    field: str
    message: str


class OdeionError(Exception):
    """Base of every error that is meant to be told to the caller. `message` is for people, `code` for programs."""

    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, fields: Sequence[FieldError] = (), retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fields = tuple(fields)
        self.retry_after_s = retry_after_s


class BadRequest(OdeionError):
    """The request cannot be understood."""

    code = "bad_request"


class Unauthorized(OdeionError):
    """Nobody, or nobody any more: sign in."""

    code = "unauthorized"


class Forbidden(OdeionError):
    """Somebody, but not somebody who may do this."""

    code = "forbidden"


class ProofRequired(Forbidden):
    """Somebody who may, but whose session could be a stolen one: prove it first."""

    code = "proof_required"


class NotFound(OdeionError):
    """It is not there, or the caller may not know that it is."""

    code = "not_found"


class Conflict(OdeionError):
    """It contradicts what is already so."""

    code = "conflict"


class StaleVersion(Conflict):
    """Somebody else changed the aggregate since it was read: read again and retry."""


class Gone(OdeionError):
    """It was there and has ended for good: start a new one."""

    code = "gone"


class Invalid(OdeionError):
    """Understood, but a value breaks a rule; `fields` says which."""

    code = "validation_error"


class TooManyRequests(OdeionError):
    """Too often: wait `retry_after_s` seconds."""

    code = "too_many_requests"


class Unavailable(OdeionError):
    """Something the server depends on is away (a disk, the database, a free encoder): try again later."""

    code = "service_unavailable"
