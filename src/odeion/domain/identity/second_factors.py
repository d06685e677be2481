"""What people show beside a password: codes of an authenticator app, passkeys, and recovery codes for the day both are
lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from odeion.domain.shared.errors import Conflict
from odeion.domain.shared.events import RecordsEvents
from odeion.domain.shared.ids import PasskeyId, UserId

RECOVERY_CODES = 10
# 16 of 32 letters are 80 bits: a plain hash of them cannot be searched.
RECOVERY_LENGTH = 16

MAX_PASSKEYS = 20
# Of one ticket; the account's throttle slows whoever comes with many tickets.
MAX_TRIES = 5


class SecondFactor(StrEnum):
    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


@dataclass(kw_only=True)
class Totp:
    """The secret an authenticator app shares with the server (RFC 6238: SHA-1, 6 digits, 30 s). It protects nothing
    until its owner has shown a right code. `last_step` is the time step of the newest code used."""

    user_id: UserId
    sealed_secret: bytes
    confirmed_at: datetime | None = None
    last_step: int = 0
    created_at: datetime

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed_at is not None

    def use(self, step: int) -> bool:
        """Take the code of this time step; False if it, or a later one, was used before."""
        if step <= self.last_step:
            return False
        self.last_step = step
        return True

    def confirm(self, *, at: datetime) -> None:
        """Raises Conflict if it was."""
        if self.is_confirmed:
            raise Conflict("the authenticator app is set up already")
        self.confirmed_at = at


@dataclass(kw_only=True)
class Passkey(RecordsEvents):
    """A WebAuthn credential. `public_key` is in COSE form."""

    id: PasskeyId | None
    user_id: UserId
    name: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...] = ()
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None = None
    version: int = 1

    def used(self, *, sign_count: int, is_backed_up: bool, at: datetime) -> None:
        self.sign_count, self.is_backed_up, self.last_used_at = sign_count, is_backed_up, at

    def rename(self, name: str) -> None:
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysIn:
    """How an account can be signed in to without anybody's help."""

    has_password: bool
    passkeys: int
    identities: int

    def require_another(self) -> None:
        """Raises Conflict if taking one away would leave none."""
        if self.has_password + self.passkeys + self.identities <= 1:
            raise Conflict("this is your only way to sign in; add another one first")
