"""Linked identities and second factors in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from odeion.domain.identity.oauth import OAuthIdentity
from odeion.domain.identity.second_factors import Passkey, Totp
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import OAuthIdentityId, PasskeyId, UserId

if TYPE_CHECKING:
    from odeion.adapters.memory.store import MemoryUnitOfWork


class MemoryTotp:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def find(self, user_id: UserId) -> Totp | None:
        return copy.deepcopy(self._tx.tables.totp.get(user_id))

    async def save(self, totp: Totp) -> None:
        self._tx.tables.totp[totp.user_id] = copy.deepcopy(totp)

    async def delete(self, user_id: UserId) -> None:
        self._tx.tables.totp.pop(user_id, None)


class MemoryRecoveryCodes:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def replace(self, user_id: UserId, hashes: Sequence[bytes], *, at: datetime) -> None:
        self._tx.tables.recovery_codes[user_id] = set(hashes)

    async def use(self, user_id: UserId, code_hash: bytes, *, at: datetime) -> bool:
        left = self._tx.tables.recovery_codes.get(user_id, set())
        if code_hash not in left:
            return False
        left.remove(code_hash)
        return True

    async def count_left(self, user_id: UserId) -> int:
        return len(self._tx.tables.recovery_codes.get(user_id, set()))


class MemoryPasskeys:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def get(self, user_id: UserId, passkey_id: PasskeyId) -> Passkey:
        passkey = self._tx.tables.passkeys.get(passkey_id)
        if passkey is None or passkey.user_id != user_id:
            raise NotFound("passkey not found")
        return copy.deepcopy(passkey)

    async def find_by_credential(self, credential_id: bytes) -> Passkey | None:
        for passkey in self._tx.tables.passkeys.values():
            if passkey.credential_id == credential_id:
                return copy.deepcopy(passkey)
        return None

    async def list_of(self, user_id: UserId) -> list[Passkey]:
        return [copy.deepcopy(passkey) for passkey in self._tx.tables.passkeys.values() if passkey.user_id == user_id]

    async def save(self, passkey: Passkey) -> PasskeyId:
        known = await self.find_by_credential(passkey.credential_id)
        if known is not None and known.id != passkey.id:
            raise Conflict("this passkey is registered already")
        return PasskeyId(self._tx.save(self._tx.tables.passkeys, passkey))

    async def delete(self, passkey: Passkey) -> None:
        self._tx.tables.passkeys.pop(passkey.id or 0, None)


class MemoryOAuthIdentities:
    def __init__(self, tx: MemoryUnitOfWork) -> None:
        self._tx = tx

    async def find(self, issuer: str, subject: str) -> OAuthIdentity | None:
        for identity in self._tx.tables.oauth_identities.values():
            if (identity.issuer, identity.subject) == (issuer, subject):
                return identity
        return None

    async def list_of(self, user_id: UserId) -> list[OAuthIdentity]:
        return [identity for identity in self._tx.tables.oauth_identities.values() if identity.user_id == user_id]

    async def save(self, identity: OAuthIdentity) -> OAuthIdentityId:
        for other in self._tx.tables.oauth_identities.values():
            if other.id == identity.id:
                continue
            if (other.issuer, other.subject) == (identity.issuer, identity.subject):
                raise Conflict("this identity is linked to another account")
            if (other.user_id, other.provider) == (identity.user_id, identity.provider):
                raise Conflict("another identity of this provider is linked already")
        identity_id = identity.id or OAuthIdentityId(self._tx.tables.new_id())
        self._tx.tables.oauth_identities[identity_id] = replace(identity, id=identity_id)
        return identity_id

    async def delete(self, identity: OAuthIdentity) -> None:
        self._tx.tables.oauth_identities.pop(identity.id or 0, None)
