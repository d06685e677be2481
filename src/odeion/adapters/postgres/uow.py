"""The unit of work: one connection, one transaction, all repositories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres import outbox
from odeion.adapters.postgres.catalog import PostgresCatalog
from odeion.adapters.postgres.database import translated_errors
from odeion.adapters.postgres.identity import PostgresLoginSessions, PostgresSettings, PostgresUsers
from odeion.adapters.postgres.invites import PostgresInvites
from odeion.adapters.postgres.libraries import PostgresLibraries, PostgresMediaFiles
from odeion.adapters.postgres.metadata import PostgresMetadata
from odeion.adapters.postgres.oauth import PostgresOAuthIdentities
from odeion.adapters.postgres.playback import PostgresPlaybackSessions
from odeion.adapters.postgres.playback_debug import PostgresPlaybackDebug
from odeion.adapters.postgres.progress import PostgresProgress
from odeion.adapters.postgres.second_factors import PostgresPasskeys, PostgresRecoveryCodes, PostgresTotp
from odeion.adapters.postgres.tasks import PostgresTasks
from odeion.adapters.postgres.transcoding import PostgresPools
from odeion.adapters.postgres.user_settings import PostgresUserSettings
from odeion.adapters.postgres.ways_in import PostgresApiKeys, PostgresSecurityTrail, PostgresTickets
from odeion.domain.shared.events import Event


class PostgresUnitOfWork:
    """Satisfies every area's transaction protocol."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._events: list[Event] = []
        self.users = PostgresUsers(connection, self)
        self.login_sessions = PostgresLoginSessions(connection, self)
        self.invites = PostgresInvites(connection, self)
        self.user_settings = PostgresUserSettings(connection)
        self.tickets = PostgresTickets(connection)
        self.api_keys = PostgresApiKeys(connection, self)
        self.oauth_identities = PostgresOAuthIdentities(connection)
        self.totp = PostgresTotp(connection)
        self.recovery_codes = PostgresRecoveryCodes(connection)
        self.passkeys = PostgresPasskeys(connection, self)
        self.trail = PostgresSecurityTrail(connection)
        self.settings = PostgresSettings(connection)
        self.libraries = PostgresLibraries(connection, self)
        self.media_files = PostgresMediaFiles(connection)
        self.catalog = PostgresCatalog(connection)
        self.metadata = PostgresMetadata(connection)
        self.progress = PostgresProgress(connection, self)
        self.playback_sessions = PostgresPlaybackSessions(connection, self)
        self.playback_debug = PostgresPlaybackDebug(connection)
        self.tasks = PostgresTasks(connection, self)
        self.pools = PostgresPools(connection, self)

    def collect(self, events: list[Event]) -> None:
        self._events.extend(events)

    async def commit(self) -> None:
        if self._events:
            await outbox.write(self._connection, self._events)
            self._events = []
        await self._connection.commit()


class PostgresUnitOfWorkFactory:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[PostgresUnitOfWork]:
        """Leaving without a commit rolls back."""
        async with translated_errors(), self._engine.connect() as connection:
            yield PostgresUnitOfWork(connection)
