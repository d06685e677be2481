"""One contract for each repository of linked identities and second factors, in PostgreSQL and in memory alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from odeion.adapters.memory.store import MemoryStore
from odeion.adapters.postgres.database import create_engine
from odeion.adapters.postgres.uow import PostgresUnitOfWorkFactory
from odeion.domain.identity.oauth import OAuthIdentity, ProviderIdentity
from odeion.domain.identity.second_factors import Passkey, Totp
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import Role, User
from odeion.domain.shared.errors import Conflict, NotFound, StaleVersion
from odeion.domain.shared.ids import PasskeyId, UserId
from tests.harness import Servers

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


@pytest.fixture(params=["memory", "postgres"])
async def uow(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with servers.database() as url:
        engine = create_engine(url, pool_size=3)
        yield PostgresUnitOfWorkFactory(engine)
        await engine.dispose()


async def saved_user(uow: Any, name: str) -> UserId:
    async with uow() as tx:
        user_id: UserId = await tx.users.save(User.create(username=name, password_hash=None, role=Role.VIEWER, at=NOW))
        await tx.commit()
    return user_id


@pytest.fixture
async def mira(uow: Any) -> UserId:
    return await saved_user(uow, "mira")


@pytest.fixture
async def theo(uow: Any) -> UserId:
    return await saved_user(uow, "theo")


class TestTotp:
    def totp(self, user_id: UserId) -> Totp:
        return Totp(user_id=user_id, sealed_secret=b"\x00\xff", confirmed_at=LATER, last_step=2**40, created_at=NOW)

    async def test_all_fields_come_back(self, uow: Any, mira: UserId, theo: UserId) -> None:
        async with uow() as tx:
            await tx.totp.save(self.totp(mira))
            await tx.commit()
        async with uow() as tx:
            assert await tx.totp.find(mira) == self.totp(mira)
            assert await tx.totp.find(theo) is None

    async def test_there_is_one_of_each_user(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.totp.save(self.totp(mira))
            await tx.totp.save(replace(self.totp(mira), sealed_secret=b"new", confirmed_at=None, last_step=0))
            await tx.commit()
        async with uow() as tx:
            found = await tx.totp.find(mira)
        assert (found.sealed_secret, found.confirmed_at, found.last_step) == (b"new", None, 0)

    async def test_goes_when_it_is_deleted(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.totp.save(self.totp(mira))
            await tx.totp.delete(mira)
            await tx.totp.delete(mira)
            await tx.commit()
        async with uow() as tx:
            assert await tx.totp.find(mira) is None

    async def test_uncommitted_work_vanishes(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.totp.save(self.totp(mira))
        async with uow() as tx:
            assert await tx.totp.find(mira) is None


class TestRecoveryCodes:
    async def test_each_is_used_once(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.recovery_codes.replace(mira, [b"a", b"b"], at=NOW)
            await tx.commit()
        async with uow() as tx:
            assert await tx.recovery_codes.use(mira, b"a", at=LATER)
            assert not await tx.recovery_codes.use(mira, b"a", at=LATER)
            assert not await tx.recovery_codes.use(mira, b"c", at=LATER)
            assert await tx.recovery_codes.count_left(mira) == 1
            await tx.commit()
        async with uow() as tx:
            assert not await tx.recovery_codes.use(mira, b"a", at=LATER)

    async def test_use_without_a_commit_is_none(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.recovery_codes.replace(mira, [b"a"], at=NOW)
            await tx.commit()
        async with uow() as tx:
            assert await tx.recovery_codes.use(mira, b"a", at=NOW)
        async with uow() as tx:
            assert await tx.recovery_codes.use(mira, b"a", at=NOW)

    async def test_new_ones_void_the_old_ones(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.recovery_codes.replace(mira, [b"a", b"b"], at=NOW)
            await tx.recovery_codes.use(mira, b"a", at=NOW)
            await tx.recovery_codes.replace(mira, [b"a", b"c"], at=LATER)
            assert not await tx.recovery_codes.use(mira, b"b", at=LATER)
            assert await tx.recovery_codes.use(mira, b"a", at=LATER)
            await tx.recovery_codes.replace(mira, [], at=LATER)
            assert await tx.recovery_codes.count_left(mira) == 0

    async def test_of_others_are_not_touched(self, uow: Any, mira: UserId, theo: UserId) -> None:
        async with uow() as tx:
            await tx.recovery_codes.replace(mira, [b"a"], at=NOW)
            await tx.recovery_codes.replace(theo, [b"a"], at=NOW)
            assert await tx.recovery_codes.use(mira, b"a", at=NOW)
            assert await tx.recovery_codes.use(theo, b"a", at=NOW)


class TestPasskeys:
    def passkey(self, user_id: UserId, credential_id: bytes = b"\x00credential") -> Passkey:
        return Passkey(
            id=None,
            user_id=user_id,
            name="Phone",
            credential_id=credential_id,
            public_key=b"\xffkey",
            sign_count=2**32 - 1,
            transports=("internal", "hybrid"),
            is_backed_up=True,
            created_at=NOW,
            last_used_at=LATER,
        )

    async def test_all_fields_come_back(self, uow: Any, mira: UserId) -> None:
        made = self.passkey(mira)
        async with uow() as tx:
            passkey_id = await tx.passkeys.save(made)
            await tx.commit()
        async with uow() as tx:
            assert await tx.passkeys.get(mira, passkey_id) == replace(made, id=passkey_id)
            assert await tx.passkeys.find_by_credential(b"\x00credential") == replace(made, id=passkey_id)
            assert await tx.passkeys.find_by_credential(b"another") is None

    async def test_are_listed_oldest_first_and_of_one_user(self, uow: Any, mira: UserId, theo: UserId) -> None:
        async with uow() as tx:
            for owner, credential_id in ((mira, b"2"), (theo, b"3"), (mira, b"1")):
                await tx.passkeys.save(self.passkey(owner, credential_id))
            assert [passkey.credential_id for passkey in await tx.passkeys.list_of(mira)] == [b"2", b"1"]

    async def test_of_somebody_else_is_not_found(self, uow: Any, mira: UserId, theo: UserId) -> None:
        async with uow() as tx:
            passkey_id = await tx.passkeys.save(self.passkey(mira))
            with pytest.raises(NotFound):
                await tx.passkeys.get(theo, passkey_id)
            with pytest.raises(NotFound):
                await tx.passkeys.get(mira, PasskeyId(999_999))

    async def test_a_known_credential_conflicts(self, uow: Any, mira: UserId, theo: UserId) -> None:
        with pytest.raises(Conflict):
            async with uow() as tx:
                await tx.passkeys.save(self.passkey(mira))
                await tx.passkeys.save(self.passkey(theo))

    async def test_a_stale_version_conflicts(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            passkey_id = await tx.passkeys.save(self.passkey(mira))
            await tx.commit()
        async with uow() as tx:
            stale = await tx.passkeys.get(mira, passkey_id)
            current = await tx.passkeys.get(mira, passkey_id)
            current.used(sign_count=1, is_backed_up=False, at=LATER)
            await tx.passkeys.save(current)
            with pytest.raises(StaleVersion):
                await tx.passkeys.save(stale)

    async def test_goes_when_it_is_deleted(self, uow: Any, mira: UserId) -> None:
        made = self.passkey(mira)
        async with uow() as tx:
            await tx.passkeys.save(made)
            await tx.passkeys.delete(made)
            assert await tx.passkeys.list_of(mira) == []


class TestOAuthIdentities:
    def identity(self, user_id: UserId, subject: str = "s", provider: str = "home") -> OAuthIdentity:
        told = ProviderIdentity(provider=provider, issuer="https://i", subject=subject, email="e", display_name="d")
        return OAuthIdentity.link(user_id, told, at=NOW).used(told, at=LATER)

    async def test_all_fields_come_back(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            identity_id = await tx.oauth_identities.save(self.identity(mira))
            await tx.commit()
        async with uow() as tx:
            assert await tx.oauth_identities.find("https://i", "s") == replace(self.identity(mira), id=identity_id)

    @pytest.mark.parametrize(("issuer", "subject"), [("https://i/", "s"), ("https://I", "s"), ("https://i", "S")])
    async def test_issuer_and_subject_are_compared_exactly(
        self, uow: Any, mira: UserId, issuer: str, subject: str
    ) -> None:
        async with uow() as tx:
            await tx.oauth_identities.save(self.identity(mira))
            assert await tx.oauth_identities.find(issuer, subject) is None

    async def test_are_listed_oldest_first_and_of_one_user(self, uow: Any, mira: UserId, theo: UserId) -> None:
        async with uow() as tx:
            for owner, subject, provider in ((mira, "2", "b"), (theo, "3", "b"), (mira, "1", "a")):
                await tx.oauth_identities.save(self.identity(owner, subject, provider))
            assert [identity.provider for identity in await tx.oauth_identities.list_of(mira)] == ["b", "a"]

    async def test_an_identity_of_another_account_conflicts(self, uow: Any, mira: UserId, theo: UserId) -> None:
        with pytest.raises(Conflict):
            async with uow() as tx:
                await tx.oauth_identities.save(self.identity(mira))
                await tx.oauth_identities.save(self.identity(theo))

    async def test_a_second_identity_of_one_provider_conflicts(self, uow: Any, mira: UserId) -> None:
        with pytest.raises(Conflict):
            async with uow() as tx:
                await tx.oauth_identities.save(self.identity(mira, "1"))
                await tx.oauth_identities.save(self.identity(mira, "2"))

    async def test_is_changed_where_it_is(self, uow: Any, mira: UserId) -> None:
        told = ProviderIdentity(provider="home", issuer="https://i", subject="s", email=None, display_name="new")
        async with uow() as tx:
            await tx.oauth_identities.save(self.identity(mira))
            (kept,) = await tx.oauth_identities.list_of(mira)
            assert await tx.oauth_identities.save(kept.used(told, at=LATER)) == kept.id
            (changed,) = await tx.oauth_identities.list_of(mira)
        assert (changed.display_name, changed.email) == ("new", None)

    async def test_goes_when_it_is_deleted(self, uow: Any, mira: UserId) -> None:
        async with uow() as tx:
            await tx.oauth_identities.save(self.identity(mira))
            (kept,) = await tx.oauth_identities.list_of(mira)
            await tx.oauth_identities.delete(kept)
            assert await tx.oauth_identities.find("https://i", "s") is None


class TestNotedTickets:
    async def test_the_payload_of_a_ticket_is_kept(self, uow: Any, mira: UserId) -> None:
        ticket = Ticket.issue(TicketKind.SECOND_FACTOR, b"x", at=NOW, user_id=mira, payload={"tries": 0})
        async with uow() as tx:
            await tx.tickets.put(ticket)
            await tx.tickets.note(replace(ticket, payload={"tries": 1}))
            await tx.commit()
        async with uow() as tx:
            found = await tx.tickets.find(TicketKind.SECOND_FACTOR, b"x", at=NOW)
        assert (found.payload, found.user_id, found.expires_at) == ({"tries": 1}, mira, ticket.expires_at)
