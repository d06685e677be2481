"""Tokens as ours with a fault."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forge(token: str, header: dict[str, Any] | None, key: bytes, digest: str, claims: dict[str, Any]) -> str:
    """`token` with these changes, signed with `key`; a None takes a claim away."""
    head, body, _ = token.split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "==")) | claims
    content = {name: value for name, value in content.items() if value is not None}
    if header is not None:
        head = b64(json.dumps(header).encode())
    signed = f"{head}.{b64(json.dumps(content).encode())}"
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"
