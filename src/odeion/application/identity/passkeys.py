"""A person's passkeys, and signing in with them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from odeion.application.identity.caller import Caller
from odeion.application.identity.login_sessions import require_proof
from odeion.application.identity.oauth_settings import enabled_providers
from odeion.application.identity.ports import IdentityTx
from odeion.application.identity.second_factor_ports import PasskeyCeremonies
from odeion.application.identity.second_factors import drop_useless_codes, first_recovery_codes
from odeion.application.identity.sign_in import Admission, SignedIn
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.second_factors import MAX_PASSKEYS, Passkey, WaysIn
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import User
from odeion.domain.shared.errors import BadRequest, Conflict, Unauthorized
from odeion.domain.shared.ids import PasskeyId, UserId

_CHALLENGE_BYTES = 32
_UNKNOWN = "this passkey is not known here, or was asked for too long ago"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyOptions:
    """For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`; good for one answer."""

    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyView:
    """`is_backed_up`: it is synchronised, so that it outlives the device."""

    id: int
    name: str
    is_backed_up: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyList:
    items: list[PasskeyView]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey(PasskeyView):
    """`recovery_codes` come with the first second factor and are shown this once; null where there are some already."""

    recovery_codes: list[str] | None


class Passkeys:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        ceremonies: PasskeyCeremonies,
        admission: Admission,
        secrets: SecretSource,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._ceremonies = ceremonies
        self._admission = admission
        self._secrets = secrets
        self._clock = clock

    async def list_own(self, viewer: Viewer) -> PasskeyList:
        """Oldest first."""
        async with self._uow() as tx:
            return PasskeyList(items=[_view(passkey) for passkey in await tx.passkeys.list_of(viewer.id)])

    async def creation_options(self, viewer: Viewer) -> PasskeyOptions:
        """Raises ProofRequired, Conflict for too many passkeys, or without a base URL."""
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=self._clock.now())
            user = await tx.users.get(viewer.id)
            known = await tx.passkeys.list_of(viewer.id)
            _require_room(known)
            challenge = await new_challenge(
                tx, self._secrets, purpose="create", user_id=viewer.id, at=self._clock.now()
            )
            options = self._ceremonies.creation_options(
                user_id=viewer.id, username=user.username, challenge=challenge, known=known
            )
            await tx.commit()
        return PasskeyOptions(options=options)

    async def add(self, viewer: Viewer, *, name: str, credential: dict[str, Any], caller: Caller) -> NewPasskey:
        """Raises ProofRequired, BadRequest for an answer to other options, Conflict for one that is known, or too
        many."""
        now = self._clock.now()
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=now)
            challenge = self._ceremonies.challenge_of(credential)
            user = await tx.users.get(viewer.id, for_update=True)
            if not await take_challenge(tx, challenge, purpose="create", user_id=viewer.id, at=now):
                raise BadRequest("these options were used, or are too old; begin again")
            made = self._ceremonies.verify_creation(credential, challenge=challenge)
            _require_room(await tx.passkeys.list_of(viewer.id))
            codes = await first_recovery_codes(tx, user, self._secrets, caller, at=now)
            passkey = Passkey(
                id=None,
                user_id=viewer.id,
                name=name,
                credential_id=made.credential_id,
                public_key=made.public_key,
                sign_count=made.sign_count,
                transports=made.transports,
                is_backed_up=made.is_backed_up,
                created_at=now,
            )
            await tx.passkeys.save(passkey)
            await tx.trail.record(
                security_event(SecurityEventKind.PASSKEY_ADDED, user, viewer, caller, at=now, name=name)
            )
            await tx.commit()
        view = _view(passkey)
        return NewPasskey(
            id=view.id,
            name=view.name,
            is_backed_up=view.is_backed_up,
            created_at=view.created_at,
            last_used_at=None,
            recovery_codes=codes,
        )

    async def rename(self, viewer: Viewer, passkey_id: PasskeyId, name: str) -> PasskeyView:
        """Raises NotFound."""
        async with self._uow() as tx:
            passkey = await tx.passkeys.get(viewer.id, passkey_id)
            passkey.rename(name)
            await tx.passkeys.save(passkey)
            await tx.commit()
        return _view(passkey)

    async def remove(self, viewer: Viewer, passkey_id: PasskeyId, caller: Caller) -> None:
        """Raises ProofRequired, NotFound, Conflict for the only way in."""
        now = self._clock.now()
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=now)
            user = await tx.users.get(viewer.id, for_update=True)
            passkey = await tx.passkeys.get(viewer.id, passkey_id)
            (await ways_in(tx, user)).require_another()
            await tx.passkeys.delete(passkey)
            await drop_useless_codes(tx, viewer.id, at=now)
            await tx.trail.record(
                security_event(SecurityEventKind.PASSKEY_REMOVED, user, viewer, caller, at=now, name=passkey.name)
            )
            await tx.commit()

    async def login_options(self) -> PasskeyOptions:
        """For signing in with whatever passkey the device has for this site. Raises Conflict without a base URL."""
        now = self._clock.now()
        async with self._uow() as tx:
            challenge = await new_challenge(tx, self._secrets, purpose="login", user_id=None, at=now)
            options = self._ceremonies.request_options(challenge=challenge, allowed=(), verify_user=True)
            await tx.commit()
        return PasskeyOptions(options=options)

    async def login(self, credential: dict[str, Any], caller: Caller) -> SignedIn:
        """A passkey whose owner was verified is both steps at once. Raises Unauthorized, BadRequest; Forbidden for a
        locked account."""
        now = self._clock.now()
        challenge = self._ceremonies.challenge_of(credential)
        credential_id = self._ceremonies.credential_id_of(credential)
        async with self._uow() as tx:
            is_open = await take_challenge(tx, challenge, purpose="login", user_id=None, at=now)
            # Used up, whatever comes of it.
            await tx.commit()
        if not is_open:
            raise Unauthorized(_UNKNOWN)
        try:
            async with self._uow() as tx:
                passkey = await tx.passkeys.find_by_credential(credential_id)
                if passkey is None:
                    raise Unauthorized(_UNKNOWN)
                await use_passkey(
                    tx, self._ceremonies, passkey, credential, challenge=challenge, verify_user=True, at=now
                )
                user = await tx.users.get(passkey.user_id)
                signed_in = await self._admission.sign_in(tx, user, caller, way="passkey", at=now)
                await tx.commit()
        except Unauthorized:
            async with self._uow() as tx:
                await tx.trail.record(
                    security_event(SecurityEventKind.LOGIN_FAILED, None, None, caller, at=now, way="passkey")
                )
                await tx.commit()
            raise
        return signed_in


async def new_challenge(
    tx: IdentityTx, secrets: SecretSource, *, purpose: str, user_id: UserId | None, at: datetime
) -> bytes:
    """A challenge that `take_challenge` knows, once."""
    challenge = secrets.bytes(_CHALLENGE_BYTES)
    await tx.tickets.put(
        Ticket.issue(
            TicketKind.PASSKEY_CHALLENGE, _mark(challenge), at=at, user_id=user_id, payload={"purpose": purpose}
        )
    )
    return challenge


async def take_challenge(
    tx: IdentityTx, challenge: bytes, *, purpose: str, user_id: UserId | None, at: datetime
) -> bool:
    """Whether we asked this, of this user, for this purpose, and had no answer yet."""
    ticket = await tx.tickets.take(TicketKind.PASSKEY_CHALLENGE, _mark(challenge), at=at)
    return ticket is not None and ticket.payload["purpose"] == purpose and ticket.user_id == user_id


async def use_passkey(
    tx: IdentityTx,
    ceremonies: PasskeyCeremonies,
    passkey: Passkey,
    credential: dict[str, Any],
    *,
    challenge: bytes,
    verify_user: bool,
    at: datetime,
) -> None:
    """Raises Unauthorized for a passkey that does not prove itself."""
    proof = ceremonies.verify_assertion(credential, passkey, challenge=challenge, verify_user=verify_user)
    passkey.used(sign_count=proof.sign_count, is_backed_up=proof.is_backed_up, at=at)
    await tx.passkeys.save(passkey)


async def ways_in(tx: IdentityTx, user: User) -> WaysIn:
    """Identities of providers that are switched off lead nowhere."""
    assert user.id is not None
    enabled = {provider.key for provider in await enabled_providers(tx)}
    return WaysIn(
        has_password=user.password_hash is not None,
        passkeys=len(await tx.passkeys.list_of(user.id)),
        identities=sum(identity.provider in enabled for identity in await tx.oauth_identities.list_of(user.id)),
    )


def _require_room(known: list[Passkey]) -> None:
    if len(known) >= MAX_PASSKEYS:
        raise Conflict(f"there are {MAX_PASSKEYS} passkeys already; remove one first")


def _mark(challenge: bytes) -> bytes:
    return secret_hash(base64.b64encode(challenge).decode())


def _view(passkey: Passkey) -> PasskeyView:
    assert passkey.id is not None
    return PasskeyView(
        id=passkey.id,
        name=passkey.name,
        is_backed_up=passkey.is_backed_up,
        created_at=passkey.created_at,
        last_used_at=passkey.last_used_at,
    )
