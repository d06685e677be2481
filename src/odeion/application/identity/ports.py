"""What signing in needs from the world outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from odeion.application.identity.oauth_ports import OAuthIdentityRepository
from odeion.application.identity.second_factor_ports import (
    PasskeyRepository,
    RecoveryCodeRepository,
    TotpRepository,
)
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.settings import SettingRepository
from odeion.application.shared.unit_of_work import Transaction
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import ApiKey
from odeion.domain.identity.invites import Invite
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.security_events import SecurityEvent
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import User
from odeion.domain.library import Library
from odeion.domain.shared.events import Event
from odeion.domain.shared.ids import ApiKeyId, InviteId, LoginSessionId, UserId


class UserRepository(Protocol):
    async def get(self, user_id: UserId, *, for_update: bool = False) -> User:
        """`for_update` holds the account against others until the transaction ends. Raises NotFound."""

    async def find_by_username(self, username: str) -> User | None:
        """Ignoring case."""

    async def any_exists(self) -> bool: ...

    async def lock_first_run(self) -> None:
        """Let only one transaction at a time make the first account."""

    async def hold_administrators(self) -> set[UserId]:
        """The administrators who are not locked, held against others until the transaction ends."""

    async def save(self, user: User) -> UserId:
        """Insert or update. Raises Conflict for a taken name, StaleVersion."""

    async def delete(self, user: User) -> None:
        """With everything of theirs; the audit trail stays."""


class LoginSessionRepository(Protocol):
    async def get(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> LoginSession:
        """A session of this user that is not over. Raises NotFound."""

    async def find_by_refresh_hash(self, refresh_hash: bytes) -> LoginSession | None:
        """By the current or the spent refresh token."""

    async def save(self, session: LoginSession) -> LoginSessionId:
        """Insert or update. Raises StaleVersion."""

    async def revoke_all(self, user_id: UserId, *, at: datetime, keep: LoginSessionId | None = None) -> None:
        """End all of a user's sessions but `keep`."""

    async def drop_over(self, *, before: datetime) -> None:
        """Forget the sessions that were over before this."""


class TicketRepository(Protocol):
    async def put(self, ticket: Ticket) -> None:
        """Raises Conflict where the same secret is in use for this kind."""

    async def find(self, kind: TicketKind, secret_hash: bytes, *, at: datetime) -> Ticket | None:
        """One that is not expired, held against others until the transaction ends."""

    async def take(self, kind: TicketKind, secret_hash: bytes, *, at: datetime) -> Ticket | None:
        """As `find`, and gone for good if the transaction commits: of many who come at once only one has it."""

    async def note(self, ticket: Ticket) -> None:
        """Keep the payload of one that was found."""

    async def drop(self, kind: TicketKind, user_id: UserId) -> None:
        """Void all of a user's tickets of this kind."""

    async def drop_all(self, user_id: UserId) -> None:
        """Void all of a user's tickets."""

    async def drop_expired(self, *, at: datetime) -> None: ...


class ApiKeyRepository(Protocol):
    async def get(self, user_id: UserId, key_id: ApiKeyId) -> ApiKey:
        """A key of this user. Raises NotFound."""

    async def list_of(self, user_id: UserId) -> list[ApiKey]:
        """Newest first."""

    async def save(self, key: ApiKey) -> ApiKeyId:
        """Insert or update. Raises StaleVersion."""

    async def delete(self, key: ApiKey) -> None: ...


class InviteRepository(Protocol):
    async def get(self, user_id: UserId, invite_id: InviteId) -> Invite:
        """An invite that this user made. Raises NotFound."""

    async def list_of(self, user_id: UserId, page: PageRequest) -> Page[Invite]:
        """Newest first."""

    async def save(self, invite: Invite) -> InviteId:
        """Insert or update. Raises StaleVersion."""

    async def redeem(self, code_hash: bytes, *, at: datetime) -> Invite | None:
        """Count a use of the invite if it is open; None where there is no such invite or it is not open. Of many who
        come at once no more get it than it has uses."""

    async def delete(self, invite: Invite) -> None: ...


class KnownLibraries(Protocol):
    async def list_all(self) -> list[Library]: ...


class SecurityTrail(Protocol):
    async def record(self, event: SecurityEvent) -> None: ...


class IdentityTx(Transaction, Protocol):
    @property
    def users(self) -> UserRepository: ...

    @property
    def tickets(self) -> TicketRepository: ...

    @property
    def api_keys(self) -> ApiKeyRepository: ...

    @property
    def oauth_identities(self) -> OAuthIdentityRepository: ...

    @property
    def totp(self) -> TotpRepository: ...

    @property
    def recovery_codes(self) -> RecoveryCodeRepository: ...

    @property
    def passkeys(self) -> PasskeyRepository: ...

    @property
    def invites(self) -> InviteRepository: ...

    @property
    def libraries(self) -> KnownLibraries: ...

    @property
    def trail(self) -> SecurityTrail: ...

    @property
    def login_sessions(self) -> LoginSessionRepository: ...

    def collect(self, events: list[Event]) -> None:
        """Events of what is not saved itself; told with the commit."""

    @property
    def settings(self) -> SettingRepository: ...


class ViewerQueries(Protocol):
    async def find_viewer(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> Viewer | None:
        """The viewer behind a session that is neither revoked nor expired, of a user who is not locked."""

    async def find_by_api_key(self, key_hash: bytes) -> Viewer | None:
        """The viewer behind a key, of a user who is not locked and may use keys."""

    async def find_by_api_key_id(self, key_id: ApiKeyId) -> Viewer | None:
        """As `find_by_api_key`."""

    async def api_key_used(self, key_id: ApiKeyId, address: str, *, at: datetime) -> None:
        """Note when and from where a key was used last; at most once a minute from one address."""


class PasswordHasher(Protocol):
    """Slow on purpose; runs beside the event loop with bounded concurrency."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Does the same work for None (a user who does not exist, or has no password) and answers False."""

    def needs_rehash(self, password_hash: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class SessionClaims:
    user_id: UserId
    session_id: LoginSessionId


class TokenCodec(Protocol):
    """Signs and reads session tokens (JWT)."""

    def issue(self, claims: SessionClaims, *, at: datetime, expires_at: datetime) -> str: ...

    def read(self, token: str, *, at: datetime) -> SessionClaims:
        """Raises Unauthorized for anything but an unexpired token of ours."""


class LoginThrottle(Protocol):
    """Slows guessing down, by account and by address; never locks for good."""

    async def admit(self, username: str, address: str) -> None:
        """Raises TooManyRequests with the seconds to wait."""

    async def failed(self, username: str, address: str) -> int:
        """Answers the seconds to wait from now on; 0 while tries are free."""

    async def succeeded(self, username: str, address: str) -> None: ...
