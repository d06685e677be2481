"""Reads of accounts, sessions and the audit trail."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, asc, desc, func, or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.identity import user
from odeion.adapters.postgres.tables.identity import login_sessions, security_events, users
from odeion.application.identity.login_sessions import LoginSessionView
from odeion.application.identity.trail import SecurityEventFilter, SecurityEventView
from odeion.application.identity.users import UserFilter, UserSort, UserSummary
from odeion.application.shared.clock import Clock
from odeion.application.shared.page import Page, PageRequest, SortOrder
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.security_events import SecurityEventKind
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import UserId


class PostgresLoginSessionQueries:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def list_own(self, viewer: Viewer, page: PageRequest) -> Page[LoginSessionView]:
        own = select(login_sessions).where(
            login_sessions.c.user_id == viewer.id,
            login_sessions.c.revoked_at.is_(None),
            login_sessions.c.expires_at > self._clock.now(),
        )
        ordered = own.order_by(
            (login_sessions.c.id == viewer.session_id).desc(),
            login_sessions.c.last_used_at.desc(),
            login_sessions.c.id.desc(),
        )
        async with reading(self._engine) as connection:
            total = (await connection.execute(select(func.count()).select_from(own.subquery()))).scalar_one()
            rows = (await connection.execute(ordered.limit(page.per_page).offset(page.offset))).all()
        return Page.of([_session_view(LoginSession(**row._mapping), viewer) for row in rows], page, total)


class PostgresUserQueries:
    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def list_users(self, viewer: Viewer, where: UserFilter, page: PageRequest) -> Page[UserSummary]:
        viewer.require(Role.ADMIN)
        query = self._summaries()
        if where.search:
            query = query.where(
                or_(
                    users.c.username.icontains(where.search, autoescape=True),
                    users.c.display_name.icontains(where.search, autoescape=True),
                )
            )
        if where.role is not None:
            query = query.where(users.c.role == where.role.value)
        if where.locked is not None:
            query = query.where(users.c.is_locked.is_(where.locked))
        direction = asc if where.order is SortOrder.ASC else desc
        key: Any = {
            UserSort.USERNAME: func.lower(users.c.username),
            UserSort.CREATED: users.c.created_at,
            UserSort.LAST_SEEN: query.selected_columns.last_seen_at,
        }[where.sort]
        ordered = query.order_by(direction(key).nulls_last(), direction(users.c.id))
        async with reading(self._engine) as connection:
            total = (await connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
            rows = (await connection.execute(ordered.limit(page.per_page).offset(page.offset))).all()
        return Page.of([_summary(row) for row in rows], page, total)

    async def get_user(self, viewer: Viewer, user_id: UserId) -> UserSummary:
        viewer.require(Role.ADMIN)
        async with reading(self._engine) as connection:
            row = (await connection.execute(self._summaries().where(users.c.id == user_id))).one_or_none()
        if row is None:
            raise NotFound("user not found")
        return _summary(row)

    def _summaries(self) -> Select[Any]:
        own = login_sessions.c.user_id == users.c.id
        active = select(func.count()).where(
            own, login_sessions.c.revoked_at.is_(None), login_sessions.c.expires_at > self._clock.now()
        )
        last_seen = select(func.max(login_sessions.c.last_used_at)).where(own)
        return select(
            users,
            active.scalar_subquery().label("active_sessions"),
            last_seen.scalar_subquery().label("last_seen_at"),
        )


class PostgresSecurityTrailQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_events(
        self, viewer: Viewer, where: SecurityEventFilter, page: PageRequest
    ) -> Page[SecurityEventView]:
        viewer.require(Role.ADMIN)
        actors = users.alias("actors")
        events = security_events.c
        query = select(security_events, actors.c.username.label("actor_username")).outerjoin(
            actors, actors.c.id == events.actor_id
        )
        if where.username is not None:
            query = query.where(func.lower(events.username) == func.lower(where.username))
        for column, wanted in (
            (events.kind, where.kind),
            (events.user_id, where.user_id),
            (events.actor_id, where.actor_id),
            (events.address, where.address),
        ):
            if wanted is not None:
                query = query.where(column == wanted)
        if where.since is not None:
            query = query.where(events.at >= where.since)
        if where.until is not None:
            query = query.where(events.at < where.until)
        ordered = query.order_by(events.at.desc(), events.id.desc()).limit(page.per_page).offset(page.offset)
        async with reading(self._engine) as connection:
            total = (await connection.execute(select(func.count()).select_from(query.subquery()))).scalar_one()
            rows = (await connection.execute(ordered)).all()
        return Page.of(
            [SecurityEventView(**{**row._mapping, "kind": SecurityEventKind(row.kind)}) for row in rows], page, total
        )


def _session_view(session: LoginSession, viewer: Viewer) -> LoginSessionView:
    assert session.id is not None
    return LoginSessionView(
        id=session.id,
        device=session.device,
        address=session.address,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        is_current=session.id == viewer.session_id,
    )


def _summary(row: Row[Any]) -> UserSummary:
    account = user(row)
    assert account.id is not None
    return UserSummary(
        id=account.id,
        username=account.username,
        display_name=account.display_name,
        role=account.role.value,
        permissions=account.permissions,
        has_password=account.password_hash is not None,
        created_at=account.created_at,
        locked=account.is_locked,
        active_sessions=row.active_sessions,
        last_seen_at=row.last_seen_at,
    )
