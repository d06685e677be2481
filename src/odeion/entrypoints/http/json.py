"""JSON out: one way to write read models, timestamps as RFC 3339 in UTC."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """Plain values: dicts, lists, strings, numbers."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
