from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_EVERY_S = 0.1


async def until(holds: Callable[[], Awaitable[object]], what: str, seconds: float = 30) -> None:
    """Ask again and again until the answer is true; fail, saying `what` was waited for, if it never is."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await holds():
        assert loop.time() < deadline, f"waited {seconds:g} s for this: {what}"
        await asyncio.sleep(_EVERY_S)
