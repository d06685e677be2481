"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass

from odeion.domain.identity import Role
from odeion.domain.shared.errors import Forbidden
from odeion.domain.shared.ids import LoginSessionId, UserId


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person. First parameter of every use case."""

    id: UserId
    role: Role
    session_id: LoginSessionId

    def require(self, role: Role) -> None:
        """Raises Forbidden unless the viewer's role is `role` or above."""
        if not self.role.includes(role):
            raise Forbidden(f"this needs the {role} role")


# Whoever can run commands on the server's own data directory may do everything.
OPERATOR = Viewer(UserId(0), Role.ADMIN, LoginSessionId(0))
