"""Values the server keeps for itself."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class SettingRepository(Protocol):
    """JSON values by key."""

    async def find(self, key: str) -> object | None: ...

    async def put(self, key: str, value: object, *, at: datetime) -> None: ...
