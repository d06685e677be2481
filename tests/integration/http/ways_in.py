"""Steps that the tests of second factors, passkeys and the login flow share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyotp

from odeion.adapters.postgres.tables.identity import security_events
from odeion.application.shared.links import Links
from odeion.domain.identity.users import Role
from tests.authenticator import Authenticator
from tests.clock import SteppedClock
from tests.harness import PASSWORD, Client, Harness, Reply


@dataclass
class Person:
    """Somebody signed in, with an authenticator app and a device for passkeys."""

    harness: Harness
    clock: SteppedClock
    client: Client
    name: str
    app: pyotp.TOTP | None = None
    device: Authenticator | None = None
    recovery_codes: list[str] | None = None

    def code(self, steps: int = 0) -> str:
        """What the app shows `steps` of 30 s from now."""
        assert self.app is not None
        return self.app.generate_otp(int(self.clock.now().timestamp()) // 30 + steps)

    async def set_up_app(self) -> None:
        begun = await self.client.post("/api/account/second-factors/totp")
        assert begun.status == 200, begun.json
        self.app = pyotp.TOTP(begun.json["secret"])
        confirmed = await self.client.post("/api/account/second-factors/totp/confirm", {"code": self.code()})
        assert confirmed.status == 200, confirmed.json
        self.recovery_codes = confirmed.json["recovery_codes"] or self.recovery_codes
        # The next code is another one.
        self.clock.pass_by(30)

    async def add_passkey(self, name: str = "Phone") -> dict[str, Any]:
        self.device = self.device or Authenticator()
        options = (await self.client.post("/api/account/passkeys/options")).json["options"]
        body = {"name": name, "credential": self.device.create(options)}
        added = await self.client.post("/api/account/passkeys", body)
        assert added.status == 201, added.json
        self.recovery_codes = added.json["recovery_codes"] or self.recovery_codes
        made: dict[str, Any] = added.json
        return made

    async def log_in(self, password: str = PASSWORD) -> Reply:
        return await self.harness.anonymous().post("/api/auth/login", {"username": self.name, "password": password})

    async def ticket(self) -> str:
        """Of a first step that was right."""
        reply = await self.log_in()
        assert reply.json["kind"] == "second_factor_required", reply.json
        ticket: str = reply.json["ticket"]
        return ticket

    async def second_step(self, ticket: str, method: str, **answer: Any) -> Reply:
        return await self.harness.anonymous().post(
            "/api/auth/second-factor", {"ticket": ticket, "method": method, **answer}
        )

    async def passkey_login(self, device: Authenticator | None = None) -> Reply:
        asking = self.harness.anonymous()
        options = (await asking.post("/api/auth/passkeys/options")).json["options"]
        device = device or self.device
        assert device is not None
        return await asking.post("/api/auth/passkeys/login", {"credential": device.get(options)})


SITE = "http://localhost:8096"


def provided(clock: SteppedClock) -> dict[str, object]:
    """For a server that runs by this clock, and is reached at the site authenticators believe in."""
    return {"clock": clock, "links": Links(SITE)}


async def person(harness: Harness, clock: SteppedClock, role: Role = Role.VIEWER, name: str = "theo") -> Person:
    return Person(harness, clock, await harness.user(role, name), name)


async def trail(harness: Harness) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Kind, name and details of every event so far."""
    async with harness.engine.connect() as connection:
        rows = await connection.execute(security_events.select().order_by(security_events.c.id))
        return [(row.kind, row.username, row.details) for row in rows]


async def kinds(harness: Harness) -> list[str]:
    return [kind for kind, _, _ in await trail(harness)]
