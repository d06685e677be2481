"""The audit trail: what happened to accounts and keys, and who did it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from odeion.domain.shared.ids import UserId


class SecurityEventKind(StrEnum):
    FIRST_RUN_COMPLETED = "first_run_completed"
    LOGIN_SUCCEEDED = "login_succeeded"
    LOGIN_FAILED = "login_failed"
    LOGIN_THROTTLED = "login_throttled"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    REFRESH_REUSED = "refresh_reused"
    SIGNED_OUT = "signed_out"
    SESSIONS_REVOKED = "sessions_revoked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET_LINK_MADE = "password_reset_link_made"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    USER_CREATED = "user_created"
    USER_RENAMED = "user_renamed"
    USER_DELETED = "user_deleted"
    USER_LOCKED = "user_locked"
    USER_UNLOCKED = "user_unlocked"
    ROLE_CHANGED = "role_changed"
    PERMISSIONS_CHANGED = "permissions_changed"
    INVITE_CREATED = "invite_created"
    INVITE_DELETED = "invite_deleted"
    INVITE_REDEEMED = "invite_redeemed"
    DEVICE_CODE_CREATED = "device_code_created"
    DEVICE_PAIRED = "device_paired"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"
    OAUTH_SETTINGS_CHANGED = "oauth_settings_changed"
    OAUTH_LINKED = "oauth_linked"
    OAUTH_UNLINKED = "oauth_unlinked"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    TOTP_ENABLED = "totp_enabled"
    TOTP_DISABLED = "totp_disabled"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    RECOVERY_CODE_USED = "recovery_code_used"
    SECOND_FACTORS_RESET = "second_factors_reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """`user_id` is whom it is about, `actor_id` who did it (None: nobody signed in, or the command line). `username` is
    kept as it was then, as accounts go away. `details` are plain JSON, never secrets."""

    at: datetime
    kind: SecurityEventKind
    user_id: UserId | None = None
    username: str | None = None
    actor_id: UserId | None = None
    address: str | None = None
    user_agent: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
