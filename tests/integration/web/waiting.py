from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from typing import ParamSpec

_EVERY_S = 0.1
_TRIES = 3

Given = ParamSpec("Given")


async def until(holds: Callable[[], Awaitable[object]], what: str, seconds: float = 30) -> None:
    """Ask again and again until the answer is true; fail, saying `what` was waited for, if it never is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await holds():
        assert loop.time() < deadline, f"waited {seconds:g} s for this: {what}"
        await asyncio.sleep(_EVERY_S)


def in_real_time(test: Callable[Given, Awaitable[None]]) -> Callable[Given, Awaitable[None]]:
    """A test of what must not stand still. It is tried again while the machine has more to do than it can: then a
    browser or an encoder may stand still by itself."""

    @functools.wraps(test)
    async def tried(*args: Given.args, **named: Given.kwargs) -> None:
        for left in reversed(range(_TRIES)):
            try:
                return await test(*args, **named)
            except AssertionError:
                if not left or os.getloadavg()[0] <= (os.cpu_count() or 1):
                    raise

    return tried
