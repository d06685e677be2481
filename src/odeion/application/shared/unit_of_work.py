"""One transaction: rows and events together, or nothing."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

Tx_co = TypeVar("Tx_co", covariant=True)


class Transaction(Protocol):
    """What every unit of work can do. Each area adds, in a protocol of its own, the repositories it needs."""

    async def commit(self) -> None:
        """Make everything saved since the start lasting, and its events with it. Without it all is undone."""


class UnitOfWorkFactory(Protocol[Tx_co]):
    """Opens a new unit of work each time it is called."""

    def __call__(self) -> AbstractAsyncContextManager[Tx_co]: ...
