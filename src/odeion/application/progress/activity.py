"""What somebody else watches, for administrators."""

from __future__ import annotations

from dataclasses import dataclass

from odeion.application.progress.ports import ProgressEntry, ProgressQueries
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.shared.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class UserActivity:
    """`history` is everything watched, latest first; `in_progress` what the person would go on with."""

    in_progress: list[ProgressEntry]
    history: Page[ProgressEntry]


class Activity:
    def __init__(self, queries: ProgressQueries) -> None:
        self._queries = queries

    async def of_user(self, viewer: Viewer, user_id: UserId, page: PageRequest) -> UserActivity:
        """Empty for a person who is not known."""
        viewer.require(Role.ADMIN)
        # With an administrator's eyes: what somebody watched before a limit was set belongs to it.
        person = Viewer(user_id, Role.ADMIN)
        return UserActivity(
            in_progress=(await self._queries.list_resume(person)).items,
            history=await self._queries.list_history(person, page),
        )
