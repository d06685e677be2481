"""What is over is forgotten, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from odeion.adapters.memory.store import MemoryStore
from odeion.application.identity.housekeeping import IdentityHousekeeping
from odeion.domain.identity.login_sessions import SESSION_LIFETIME, LoginSession
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.shared.ids import UserId
from tests.clock import SteppedClock

NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def test_drops_expired_tickets_and_sessions_that_ended_a_month_ago() -> None:
    store, clock = MemoryStore(), SteppedClock(NOW)
    housekeeping = IdentityHousekeeping(store, clock)
    async with store() as tx:
        for kind in (TicketKind.DEVICE_CODE, TicketKind.PASSWORD_RESET):
            await tx.tickets.put(Ticket.issue(kind, b"1", at=NOW))
        await tx.login_sessions.save(
            LoginSession.start(user_id=UserId(1), refresh_hash=b"1", user_agent="x", address="a", at=NOW)
        )
        await tx.commit()

    clock.pass_by(600)
    await housekeeping.purge()
    assert [kind for kind, _ in store.tables.tickets] == [TicketKind.PASSWORD_RESET]

    clock.pass_by(SESSION_LIFETIME.total_seconds())
    await housekeeping.purge()
    assert len(store.tables.login_sessions) == 1

    clock.pass_by(timedelta(days=30).total_seconds())
    await housekeeping.purge()
    assert not store.tables.login_sessions and not store.tables.tickets
