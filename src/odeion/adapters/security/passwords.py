"""Argon2id in a small pool, so that a burst of logins can neither stall the loop nor fill the memory."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher as Argon2
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

_MEMORY_KIB = 19 * 1024
_POOL_SIZE = 2


class Argon2PasswordHasher:
    def __init__(self) -> None:
        self._argon2 = Argon2(time_cost=2, memory_cost=_MEMORY_KIB, parallelism=1, type=Type.ID)
        self._pool = ThreadPoolExecutor(_POOL_SIZE, thread_name_prefix="argon2")
        # Checked in place of a hash that is not there, so that an unknown user costs the same work.
        self._decoy = self._argon2.hash("a password nobody has")

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._argon2.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._verify, password_hash, password)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            self._argon2.verify(password_hash or self._decoy, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        return self._argon2.check_needs_rehash(password_hash)
