"""Measures failed logins for known and unknown names, in turn. See `script/login-timing`."""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from dependency_injector import providers

from odeion.adapters.embedded.postgres import EmbeddedPostgres
from odeion.adapters.embedded.process import running
from odeion.adapters.embedded.valkey import EmbeddedValkey
from tests.harness import Harness, Servers, open_harness

_GOAL_MS = 5.0


class NoThrottle:
    """Implements LoginThrottle for a measurement that fails a thousand times on purpose."""

    async def admit(self, username: str, address: str) -> None:
        """Everybody."""

    async def failed(self, username: str, address: str) -> int:
        return 0

    async def succeeded(self, username: str, address: str) -> None:
        """Nothing to forget."""


async def measure(harness: Harness, tries: int) -> dict[str, list[float]]:
    """Milliseconds by kind of name."""
    await harness.user(username="mira")
    client = harness.anonymous()
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    kinds = ["known", "unknown"] * tries
    random.Random(7).shuffle(kinds)
    for number, kind in enumerate(kinds):
        name = "mira" if kind == "known" else f"nobody{number}"
        started = time.perf_counter()
        reply = await client.post("/api/auth/login", {"username": name, "password": "not the password"})
        took[kind].append((time.perf_counter() - started) * 1000)
        assert reply.status == 401
        if number % 200 == 199:
            print(f"{number + 1}/{len(kinds)}", flush=True)
    return took


async def main(tries: int) -> int:
    with tempfile.TemporaryDirectory(prefix="odeion-timing-") as folder:
        data = Path(folder) / "servers"
        data.mkdir(mode=0o700)
        postgres, valkey = EmbeddedPostgres(data), EmbeddedValkey(data)
        async with running(postgres, valkey):
            servers = Servers(postgres.url, valkey.url)
            await servers.make_template()
            async with open_harness(servers, Path(folder), throttle=providers.Object(NoThrottle())) as harness:
                took = await measure(harness, tries)
    means = {kind: statistics.mean(times) for kind, times in took.items()}
    for kind, times in took.items():
        deviation = statistics.stdev(times)
        print(
            f"{kind:8} mean {means[kind]:.2f} ms, median {statistics.median(times):.2f} ms, "
            f"deviation {deviation:.2f} ms"
        )
    difference = abs(means["known"] - means["unknown"])
    print(f"the means differ by {difference:.2f} ms (goal: at most {_GOAL_MS:g} ms)")
    return 0 if difference <= _GOAL_MS else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)))
