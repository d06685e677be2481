"""API keys: long-lived secrets by which programs act for a person, within fixed scopes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from odeion.domain.shared.errors import FieldError, Invalid
from odeion.domain.shared.events import RecordsEvents
from odeion.domain.shared.ids import ApiKeyId, UserId

PREFIX = "odn_"
KEY_BYTES = 32
MAX_KEYS_PER_USER = 50

_KEY = re.compile(r"odn_[a-z2-7]{52}")


class Scope(StrEnum):
    """A group of routes that a key may reach. There is none for keys, users, invites or anything of the server's
    administration: what those guard must not hang on a secret that lies in a script."""

    ACCOUNT = "account"
    CATALOG = "catalog"
    LIBRARIES = "libraries"
    PLAYBACK = "playback"
    PROGRESS = "progress"
    REALTIME = "realtime"


def plaintext(secret: bytes) -> str:
    """A key as its owner sees it, once: `odn_` and 52 lower-case base32 characters."""
    assert len(secret) == KEY_BYTES
    return PREFIX + base64.b32encode(secret).decode().rstrip("=").lower()


def is_well_formed(key: str) -> bool:
    return _KEY.fullmatch(key) is not None


@dataclass(kw_only=True)
class ApiKey(RecordsEvents):
    """Only a hash of the key is kept; `hint` is its beginning, by which its owner tells it from others."""

    id: ApiKeyId | None
    user_id: UserId
    name: str
    key_hash: bytes
    hint: str
    scopes: frozenset[Scope]
    created_at: datetime
    last_used_at: datetime | None = None
    last_used_address: str | None = None
    version: int = 1

    @classmethod
    def create(
        cls, *, user_id: UserId, name: str, key: str, key_hash: bytes, scopes: Iterable[Scope], at: datetime
    ) -> ApiKey:
        """Raises Invalid without any scope."""
        chosen = frozenset(scopes)
        if not chosen:
            raise Invalid("a key needs a scope", fields=[FieldError("body.scopes", "name at least one scope")])
        return cls(id=None, user_id=user_id, name=name, key_hash=key_hash, hint=key[:8], scopes=chosen, created_at=at)
