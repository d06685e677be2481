"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field

from odeion.domain.identity.api_keys import Scope
from odeion.domain.identity.users import Permissions, Role
from odeion.domain.shared.errors import Forbidden
from odeion.domain.shared.ids import ApiKeyId, LoginSessionId, UserId


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person asking. First parameter of every use case. They come by a signed-in device (`session_id`), or by an
    API key (`api_key_id`) and then only within its `scopes`."""

    id: UserId
    role: Role
    session_id: LoginSessionId | None = None
    permissions: Permissions = field(default_factory=Permissions)
    api_key_id: ApiKeyId | None = None
    scopes: frozenset[Scope] = frozenset()

    def require(self, role: Role) -> None:
        """Raises Forbidden unless the viewer's role is `role` or above."""
        if not self.role.includes(role):
            raise Forbidden(f"this needs the {role} role")

    def require_scope(self, scope: Scope | None) -> None:
        """Raises Forbidden for a key outside its scopes; None is what no key may reach."""
        if self.api_key_id is None:
            return
        if scope is None:
            raise Forbidden("this cannot be done with an API key; sign in instead")
        if scope not in self.scopes:
            raise Forbidden(f"this API key has no {scope} scope")

    @property
    def limits(self) -> Permissions | None:
        """What narrows what this viewer sees; None for administrators."""
        return None if self.role is Role.ADMIN else self.permissions


# Whoever can run commands on the server's own data directory may do everything.
OPERATOR = Viewer(UserId(0), Role.ADMIN)
