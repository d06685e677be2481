"""Randomness nobody can guess, and secrets that must be kept readable."""

from __future__ import annotations

import hashlib
from typing import Protocol


class SecretSource(Protocol):
    def token(self) -> str:
        """256 bits as URL-safe text."""

    def bytes(self, count: int) -> bytes: ...

    def code(self, length: int, alphabet: str) -> str:
        """Letters drawn evenly from `alphabet`, for people to type."""


class SecretBox(Protocol):
    """Encrypts what must be read again (client secrets, TOTP seeds) with the server's key. `purpose` binds the box to
    its place: what was sealed for one cannot be opened for another."""

    def seal(self, secret: bytes, *, purpose: str) -> bytes: ...

    def open(self, sealed: bytes, *, purpose: str) -> bytes:
        """Raises Unavailable for what was sealed with another key, or tampered with."""


def secret_hash(secret: str) -> bytes:
    """What is kept of a secret of ours. They are long and random, or live minutes under a throttle, so a plain hash is
    enough."""
    return hashlib.sha256(secret.encode()).digest()
