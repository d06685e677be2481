"""One's own account."""

from __future__ import annotations

from odeion.application.identity.ports import IdentityTx
from odeion.application.identity.views import UserView, user_view
from odeion.application.shared.unit_of_work import UnitOfWorkFactory
from odeion.application.shared.viewer import Viewer


class OwnAccount:
    def __init__(self, uow: UnitOfWorkFactory[IdentityTx]) -> None:
        self._uow = uow

    async def get(self, viewer: Viewer) -> UserView:
        async with self._uow() as tx:
            return user_view(await tx.users.get(viewer.id))

    async def change(self, viewer: Viewer, *, display_name: str) -> UserView:
        async with self._uow() as tx:
            user = await tx.users.get(viewer.id, for_update=True)
            user.display_name = display_name
            await tx.users.save(user)
            await tx.commit()
        return user_view(user)
