"""Signing in, signing up and linking through sign-in providers."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import Any, Literal
from urllib.parse import urlencode

from odeion.application.identity.caller import Caller
from odeion.application.identity.invites import redeem_invite
from odeion.application.identity.login_sessions import require_proof
from odeion.application.identity.oauth_ports import (
    AuthorizationRequest,
    IdentityProviders,
    ProviderFailed,
)
from odeion.application.identity.oauth_settings import callback_path, enabled_providers, get_enabled, open_secret
from odeion.application.identity.passkeys import ways_in
from odeion.application.identity.ports import IdentityTx, LoginThrottle, ViewerQueries
from odeion.application.identity.sign_in import Admission, SecondFactorRequired, SignedIn
from odeion.application.identity.trail import security_event
from odeion.application.shared.clock import Clock
from odeion.application.shared.links import Links
from odeion.application.shared.secrets import SecretBox, SecretSource, secret_hash
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.oauth import FlowError, OAuthIdentity, ProviderIdentity, ProviderKind, require_return_path
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import User
from odeion.domain.shared.errors import Conflict, Forbidden, NotFound, Unauthorized, Unavailable
from odeion.domain.shared.ids import LoginSessionId

_APP_PATH = "/oauth"
_SEALED_FOR = "invite of an OAuth flow"
# What providers send when a person turned back; everything else is a failure of theirs.
_CANCELLED = frozenset({"access_denied", "user_cancelled_authorize", "user_cancelled_login"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthStart:
    """`authorize_url` is where to send the browser that asked, and no other: the answer set a cookie in it."""

    authorize_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignupRequired:
    """The identity is new here. `signup_token` is for `POST /api/auth/oauth/register`, until `expires_at`.
    `invite_code` is what the flow was begun with."""

    kind: Literal["signup_required"] = "signup_required"
    signup_token: str
    expires_at: datetime
    provider: str
    provider_name: str
    suggested_username: str
    email: str | None
    invite_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedIdentity:
    """`email` and `display_name` are as the provider told them when it was used last. `enabled`: whether the provider
    can be used now."""

    provider: str
    provider_name: str
    enabled: bool
    email: str | None
    display_name: str | None
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedIdentities:
    items: list[LinkedIdentity]


Exchanged = SignedIn | SecondFactorRequired | SignupRequired


class OAuth:
    """`browser` is the secret in the cookie of the browser that a flow was begun in."""

    def __init__(
        self,
        uow: UnitOfWorkFactory[IdentityTx],
        viewers: ViewerQueries,
        providers: IdentityProviders,
        admission: Admission,
        throttle: LoginThrottle,
        secrets: SecretSource,
        box: SecretBox,
        links: Links,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._viewers = viewers
        self._providers = providers
        self._admission = admission
        self._throttle = throttle
        self._secrets = secrets
        self._box = box
        self._links = links
        self._clock = clock

    @property
    def is_secure(self) -> bool:
        """Whether people reach the server over TLS."""
        return (self._links.base_url or "").startswith("https://")

    async def start(self, key: str, *, return_path: str, invite_code: str | None) -> tuple[OAuthStart, str]:
        """Where to go, and the secret for the browser's cookie. Raises NotFound, BadRequest for a return path that is
        none of ours, Unavailable for a provider that cannot be reached."""
        sealed = None
        if invite_code is not None:
            sealed = base64.b64encode(self._box.seal(invite_code.encode(), purpose=_SEALED_FOR)).decode()
        return await self._begin(key, return_path, None, {"invite": sealed})

    async def start_link(self, viewer: Viewer, key: str, *, return_path: str) -> tuple[OAuthStart, str]:
        """As `start`; what comes back is linked to the viewer's account, if they are still signed in then. Raises
        ProofRequired."""
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=self._clock.now())
        return await self._begin(key, return_path, viewer, {"session": viewer.session_id})

    async def _begin(
        self, key: str, return_path: str, viewer: Viewer | None, payload: dict[str, Any]
    ) -> tuple[OAuthStart, str]:
        now = self._clock.now()
        request = AuthorizationRequest(
            redirect_uri=self._links.to(callback_path(key)),
            state=self._secrets.token(),
            nonce=self._secrets.token(),
            code_verifier=self._secrets.token(),
        )
        browser = self._secrets.token()
        ticket = Ticket.issue(
            TicketKind.OAUTH_STATE,
            secret_hash(request.state),
            at=now,
            user_id=viewer.id if viewer else None,
            payload={
                **payload,
                "provider": key,
                "return_path": require_return_path(return_path),
                "browser": secret_hash(browser).hex(),
                "nonce": request.nonce,
                "code_verifier": request.code_verifier,
            },
        )
        async with self._uow() as tx:
            provider = await get_enabled(tx, key)
        if not provider.has_web_flow:
            raise NotFound("this provider is for native apps only")
        try:
            url = await self._providers.authorization_url(provider, request)
        except ProviderFailed as failed:
            raise Unavailable(f"{provider.display_name} cannot be used now: {failed}") from None
        async with self._uow() as tx:
            await tx.tickets.put(ticket)
            await tx.commit()
        return OAuthStart(authorize_url=url), browser

    async def finish(
        self,
        key: str,
        *,
        state: str,
        code: str | None,
        error: str | None,
        issuer: str | None,
        browser: str,
        caller: Caller,
    ) -> str:
        """What a provider's answer leads to: the path of ours to send the browser to. Never raises for what the answer
        says: a person is looking at it."""
        now = self._clock.now()
        async with self._uow() as tx:
            ticket = await tx.tickets.take(TicketKind.OAUTH_STATE, secret_hash(state), at=now)
            # Used up, whatever comes of it.
            await tx.commit()
        if ticket is None or ticket.payload["provider"] != key or not _is_browser(ticket, browser):
            return await self._refused(FlowError.EXPIRED, key, "/", caller, reason="state")
        return_path = ticket.payload["return_path"]
        if code is None:
            outcome = FlowError.CANCELLED if error in _CANCELLED else FlowError.PROVIDER_FAILED
            return await self._refused(outcome, key, return_path, caller, reason="no code")
        request = AuthorizationRequest(
            redirect_uri=self._links.to(callback_path(key)),
            state=state,
            nonce=ticket.payload["nonce"],
            code_verifier=ticket.payload["code_verifier"],
        )
        try:
            async with self._uow() as tx:
                provider = await get_enabled(tx, key)
            secret = open_secret(self._box, provider)
            identity = await self._providers.identify(provider, secret, request, code=code, issuer=issuer, at=now)
        except (ProviderFailed, NotFound, Unavailable) as failed:
            return await self._refused(FlowError.PROVIDER_FAILED, key, return_path, caller, reason=str(failed))
        if ticket.user_id is not None:
            session_id = LoginSessionId(ticket.payload["session"])
            viewer = await self._viewers.find_viewer(ticket.user_id, session_id, at=now)
            refusal = await self._link(viewer, identity, caller) if viewer else FlowError.SIGNED_OUT
            if refusal is not None:
                return await self._refused(refusal, key, return_path, caller, reason="link")
            return _app({"linked": key}, return_path)
        exchange = self._secrets.token()
        async with self._uow() as tx:
            await tx.tickets.put(
                Ticket.issue(
                    TicketKind.OAUTH_EXCHANGE,
                    secret_hash(exchange),
                    at=now,
                    payload={
                        "identity": identity.as_json(),
                        "browser": ticket.payload["browser"],
                        "invite": ticket.payload["invite"],
                    },
                )
            )
            await tx.commit()
        return _app({"code": exchange}, return_path)

    async def exchange(self, code: str, *, browser: str, caller: Caller) -> Exchanged:
        """Raises Unauthorized for a code that is unknown, spent, too old or another browser's; Forbidden for a locked
        account."""
        now = self._clock.now()
        async with self._uow() as tx:
            ticket = await tx.tickets.take(TicketKind.OAUTH_EXCHANGE, secret_hash(code), at=now)
            await tx.commit()
        if ticket is None or not _is_browser(ticket, browser):
            raise Unauthorized("that took too long; sign in again")
        identity = ProviderIdentity.from_json(ticket.payload["identity"])
        return await self._admit(identity, ticket.payload["invite"], caller)

    async def sign_in_native(self, token: str, *, nonce: str, caller: Caller) -> Exchanged:
        """With an identity token of Apple's sign-in sheet. Raises Unauthorized, NotFound where Apple is not set up;
        Forbidden for a locked account."""
        return await self._admit(await self._native_identity(token, nonce, caller), None, caller)

    async def link_native(self, viewer: Viewer, token: str, *, nonce: str, caller: Caller) -> None:
        """Raises as `sign_in_native`, and ProofRequired; Conflict for an identity that is linked elsewhere, or a second
        one."""
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=self._clock.now())
        refusal = await self._link(viewer, await self._native_identity(token, nonce, caller), caller)
        if refusal is FlowError.LINKED_ELSEWHERE:
            raise Conflict("this identity is linked to another account")
        if refusal is not None:
            raise Conflict("another identity of this provider is linked already; unlink it first")

    async def register(self, token: str, *, invite_code: str, username: str, caller: Caller) -> SignedIn:
        """Make an account for the identity of a flow, with an invite. Raises Unauthorized for a token that is unknown,
        spent or too old; Forbidden for an invite that is not good; Conflict for a taken name; Invalid,
        TooManyRequests. Whatever is refused uses up nothing."""
        name = f"register {caller.address}"
        await self._throttle.admit(name, caller.address)
        now = self._clock.now()
        try:
            async with self._uow() as tx:
                ticket = await tx.tickets.take(TicketKind.OAUTH_SIGNUP, secret_hash(token), at=now)
                if ticket is None:
                    raise Unauthorized("that took too long; sign in with the provider again")
                identity = ProviderIdentity.from_json(ticket.payload)
                invite = await redeem_invite(tx, invite_code, at=now)
                user = User.create(username=username, password_hash=None, role=invite.role, at=now)
                signed_in = await self._admission.sign_in(tx, user, caller, way=f"oauth {identity.provider}", at=now)
                assert user.id is not None
                linked = OAuthIdentity.link(user.id, identity, at=now).used(identity, at=now)
                await tx.oauth_identities.save(linked)
                for kind in (
                    SecurityEventKind.USER_CREATED,
                    SecurityEventKind.INVITE_REDEEMED,
                    SecurityEventKind.OAUTH_LINKED,
                ):
                    await tx.trail.record(
                        security_event(
                            kind,
                            user,
                            None,
                            caller,
                            at=now,
                            provider=identity.provider,
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

    async def list_own(self, viewer: Viewer) -> LinkedIdentities:
        """Oldest first."""
        async with self._uow() as tx:
            names = {provider.key: provider.display_name for provider in await enabled_providers(tx)}
            identities = await tx.oauth_identities.list_of(viewer.id)
        return LinkedIdentities(
            items=[
                LinkedIdentity(
                    provider=identity.provider,
                    provider_name=names.get(identity.provider, identity.provider),
                    enabled=identity.provider in names,
                    email=identity.email,
                    display_name=identity.display_name,
                    created_at=identity.created_at,
                    last_used_at=identity.last_used_at,
                )
                for identity in identities
            ]
        )

    async def unlink(self, viewer: Viewer, key: str, caller: Caller) -> None:
        """Raises ProofRequired, NotFound, Conflict for the only way in."""
        async with self._uow() as tx:
            await require_proof(tx, viewer, at=self._clock.now())
            user = await tx.users.get(viewer.id, for_update=True)
            identities = await tx.oauth_identities.list_of(viewer.id)
            identity = next((identity for identity in identities if identity.provider == key), None)
            if identity is None:
                raise NotFound("no identity of this provider is linked")
            if key in {provider.key for provider in await enabled_providers(tx)}:
                (await ways_in(tx, user)).require_another()
            await tx.oauth_identities.delete(identity)
            await tx.trail.record(
                security_event(
                    SecurityEventKind.OAUTH_UNLINKED, user, viewer, caller, at=self._clock.now(), provider=key
                )
            )
            await tx.commit()

    async def _native_identity(self, token: str, nonce: str, caller: Caller) -> ProviderIdentity:
        now = self._clock.now()
        async with self._uow() as tx:
            provider = await get_enabled(tx, ProviderKind.APPLE)
        if not provider.native_client_ids:
            raise NotFound("Apple is not set up for native apps")
        try:
            identity = await self._providers.identify_native(provider, token, nonce=nonce, at=now)
            async with self._uow() as tx:
                await tx.tickets.put(Ticket.issue(TicketKind.OAUTH_NATIVE_NONCE, secret_hash(nonce), at=now))
                await tx.commit()
        except (ProviderFailed, Conflict) as failed:
            await self._refused(FlowError.PROVIDER_FAILED, ProviderKind.APPLE, "/", caller, reason=str(failed))
            raise Unauthorized("this identity token is not valid, or not any more") from None
        return identity

    async def _admit(self, identity: ProviderIdentity, sealed_invite: str | None, caller: Caller) -> Exchanged:
        """Sign in whoever this identity is linked to. Never by e-mail address: who has it at the provider need not be
        who has it here."""
        now = self._clock.now()
        async with self._uow() as tx:
            linked = await tx.oauth_identities.find(identity.issuer, identity.subject)
            answer: Exchanged
            if linked is not None:
                user = await tx.users.get(linked.user_id)
                await tx.oauth_identities.save(linked.used(identity, at=now))
                way = f"oauth {identity.provider}"
                answer = await self._admission.after_first_step(tx, user, caller, way=way, at=now)
            else:
                provider = await get_enabled(tx, identity.provider)
                token = self._secrets.token()
                ticket = Ticket.issue(TicketKind.OAUTH_SIGNUP, secret_hash(token), at=now, payload=identity.as_json())
                await tx.tickets.put(ticket)
                answer = SignupRequired(
                    signup_token=token,
                    expires_at=ticket.expires_at,
                    provider=provider.key,
                    provider_name=provider.display_name,
                    suggested_username=identity.suggested_username,
                    email=identity.email,
                    invite_code=self._open_invite(sealed_invite),
                )
            await tx.commit()
        return answer

    def _open_invite(self, sealed: str | None) -> str | None:
        return self._box.open(base64.b64decode(sealed), purpose=_SEALED_FOR).decode() if sealed else None

    async def _link(self, viewer: Viewer, identity: ProviderIdentity, caller: Caller) -> FlowError | None:
        """Link an identity to the viewer's account; what stands in the way is answered. Linking it twice is no
        fault."""
        now = self._clock.now()
        try:
            async with self._uow() as tx:
                user = await tx.users.get(viewer.id, for_update=True)
                linked = await tx.oauth_identities.find(identity.issuer, identity.subject)
                if linked is not None:
                    return None if linked.user_id == viewer.id else FlowError.LINKED_ELSEWHERE
                own = await tx.oauth_identities.list_of(viewer.id)
                if any(other.provider == identity.provider for other in own):
                    return FlowError.ANOTHER_LINKED
                await tx.oauth_identities.save(OAuthIdentity.link(viewer.id, identity, at=now))
                await tx.trail.record(
                    security_event(
                        SecurityEventKind.OAUTH_LINKED, user, viewer, caller, at=now, provider=identity.provider
                    )
                )
                await tx.commit()
        except Conflict:
            # Somebody else linked it at this moment.
            return FlowError.LINKED_ELSEWHERE
        return None

    async def _refused(self, outcome: FlowError, key: str, return_path: str, caller: Caller, *, reason: str) -> str:
        """Note in the trail why a flow failed; people are told less."""
        async with self._uow() as tx:
            await tx.trail.record(
                security_event(
                    SecurityEventKind.LOGIN_FAILED,
                    None,
                    None,
                    caller,
                    at=self._clock.now(),
                    way=f"oauth {key}",
                    outcome=outcome.value,
                    reason=reason,
                )
            )
            await tx.commit()
        return _app({"error": outcome.value}, return_path)


def _is_browser(ticket: Ticket, browser: str) -> bool:
    return compare_digest(ticket.payload["browser"], secret_hash(browser).hex())


def _app(outcome: dict[str, str], return_path: str) -> str:
    return f"{_APP_PATH}?{urlencode({**outcome, 'return': return_path})}"
