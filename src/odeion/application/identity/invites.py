"""Inviting people, and the accounts they make with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from odeion.application.identity.caller import Caller
from odeion.application.identity.ports import IdentityTx, LoginThrottle, PasswordHasher, TokenCodec
from odeion.application.identity.sign_in import SignedIn, open_session
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.links import Links
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.secrets import SecretBox, SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.codes import ALPHABET, grouped, typed
from odeion.domain.identity.invites import CODE_LENGTH, Invite, InviteState
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role, User, check_password_rules
from odeion.domain.shared.errors import Forbidden, Unavailable
from odeion.domain.shared.ids import InviteId

_SEALED_FOR = "invite"


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteView:
    """`code` is None where the server's key is another one than it was made with. `url` opens the sign-up with the code
    filled in; None while the server has no base URL. `max_uses` None is any number, `expires_at` None is never."""

    id: int
    code: str | None
    url: str | None
    role: Role
    state: InviteState
    max_uses: int | None
    uses: int
    created_at: datetime
    expires_at: datetime | None


class Invites:
    def __init__(
        self, uow: UnitOfWorkFactory[IdentityTx], secrets: SecretSource, box: SecretBox, links: Links, clock: Clock
    ) -> None:
        self._uow = uow
        self._secrets = secrets
        self._box = box
        self._links = links
        self._clock = clock

    async def create(
        self, viewer: Viewer, caller: Caller, *, role: Role, lifetime: timedelta | None, max_uses: int | None
    ) -> InviteView:
        """Raises Forbidden for a role above what the viewer may give."""
        viewer.require(Role.MODERATOR)
        now = self._clock.now()
        code = self._secrets.code(CODE_LENGTH, ALPHABET)
        async with self._uow() as tx:
            maker = await tx.users.get(viewer.id)
            invite = Invite.create(
                maker=maker,
                code_hash=secret_hash(code),
                sealed_code=self._box.seal(code.encode(), purpose=_SEALED_FOR),
                role=role,
                max_uses=max_uses,
                expires_at=now + lifetime if lifetime else None,
                at=now,
            )
            await tx.invites.save(invite)
            await tx.trail.record(
                security_event(
                    SecurityEventKind.INVITE_CREATED,
                    maker,
                    viewer,
                    caller,
                    at=now,
                    invite_id=invite.id,
                    role=role,
                )
            )
            await tx.commit()
        return self._view(invite, at=now)

    async def list_own(self, viewer: Viewer, page: PageRequest) -> Page[InviteView]:
        """Newest first."""
        viewer.require(Role.MODERATOR)
        now = self._clock.now()
        async with self._uow() as tx:
            own = await tx.invites.list_of(viewer.id, page)
        return own.map(lambda invite: self._view(invite, at=now))

    async def delete_own(self, viewer: Viewer, invite_id: InviteId, caller: Caller) -> None:
        """Raises NotFound."""
        viewer.require(Role.MODERATOR)
        async with self._uow() as tx:
            maker = await tx.users.get(viewer.id)
            invite = await tx.invites.get(viewer.id, invite_id)
            await tx.invites.delete(invite)
            await tx.trail.record(
                security_event(
                    SecurityEventKind.INVITE_DELETED,
                    maker,
                    viewer,
                    caller,
                    at=self._clock.now(),
                    invite_id=invite.id,
                    role=invite.role,
                )
            )
            await tx.commit()

    def _view(self, invite: Invite, *, at: datetime) -> InviteView:
        assert invite.id is not None
        try:
            code = grouped(self._box.open(invite.sealed_code, purpose=_SEALED_FOR).decode())
        except Unavailable:
            code = None
        # After the #, so that the code is in no server's log.
        url = self._links.to(f"/register#{code}") if code and self._links.base_url else None
        return InviteView(
            id=invite.id,
            code=code,
            url=url,
            role=invite.role,
            state=invite.state(at=at),
            max_uses=invite.max_uses,
            uses=invite.uses,
            created_at=invite.created_at,
            expires_at=invite.expires_at,
        )


async def redeem_invite(tx: IdentityTx, code: str, *, at: datetime) -> Invite:
    """Use an invite once, in the transaction of the account it allows: without its commit nothing was used. Raises
    Forbidden, the same for every code that is not good."""
    invite = await tx.invites.redeem(secret_hash(typed(code)), at=at)
    if invite is None or not invite.is_backed_by(await tx.users.get(invite.created_by)):
        raise Forbidden("this invite is not valid, or not any more; ask for a new one")
    return invite


class Registration:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        hasher: PasswordHasher,
        tokens: TokenCodec,
        secrets: SecretSource,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._hasher = hasher
        self._tokens = tokens
        self._secrets = secrets
        self._throttle = throttle
        self._clock = clock

    async def register(self, *, code: str, username: str, password: str, caller: Caller) -> SignedIn:
        """Make an account with an invite and sign it in. Raises Forbidden for an invite that is not good, Conflict for
        a taken name (which uses up nothing), Invalid, TooManyRequests."""
        name = f"register {caller.address}"
        await self._throttle.admit(name, caller.address)
        check_password_rules(password)
        # Before the code is looked at: a good one and a bad one cost the same work.
        password_hash = await self._hasher.hash(password)
        now = self._clock.now()
        try:
            async with self._uow() as tx:
                invite = await redeem_invite(tx, code, at=now)
                user = User.create(username=username, password_hash=password_hash, role=invite.role, at=now)
                signed_in = await open_session(tx, user, caller, tokens=self._tokens, secrets=self._secrets, at=now)
                for kind in (SecurityEventKind.USER_CREATED, SecurityEventKind.INVITE_REDEEMED):
                    await tx.trail.record(
                        security_event(
                            kind,
                            user,
                            None,
                            caller,
                            at=now,
                            invite_id=invite.id,
                            invited_by=invite.created_by,
                            role=invite.role,
                        )
                    )
                await tx.commit()
        except Forbidden:
            await self._throttle.failed(name, caller.address)
            raise
        return signed_in
