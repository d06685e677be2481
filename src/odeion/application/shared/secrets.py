"""Randomness nobody can guess."""

from __future__ import annotations

from typing import Protocol


class SecretSource(Protocol):
    def token(self) -> str:
        """256 bits as URL-safe text."""
