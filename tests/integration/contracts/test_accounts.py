"""The contracts of accounts, sessions, tickets, invites and settings, held by PostgreSQL and by the fakes alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from odeion.application.shared.page import PageRequest
from odeion.domain.identity.invites import Invite
from odeion.domain.identity.login_sessions import SESSION_LIFETIME, LoginSession
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import Permissions, Role, User
from odeion.domain.shared.errors import Conflict, NotFound, StaleVersion
from odeion.domain.shared.ids import InviteId, LibraryId, LoginSessionId, UserId
from odeion.domain.user_settings import SubtitleMode, Theme, UserSettings

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
FIRST_PAGE = PageRequest(1, 10)


async def saved_user(uow: Any, name: str, role: Role = Role.ADMIN, *, is_locked: bool = False) -> User:
    made = User.create(username=name, password_hash="hash", role=role, at=NOW)
    made.is_locked = is_locked
    async with uow() as tx:
        await tx.users.save(made)
        await tx.commit()
    return made


def id_of(user: User) -> UserId:
    assert user.id is not None
    return user.id


async def saved_session(uow: Any, owner: User, token: bytes, at: datetime = NOW) -> LoginSession:
    made = LoginSession.start(
        user_id=id_of(owner), refresh_hash=token, user_agent="x", address="::1", at=at, device_name="Téle"
    )
    async with uow() as tx:
        await tx.login_sessions.save(made)
        await tx.commit()
    return made


class TestUsers:
    async def test_permissions_come_back(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        mira.permissions = Permissions(
            api_keys=True, library_ids=frozenset({LibraryId(3), LibraryId(4)}), max_streams=2
        )
        async with uow() as tx:
            await tx.users.save(mira)
            await tx.commit()
        async with uow() as tx:
            assert await tx.users.get(id_of(mira)) == mira

    async def test_administrators_are_those_who_are_not_locked(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "mira"), await saved_user(uow, "theo")
        await saved_user(uow, "locked", is_locked=True)
        await saved_user(uow, "moderator", Role.MODERATOR)
        async with uow() as tx:
            assert await tx.users.hold_administrators() == {mira.id, theo.id}

    async def test_what_is_theirs_goes_with_them(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "mira"), await saved_user(uow, "theo")
        for owner, mark in ((mira, b"m"), (theo, b"t")):
            await saved_session(uow, owner, mark)
            async with uow() as tx:
                await tx.tickets.put(Ticket.issue(TicketKind.DEVICE_CODE, mark, at=NOW, user_id=id_of(owner)))
                await tx.invites.save(invite(owner, mark))
                await tx.user_settings.merge(id_of(owner), {"theme": "dark"}, at=NOW)
                await tx.commit()
        async with uow() as tx:
            await tx.users.delete(mira)
            await tx.commit()
        async with uow() as tx:
            with pytest.raises(NotFound):
                await tx.users.get(mira.id)
            for mark, stays in ((b"m", False), (b"t", True)):
                assert (await tx.login_sessions.find_by_refresh_hash(mark) is not None) is stays
                assert (await tx.tickets.find(TicketKind.DEVICE_CODE, mark, at=NOW) is not None) is stays
                assert (await tx.invites.redeem(mark, at=NOW) is not None) is stays
            assert (await tx.user_settings.get(id_of(theo))).theme is Theme.DARK


class TestLoginSessions:
    async def test_all_fields_come_back_to_their_owner_alone(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "mira"), await saved_user(uow, "theo")
        made = await saved_session(uow, mira, b"1")
        async with uow() as tx:
            assert await tx.login_sessions.get(mira.id, made.id, at=NOW) == made
            for owner, session_id in ((theo.id, made.id), (mira.id, LoginSessionId(999))):
                with pytest.raises(NotFound):
                    await tx.login_sessions.get(owner, session_id, at=NOW)

    async def test_one_that_is_over_is_not_found(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        made = await saved_session(uow, mira, b"1")
        async with uow() as tx:
            with pytest.raises(NotFound):
                await tx.login_sessions.get(mira.id, made.id, at=NOW + SESSION_LIFETIME)
            made.revoke(at=NOW)
            await tx.login_sessions.save(made)
            with pytest.raises(NotFound):
                await tx.login_sessions.get(mira.id, made.id, at=NOW)

    async def test_all_others_end_together(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        kept, other = await saved_session(uow, mira, b"1"), await saved_session(uow, mira, b"2")
        async with uow() as tx:
            await tx.login_sessions.revoke_all(mira.id, at=NOW, keep=kept.id)
            assert (await tx.login_sessions.get(mira.id, kept.id, at=NOW)).revoked_at is None
            with pytest.raises(NotFound):
                await tx.login_sessions.get(mira.id, other.id, at=NOW)

    async def test_only_those_long_over_are_forgotten(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        await saved_session(uow, mira, b"expired long ago", NOW - SESSION_LIFETIME - timedelta(hours=1))
        await saved_session(uow, mira, b"active")
        for token, ended in ((b"ended long ago", NOW - timedelta(hours=1)), (b"ended just now", NOW)):
            made = await saved_session(uow, mira, token)
            made.revoke(at=ended)
            async with uow() as tx:
                await tx.login_sessions.save(made)
                await tx.commit()
        async with uow() as tx:
            await tx.login_sessions.drop_over(before=NOW)
            for token, stays in (
                (b"expired long ago", False),
                (b"ended long ago", False),
                (b"ended just now", True),
                (b"active", True),
            ):
                assert (await tx.login_sessions.find_by_refresh_hash(token) is not None) is stays


class TestTickets:
    async def test_all_fields_come_back_once(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        made = Ticket.issue(TicketKind.PASSWORD_RESET, b"1", at=NOW, user_id=mira.id, payload={"a": [1]})
        async with uow() as tx:
            await tx.tickets.put(made)
            await tx.commit()
        async with uow() as tx:
            assert await tx.tickets.take(TicketKind.DEVICE_CODE, b"1", at=NOW) is None
            assert await tx.tickets.find(TicketKind.PASSWORD_RESET, b"1", at=NOW) == made
            assert await tx.tickets.take(TicketKind.PASSWORD_RESET, b"1", at=NOW) == made
            assert await tx.tickets.take(TicketKind.PASSWORD_RESET, b"1", at=NOW) is None
        async with uow() as tx:
            # The one before was not committed.
            assert await tx.tickets.take(TicketKind.PASSWORD_RESET, b"1", at=NOW) == made

    async def test_an_expired_one_is_none(self, uow: Any) -> None:
        made = Ticket.issue(TicketKind.OAUTH_STATE, b"1", at=NOW)
        async with uow() as tx:
            await tx.tickets.put(made)
            assert await tx.tickets.find(TicketKind.OAUTH_STATE, b"1", at=made.expires_at) is None
            assert await tx.tickets.take(TicketKind.OAUTH_STATE, b"1", at=made.expires_at) is None
            await tx.tickets.drop_expired(at=made.expires_at)
            assert await tx.tickets.find(TicketKind.OAUTH_STATE, b"1", at=NOW) is None

    async def test_a_secret_in_use_is_refused_and_the_transaction_goes_on(self, uow: Any) -> None:
        async with uow() as tx:
            await tx.tickets.put(Ticket.issue(TicketKind.DEVICE_CODE, b"1", at=NOW))
            with pytest.raises(Conflict):
                await tx.tickets.put(Ticket.issue(TicketKind.DEVICE_CODE, b"1", at=NOW))
            await tx.tickets.put(Ticket.issue(TicketKind.OAUTH_STATE, b"1", at=NOW))
            await tx.commit()
        async with uow() as tx:
            assert await tx.tickets.find(TicketKind.OAUTH_STATE, b"1", at=NOW) is not None

    async def test_somebodys_are_voided_by_kind_or_all(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "mira"), await saved_user(uow, "theo")
        async with uow() as tx:
            for owner, mark in ((mira, b"m"), (theo, b"t")):
                for kind in (TicketKind.DEVICE_CODE, TicketKind.PASSWORD_RESET):
                    await tx.tickets.put(Ticket.issue(kind, mark, at=NOW, user_id=owner.id))
            await tx.tickets.drop(TicketKind.DEVICE_CODE, mira.id)
            assert await tx.tickets.find(TicketKind.DEVICE_CODE, b"m", at=NOW) is None
            assert await tx.tickets.find(TicketKind.PASSWORD_RESET, b"m", at=NOW) is not None
            await tx.tickets.drop_all(theo.id)
            assert await tx.tickets.find(TicketKind.PASSWORD_RESET, b"t", at=NOW) is None
            assert await tx.tickets.find(TicketKind.PASSWORD_RESET, b"m", at=NOW) is not None


def invite(maker: User, code_hash: bytes, **changes: Any) -> Invite:
    wanted: dict[str, Any] = {"role": Role.CURATOR, "max_uses": 2, "expires_at": LATER, "at": NOW, **changes}
    return Invite.create(maker=maker, code_hash=code_hash, sealed_code=b"sealed", **wanted)


class TestInvites:
    async def test_all_fields_come_back_to_their_maker_alone(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "mira"), await saved_user(uow, "theo")
        made = invite(mira, b"1", expires_at=None)
        async with uow() as tx:
            await tx.invites.save(made)
            await tx.commit()
        async with uow() as tx:
            assert await tx.invites.get(mira.id, made.id) == made
            for maker, invite_id in ((theo.id, made.id), (mira.id, InviteId(999))):
                with pytest.raises(NotFound):
                    await tx.invites.get(maker, invite_id)
            await tx.invites.delete(made)
            with pytest.raises(NotFound):
                await tx.invites.get(mira.id, made.id)

    async def test_are_listed_newest_first_in_pages(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "mira"), await saved_user(uow, "theo")
        async with uow() as tx:
            for n in range(3):
                await tx.invites.save(invite(mira, bytes([n])))
            await tx.invites.save(invite(theo, b"theirs"))
            pages = [await tx.invites.list_of(mira.id, PageRequest(number, 2)) for number in (1, 2, 3)]
            assert [[entry.code_hash for entry in page.items] for page in pages] == [[b"\2", b"\1"], [b"\0"], []]
            assert {(page.total_items, page.total_pages) for page in pages} == {(3, 2)}

    async def test_are_redeemed_as_often_as_they_have_uses(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        async with uow() as tx:
            await tx.invites.save(invite(mira, b"1"))
            assert [(await tx.invites.redeem(b"1", at=NOW)).uses for _ in range(2)] == [1, 2]
            assert await tx.invites.redeem(b"1", at=NOW) is None
            assert (await tx.invites.list_of(mira.id, FIRST_PAGE)).items[0].uses == 2

    async def test_are_redeemed_until_they_expire(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        async with uow() as tx:
            await tx.invites.save(invite(mira, b"1", max_uses=None))
            assert await tx.invites.redeem(b"1", at=LATER - timedelta(seconds=1)) is not None
            assert await tx.invites.redeem(b"1", at=LATER) is None
            assert await tx.invites.redeem(b"unknown", at=NOW) is None

    async def test_a_use_that_is_not_committed_is_none(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        async with uow() as tx:
            await tx.invites.save(invite(mira, b"1"))
            await tx.commit()
        async with uow() as tx:
            await tx.invites.redeem(b"1", at=NOW)
        async with uow() as tx:
            assert (await tx.invites.redeem(b"1", at=NOW)).uses == 1

    async def test_a_copy_from_before_a_use_is_stale(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        made = invite(mira, b"1")
        async with uow() as tx:
            await tx.invites.save(made)
            await tx.invites.redeem(b"1", at=NOW)
            with pytest.raises(StaleVersion):
                await tx.invites.save(made)


class TestUserSettings:
    async def test_are_the_defaults_until_something_is_chosen(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        async with uow() as tx:
            assert await tx.user_settings.get(mira.id) == UserSettings()

    async def test_are_merged_and_taken_back(self, uow: Any) -> None:
        mira = await saved_user(uow, "mira")
        for changes in (
            {"theme": "dark", "language": None},
            {"audio_languages": ["ja"], "subtitle_mode": "always"},
            {"theme": None},
        ):
            async with uow() as tx:
                await tx.user_settings.merge(mira.id, changes, at=NOW)
                await tx.commit()
        async with uow() as tx:
            assert await tx.user_settings.get(mira.id) == UserSettings(
                audio_languages=("ja",), subtitle_mode=SubtitleMode.ALWAYS
            )
