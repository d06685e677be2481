"""What second factors need from the world outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from odeion.domain.identity.second_factors import Passkey, Totp
from odeion.domain.shared.ids import PasskeyId, UserId


class TotpRepository(Protocol):
    async def find(self, user_id: UserId) -> Totp | None:
        """Held against others until the transaction ends: no code is good twice, not even at the same moment."""

    async def save(self, totp: Totp) -> None:
        """In the place of the one this user has."""

    async def delete(self, user_id: UserId) -> None: ...


class RecoveryCodeRepository(Protocol):
    async def replace(self, user_id: UserId, hashes: Sequence[bytes], *, at: datetime) -> None:
        """These instead of all the user had."""

    async def use(self, user_id: UserId, code_hash: bytes, *, at: datetime) -> bool:
        """Spend a code; False if there is no such one left."""

    async def count_left(self, user_id: UserId) -> int: ...


class PasskeyRepository(Protocol):
    async def get(self, user_id: UserId, passkey_id: PasskeyId) -> Passkey:
        """A passkey of this user. Raises NotFound."""

    async def find_by_credential(self, credential_id: bytes) -> Passkey | None: ...

    async def list_of(self, user_id: UserId) -> list[Passkey]:
        """Oldest first."""

    async def save(self, passkey: Passkey) -> PasskeyId:
        """Insert or update. Raises Conflict for a credential that is known, StaleVersion."""

    async def delete(self, passkey: Passkey) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """What an authenticator made; `public_key` is in COSE form."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    is_backed_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    sign_count: int
    is_backed_up: bool


class PasskeyCeremonies(Protocol):
    """WebAuthn, for one relying party: this server under its configured base URL. Options and credentials are the JSON
    of `PublicKeyCredential.parseCreationOptionsFromJSON` and `toJSON`. Everything raises Conflict while there is no
    base URL, or one that passkeys cannot be bound to."""

    def creation_options(
        self, *, user_id: UserId, username: str, challenge: bytes, known: Sequence[Passkey]
    ) -> dict[str, Any]:
        """For a discoverable credential with user verification, on an authenticator that has none of `known`."""

    def request_options(self, *, challenge: bytes, allowed: Sequence[Passkey], verify_user: bool) -> dict[str, Any]:
        """For any discoverable credential where `allowed` is empty."""

    def challenge_of(self, credential: dict[str, Any]) -> bytes:
        """The challenge an answer says it answers. Raises BadRequest for what is no credential."""

    def credential_id_of(self, credential: dict[str, Any]) -> bytes:
        """Raises BadRequest for what is no credential."""

    def verify_creation(self, credential: dict[str, Any], *, challenge: bytes) -> NewCredential:
        """Raises BadRequest."""

    def verify_assertion(
        self, credential: dict[str, Any], passkey: Passkey, *, challenge: bytes, verify_user: bool
    ) -> Assertion:
        """Raises Unauthorized for another key, origin, site or challenge, an owner who was not verified, or a use
        counter that went backwards, which a copied authenticator's does."""
