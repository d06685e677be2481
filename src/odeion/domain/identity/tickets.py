"""Tickets: secrets that are good for one thing, once, for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from odeion.domain.shared.ids import UserId


class TicketKind(StrEnum):
    """What a ticket is good for. A ticket of one kind is nothing to the others."""

    PASSWORD_RESET = "password_reset"  # noqa: S105
    DEVICE_CODE = "device_code"
    SECOND_FACTOR = "second_factor"
    PASSKEY_CHALLENGE = "passkey_challenge"
    OAUTH_STATE = "oauth_state"
    OAUTH_EXCHANGE = "oauth_exchange"
    OAUTH_SIGNUP = "oauth_signup"
    OAUTH_NATIVE_NONCE = "oauth_native_nonce"

    @property
    def lifetime(self) -> timedelta:
        return _LIFETIMES[self]


_LIFETIMES = {
    TicketKind.PASSWORD_RESET: timedelta(hours=24),
    TicketKind.DEVICE_CODE: timedelta(minutes=10),
    TicketKind.SECOND_FACTOR: timedelta(minutes=5),
    TicketKind.PASSKEY_CHALLENGE: timedelta(minutes=5),
    TicketKind.OAUTH_STATE: timedelta(minutes=10),
    TicketKind.OAUTH_EXCHANGE: timedelta(minutes=2),
    TicketKind.OAUTH_SIGNUP: timedelta(minutes=15),
    # Longer than a token with it is accepted, so that none is accepted twice.
    TicketKind.OAUTH_NATIVE_NONCE: timedelta(minutes=15),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Only the hash of the secret is kept. `payload` is plain JSON that whoever redeems the ticket needs."""

    kind: TicketKind
    secret_hash: bytes
    user_id: UserId | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    created_at: datetime
    expires_at: datetime

    @classmethod
    def issue(
        cls,
        kind: TicketKind,
        secret_hash: bytes,
        *,
        at: datetime,
        user_id: UserId | None = None,
        payload: dict[str, Any] | None = None,
    ) -> Ticket:
        return cls(
            kind=kind,
            secret_hash=secret_hash,
            user_id=user_id,
            payload=payload or {},
            created_at=at,
            expires_at=at + kind.lifetime,
        )
