"""A person's second factors: the authenticator app, the recovery codes, and what is known of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

import pyotp

from odeion.application.identity.caller import OPERATOR as COMMAND_LINE
from odeion.application.identity.caller import Caller
from odeion.application.identity.login_sessions import end_sessions, require_proof
from odeion.application.identity.ports import IdentityTx, LoginThrottle, PasswordHasher
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import SecretBox, SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.codes import ALPHABET, grouped, typed
from odeion.domain.identity.second_factors import RECOVERY_CODES, RECOVERY_LENGTH, SecondFactor, Totp
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role, User
from odeion.domain.shared.errors import BadRequest, Conflict, Forbidden, NotFound
from odeion.domain.shared.ids import UserId

_ISSUER = "Odeion"
_STEP_S = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorsView:
    """`totp`: an authenticator app is set up. With it, or with a passkey, `enabled` is true and signing in with a
    password or a provider has a second step."""

    enabled: bool
    totp: bool
    totp_enabled_at: datetime | None
    passkeys: int
    recovery_codes_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TotpEnrolment:
    """`secret` is for typing into an authenticator app, `otpauth_uri` for a QR code. It counts once it is confirmed."""

    secret: str
    otpauth_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodes:
    """Each is good once, in place of a second factor. They are shown this once. Null: the earlier ones stay good."""

    recovery_codes: list[str] | None


class SecondFactors:
    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        passwords: PasswordHasher,
        secrets: SecretSource,
        box: SecretBox,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._passwords = passwords
        self._secrets = secrets
        self._box = box
        self._throttle = throttle
        self._clock = clock

    async def get(self, viewer: Viewer) -> SecondFactorsView:
        async with self._uow() as tx:
            totp = await tx.totp.find(viewer.id)
            passkeys = await tx.passkeys.list_of(viewer.id)
            left = await tx.recovery_codes.count_left(viewer.id)
        is_confirmed = totp is not None and totp.is_confirmed
        return SecondFactorsView(
            enabled=is_confirmed or bool(passkeys),
            totp=is_confirmed,
            totp_enabled_at=totp.confirmed_at if totp else None,
            passkeys=len(passkeys),
            recovery_codes_left=left,
        )

    async def enrol_totp(self, viewer: Viewer) -> TotpEnrolment:
        """A new secret, in place of one that was never confirmed. Raises ProofRequired, Conflict for an app that is set
        up."""
        secret = pyotp.random_base32()
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=self._clock.now())
            user = await tx.users.get(viewer.id, for_update=True)
            earlier = await tx.totp.find(viewer.id)
            if earlier is not None and earlier.is_confirmed:
                raise Conflict("an authenticator app is set up already; turn it off first")
            sealed = self._box.seal(secret.encode(), purpose=_purpose(viewer.id))
            await tx.totp.save(Totp(user_id=viewer.id, sealed_secret=sealed, created_at=self._clock.now()))
            await tx.commit()
        uri = pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=_ISSUER)
        return TotpEnrolment(secret=secret, otpauth_uri=uri)

    async def confirm_totp(self, viewer: Viewer, code: str, caller: Caller) -> RecoveryCodes:
        """Make it count. Raises Forbidden for a wrong code, NotFound where nothing was begun, Conflict,
        TooManyRequests."""
        name = str(viewer.id)
        await self._throttle.admit(name, caller.address)
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id, for_update=True)
            totp = await tx.totp.find(viewer.id)
            if totp is None:
                raise NotFound("begin with setting up an authenticator app")
            codes = await first_recovery_codes(tx, user, self._secrets, caller, at=now)
            totp.confirm(at=now)
            is_right = await use_totp(tx, self._box, totp, code, at=now)
            if is_right:
                await tx.trail.record(security_event(SecurityEventKind.TOTP_ENABLED, user, viewer, caller, at=now))
                await tx.commit()
        if not is_right:
            await self._throttle.failed(name, caller.address)
            raise Forbidden("that code is not right; check the clock of the device")
        return RecoveryCodes(recovery_codes=codes)

    async def disable_totp(self, viewer: Viewer, caller: Caller, *, password: str | None, code: str | None) -> None:
        """Raises Forbidden without a fresh proof, NotFound, TooManyRequests."""
        await self.check_proof(viewer, caller, password=password, code=code, counter=str(viewer.id))
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id, for_update=True)
            totp = await tx.totp.find(viewer.id)
            if totp is None or not totp.is_confirmed:
                raise NotFound("no authenticator app is set up")
            await tx.totp.delete(viewer.id)
            await drop_useless_codes(tx, viewer.id, at=now)
            await tx.trail.record(security_event(SecurityEventKind.TOTP_DISABLED, user, viewer, caller, at=now))
            await tx.commit()

    async def remake_recovery_codes(
        self, viewer: Viewer, caller: Caller, *, password: str | None, code: str | None
    ) -> RecoveryCodes:
        """New ones; the old ones are void. Raises Forbidden without a fresh proof, Conflict without second factors,
        TooManyRequests."""
        await self.check_proof(viewer, caller, password=password, code=code, counter=str(viewer.id))
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id, for_update=True)
            if not await methods_of(tx, viewer.id):
                raise Conflict("recovery codes belong to second factors; set one up first")
            codes = await _make_codes(tx, user, self._secrets, caller, at=self._clock.now())
            await tx.commit()
        return RecoveryCodes(recovery_codes=codes)

    async def reset_of(self, viewer: Viewer, user_id: UserId, caller: Caller) -> None:
        """Take away somebody's second factors, passkeys included, and end their sessions. Raises NotFound."""
        viewer.require(Role.ADMIN)
        async with self._uow() as tx:
            await self._reset(tx, await tx.users.get(user_id, for_update=True), viewer, caller)
            await tx.commit()

    async def reset_by_operator(self, username: str) -> None:
        """As `reset_of`; for the command line. Raises NotFound."""
        async with self._uow() as tx:
            user = await tx.users.find_by_username(username)
            if user is None:
                raise NotFound("there is no such user")
            await self._reset(tx, user, None, COMMAND_LINE)
            await tx.commit()

    async def _reset(self, tx: IdentityTx, user: User, viewer: Viewer | None, caller: Caller) -> None:
        assert user.id is not None
        now = self._clock.now()
        await tx.totp.delete(user.id)
        for passkey in await tx.passkeys.list_of(user.id):
            await tx.passkeys.delete(passkey)
        await tx.recovery_codes.replace(user.id, [], at=now)
        await end_sessions(tx, user.id, at=now)
        await tx.trail.record(security_event(SecurityEventKind.SECOND_FACTORS_RESET, user, viewer, caller, at=now))

    async def check_proof(
        self, viewer: Viewer, caller: Caller, *, password: str | None, code: str | None, counter: str
    ) -> None:
        """A session alone may be a stolen one: the password, or a code that has not been used. Wrong ones are counted
        under `counter`. Raises Forbidden, BadRequest for neither or both, TooManyRequests."""
        if (password is None) is (code is None):
            raise BadRequest("send either the password or a code")
        await self._throttle.admit(counter, caller.address)
        now = self._clock.now()
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id)
            if code is not None:
                is_right = await use_code(tx, self._box, user, code, caller, at=now)
                await tx.commit()
        if password is not None:
            is_right = await self._passwords.verify(user.password_hash, password)
        if not is_right:
            await self._throttle.failed(counter, caller.address)
            raise Forbidden("that is not right")
        await self._throttle.succeeded(counter, caller.address)


async def methods_of(tx: IdentityTx, user_id: UserId) -> list[SecondFactor]:
    """What the second step of signing in may be done with; empty where there is none."""
    totp = await tx.totp.find(user_id)
    methods = [SecondFactor.TOTP] if totp is not None and totp.is_confirmed else []
    if await tx.passkeys.list_of(user_id):
        methods.append(SecondFactor.PASSKEY)
    if methods and await tx.recovery_codes.count_left(user_id):
        methods.append(SecondFactor.RECOVERY_CODE)
    return methods


async def use_totp(tx: IdentityTx, box: SecretBox, totp: Totp, code: str, *, at: datetime) -> bool:
    """Whether this is the code of now, of the step before or the step after, and was not used; it is from now on."""
    app = pyotp.TOTP(box.open(totp.sealed_secret, purpose=_purpose(totp.user_id)).decode())
    digits = "".join(code.split())
    now = int(at.timestamp()) // _STEP_S
    for step in (now - 1, now, now + 1):
        if compare_digest(app.generate_otp(step).encode(), digits.encode()) and totp.use(step):
            await tx.totp.save(totp)
            return True
    return False


async def use_recovery_code(tx: IdentityTx, user: User, code: str, caller: Caller, *, at: datetime) -> bool:
    """Whether this is one of the codes left; it is not from now on."""
    assert user.id is not None
    is_right = await tx.recovery_codes.use(user.id, secret_hash(typed(code)), at=at)
    if is_right:
        await tx.trail.record(security_event(SecurityEventKind.RECOVERY_CODE_USED, user, None, caller, at=at))
    return is_right


async def use_code(tx: IdentityTx, box: SecretBox, user: User, code: str, caller: Caller, *, at: datetime) -> bool:
    """As `use_totp` or `use_recovery_code`, whichever it is."""
    assert user.id is not None
    totp = await tx.totp.find(user.id)
    if totp is not None and totp.is_confirmed and await use_totp(tx, box, totp, code, at=at):
        return True
    return await use_recovery_code(tx, user, code, caller, at=at)


async def first_recovery_codes(
    tx: IdentityTx, user: User, secrets: SecretSource, caller: Caller, *, at: datetime
) -> list[str] | None:
    """Ask before a factor is saved: its first one comes with recovery codes."""
    assert user.id is not None
    return None if await methods_of(tx, user.id) else await _make_codes(tx, user, secrets, caller, at=at)


async def drop_useless_codes(tx: IdentityTx, user_id: UserId, *, at: datetime) -> None:
    """Recovery codes go with the last factor they stand in for."""
    if not await methods_of(tx, user_id):
        await tx.recovery_codes.replace(user_id, [], at=at)


async def _make_codes(tx: IdentityTx, user: User, secrets: SecretSource, caller: Caller, *, at: datetime) -> list[str]:
    assert user.id is not None
    codes = [secrets.code(RECOVERY_LENGTH, ALPHABET) for _ in range(RECOVERY_CODES)]
    await tx.recovery_codes.replace(user.id, [secret_hash(code) for code in codes], at=at)
    await tx.trail.record(security_event(SecurityEventKind.RECOVERY_CODES_MADE, user, None, caller, at=at))
    return [grouped(code) for code in codes]


def _purpose(user_id: UserId) -> str:
    return f"totp of {user_id}"
