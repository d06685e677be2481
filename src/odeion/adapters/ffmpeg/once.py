"""Work that many ask for and one does."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

_KNOWN = 256

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")


async def once_for_all(
    known: OrderedDict[_K, asyncio.Task[_T]], key: _K, make: Callable[[], Coroutine[Any, Any, _T]]
) -> _T:
    """What `make` gives, made once for all who ask at the same time or later; a failure is not kept."""
    task = known.get(key)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        task = asyncio.create_task(make())
        remember(known, key, task)
    known.move_to_end(key)
    return await asyncio.shield(task)


def remember(known: OrderedDict[_K, _T], key: _K, value: _T) -> None:
    """Keep a value in place of the one used longest ago."""
    known[key] = value
    while len(known) > _KNOWN:
        known.popitem(last=False)
