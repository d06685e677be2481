"""Signed-in devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from odeion.domain.identity.devices import device_name
from odeion.domain.shared.errors import ProofRequired, Unauthorized
from odeion.domain.shared.events import RecordsEvents
from odeion.domain.shared.ids import LoginSessionId, UserId

# A session ends this long after its last refresh.
SESSION_LIFETIME = timedelta(days=30)
# A session alone may be a stolen one: what changes the ways in wants a proof no older than this.
PROOF_LIFETIME = timedelta(minutes=10)


@dataclass(kw_only=True)
class LoginSession(RecordsEvents):
    """A signed-in device. Only hashes of its refresh tokens are kept: the current one and the one before, whose
    second use tells that somebody else has a copy. `proven_at`: when its person last showed who they are, which signing
    in does."""

    id: LoginSessionId | None
    user_id: UserId
    refresh_hash: bytes
    spent_refresh_hash: bytes | None = None
    user_agent: str
    device_name: str | None = None
    address: str
    created_at: datetime
    last_used_at: datetime
    proven_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    version: int = 1

    @classmethod
    def start(
        cls,
        *,
        user_id: UserId,
        refresh_hash: bytes,
        user_agent: str,
        address: str,
        at: datetime,
        device_name: str | None = None,
    ) -> LoginSession:
        return cls(
            id=None,
            user_id=user_id,
            refresh_hash=refresh_hash,
            user_agent=user_agent[:400],
            device_name=device_name,
            address=address,
            created_at=at,
            last_used_at=at,
            proven_at=at,
            expires_at=at + SESSION_LIFETIME,
        )

    @property
    def device(self) -> str:
        """What it is called: by its owner, or by what it says of itself."""
        return self.device_name or device_name(self.user_agent)

    def prove(self, *, at: datetime) -> None:
        """Its person has just shown who they are."""
        self.proven_at = at

    def require_proof(self, *, at: datetime) -> None:
        """Ask before anything by which somebody could stay in. Raises ProofRequired when the last proof is old."""
        if at - self.proven_at > PROOF_LIFETIME:
            raise ProofRequired("show first that it is you: send your password or a code to POST /api/account/proof")

    def is_over(self, *, at: datetime) -> bool:
        return self.revoked_at is not None or at >= self.expires_at

    def rotate(self, *, presented_hash: bytes, next_hash: bytes, address: str, at: datetime) -> bool:
        """Exchange the refresh token for the next one. Answers False, and ends the session, when a spent one is
        presented. Raises Unauthorized for a session that is over."""
        if self.is_over(at=at):
            raise Unauthorized("this session has ended; sign in again")
        if not compare_digest(presented_hash, self.refresh_hash):
            self.revoke(at=at)
            return False
        self.spent_refresh_hash, self.refresh_hash = self.refresh_hash, next_hash
        self.last_used_at, self.address = at, address
        self.expires_at = at + SESSION_LIFETIME
        return True

    def revoke(self, *, at: datetime) -> None:
        """End it; its JWTs are refused from the next request on."""
        if self.revoked_at is None:
            self.revoked_at = at
