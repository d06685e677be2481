"""Mutated session tokens, API keys, refresh tokens and tickets at every door that takes one: none may be let in.

`python -m tests.fuzz_tokens [COUNT]` tries COUNT of them (200,000 unless told); the suite tries 2,000."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odeion.adapters.memory.store import MemoryStore
from odeion.adapters.security.secrets import SystemSecretSource
from odeion.adapters.security.tokens import JwtTokenCodec
from odeion.application.identity.caller import Caller
from odeion.application.identity.identification import Identification
from odeion.application.identity.ports import SessionClaims
from odeion.application.identity.sign_in import Admission, SignIn
from odeion.application.shared.secrets import secret_hash
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import KEY_BYTES, ApiKey, Scope, plaintext
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.identity.users import Role, User
from odeion.domain.shared.errors import Unauthorized
from odeion.domain.shared.ids import ApiKeyId, LoginSessionId, UserId
from tests.clock import SteppedClock

NOW = datetime(2026, 1, 2, tzinfo=UTC)
_ADDRESS = "192.0.2.1"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=.+/ \n\t\x00é０"


class StoredViewers:
    """ViewerQueries over the store, for these doors."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def find_viewer(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> Viewer | None:
        session = self._store.tables.login_sessions.get(session_id)
        if session is None or session.user_id != user_id or session.is_over(at=at):
            return None
        return Viewer(user_id, Role.ADMIN, session_id)

    async def find_by_api_key(self, key_hash: bytes) -> Viewer | None:
        for key in self._store.tables.api_keys.values():
            if key.key_hash == key_hash and key.id is not None:
                return Viewer(key.user_id, Role.ADMIN, api_key_id=key.id, scopes=key.scopes)
        return None

    async def find_by_api_key_id(self, key_id: ApiKeyId) -> Viewer | None:
        return None

    async def api_key_used(self, key_id: ApiKeyId, address: str, *, at: datetime) -> None: ...


class NoPasswords:
    """Nobody comes to these doors with a password."""

    async def hash(self, password: str) -> str:
        raise NotImplementedError

    async def verify(self, password_hash: str | None, password: str) -> bool:
        raise NotImplementedError

    def needs_rehash(self, password_hash: str) -> bool:
        raise NotImplementedError


class NoThrottle:
    async def admit(self, username: str, address: str) -> None: ...

    async def failed(self, username: str, address: str) -> int:
        return 0

    async def succeeded(self, username: str, address: str) -> None: ...


@dataclass
class Doors:
    """`secrets` are good ones, by the door they open; `is_let_in` tries one at a door."""

    secrets: dict[str, str]
    doors: dict[str, Callable[[str], Awaitable[bool]]]
    loop: asyncio.AbstractEventLoop

    def is_let_in(self, door: str, secret: str) -> bool:
        async def knock() -> bool:
            try:
                return await self.doors[door](secret)
            except Unauthorized:
                return False

        return self.loop.run_until_complete(knock())


async def open_doors(loop: asyncio.AbstractEventLoop) -> Doors:
    store, clock, source = MemoryStore(), SteppedClock(NOW), SystemSecretSource()
    codec = JwtTokenCodec(source.bytes(32))
    refresh_token, api_key = source.token(), plaintext(source.bytes(KEY_BYTES))
    tickets = {kind: source.token() for kind in TicketKind}
    async with store() as tx:
        user_id = await tx.users.save(User.create(username="mira", password_hash=None, role=Role.ADMIN, at=NOW))
        session_id = await tx.login_sessions.save(
            LoginSession.start(
                user_id=user_id, refresh_hash=secret_hash(refresh_token), user_agent="", address=_ADDRESS, at=NOW
            )
        )
        await tx.api_keys.save(
            ApiKey.create(
                user_id=user_id, name="k", key=api_key, key_hash=secret_hash(api_key), scopes=[Scope.CATALOG], at=NOW
            )
        )
        for kind, secret in tickets.items():
            await tx.tickets.put(Ticket.issue(kind, secret_hash(secret), at=NOW, user_id=user_id))
        await tx.commit()
    identification = Identification(StoredViewers(store), codec, clock)
    sign_in = SignIn(store, NoPasswords(), codec, source, NoThrottle(), clock, Admission(codec, source))

    async def identified(secret: str) -> bool:
        return (await identification.by_token(secret, _ADDRESS)).id == user_id

    async def refreshed(secret: str) -> bool:
        before = store.tables
        try:
            return (await sign_in.refresh(secret, Caller(user_agent="", address=_ADDRESS))).user.id == user_id
        finally:
            store.tables = before

    def ticket_of(kind: TicketKind) -> Callable[[str], Awaitable[bool]]:
        async def found(secret: str) -> bool:
            async with store() as tx:
                return await tx.tickets.take(kind, secret_hash(secret), at=NOW) is not None

        return found

    return Doors(
        secrets={
            "session": codec.issue(SessionClaims(user_id, session_id), at=NOW, expires_at=NOW + timedelta(minutes=15)),
            "api_key": api_key,
            "refresh": refresh_token,
            **{kind.value: secret for kind, secret in tickets.items()},
        },
        doors={
            "session": identified,
            "api_key": identified,
            "refresh": refreshed,
            **{kind.value: ticket_of(kind) for kind in TicketKind},
        },
        loop=loop,
    )


@st.composite
def mutated(draw: st.DrawFn, secret: str) -> str:
    """The secret with one to three changes: letters, order, length, case, or the inside of a JWT."""
    changed = secret
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(changed)))
        letter = draw(st.sampled_from(_LETTERS))
        changed = draw(
            st.sampled_from(
                [
                    changed[:at] + letter + changed[at + 1 :],
                    changed[:at] + letter + changed[at:],
                    changed[:at] + changed[at + 1 :],
                    changed[:at],
                    changed[at:],
                    changed[at:] + changed[:at],
                    changed[:at] + changed[at:].swapcase(),
                    changed + changed[:at],
                    _rewritten(changed, draw),
                ]
            )
        )
    return changed


def _rewritten(token: str, draw: st.DrawFn) -> str:
    """A JWT with another header or other claims under the same signature, or none."""
    parts = token.split(".")
    if len(parts) != 3:
        return token[::-1]
    where = draw(st.integers(0, 1))
    try:
        content = json.loads(base64.urlsafe_b64decode(parts[where] + "=="))
    except ValueError:
        return token[::-1]
    if not isinstance(content, dict):
        return token[::-1]
    names = ["alg", "typ", "kid", "crit", "b64", "jwk"] if where == 0 else ["iss", "aud", "sub", "sid", "exp", "iat"]
    values = st.one_of(
        st.none(),
        st.sampled_from(["none", "None", "HS512", "RS256", "odeion", "odeion:session", "1", "2", "", [], {}, True]),
        st.integers(-(2**63), 2**63),
        st.lists(st.sampled_from(["odeion", "odeion:session"]), max_size=2),
    )
    content[draw(st.sampled_from(names))] = draw(values)
    parts[where] = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    if draw(st.booleans()):
        parts[2] = draw(st.sampled_from(["", "AA", parts[2][:-1]]))
    return ".".join(parts)


def fuzz(count: int) -> int:
    """Try `count` mutated secrets at their own door or another; raises AssertionError for one that is let in. Answers
    how many were tried."""
    loop = asyncio.new_event_loop()
    try:
        doors = loop.run_until_complete(open_doors(loop))
        for name, secret in doors.secrets.items():
            assert doors.is_let_in(name, secret), f"the {name} door is shut to everybody: nothing would be tested"
        tried = 0

        @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def try_one(data: st.DataObject) -> None:
            nonlocal tried
            secret_of = data.draw(st.sampled_from(sorted(doors.secrets)))
            door = data.draw(st.sampled_from([secret_of, secret_of, *sorted(doors.doors)]))
            secret = data.draw(mutated(doors.secrets[secret_of]))
            if secret in doors.secrets.values():
                return
            tried += 1
            assert not doors.is_let_in(door, secret), (door, secret_of, secret)

        try_one()
        return tried
    finally:
        loop.close()


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    print(f"{fuzz(wanted)} mutated secrets tried, none let in")  # noqa: T201
