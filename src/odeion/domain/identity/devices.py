"""What a device is called, by what it says of itself."""

from __future__ import annotations

import re

_UNKNOWN = "Unknown device"
_MAX_LENGTH = 60

# The first that fits counts: many browsers also claim to be those further down.
_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("AppleTV", "Apple TV"),
    ("Web0S", "LG TV"),
    ("Tizen", "Samsung TV"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
_PRODUCT = re.compile(r"[\w .()+-]+")


def device_name(user_agent: str) -> str:
    """A User-Agent in plain words: "Firefox on Linux", "Chrome on Android", "curl". It is the client's own claim, good
    for telling one's devices apart and for nothing else."""
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), None)
    if program is None:
        product = _PRODUCT.match(user_agent.partition("/")[0].strip())
        program = product.group()[:_MAX_LENGTH] if product and product.group() != "Mozilla" else None
    if program and system:
        return f"{program} on {system}"
    return program or system or _UNKNOWN
