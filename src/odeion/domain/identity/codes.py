"""Codes that people read and type."""

from __future__ import annotations

# 32 letters and digits, none of which is taken for another.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def grouped(code: str) -> str:
    """As it is shown: groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def typed(text: str) -> str:
    """What was meant by what was typed: small letters, dashes and spaces do not matter."""
    return "".join(text.upper().replace("-", "").split())
