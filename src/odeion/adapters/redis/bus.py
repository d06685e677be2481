"""Valkey or Redis: realtime fan-out, wake-ups of workers, and counters for throttles. All of it can be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from arq.connections import ArqRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

from odeion.application.shared.outbox import OutboxMessage
from odeion.application.shared.realtime import RealtimeMessage
from odeion.domain.shared.errors import TooManyRequests, Unavailable
from odeion.domain.shared.ids import TaskId

_CHANNEL = "odeion:events"
TASK_QUEUE = "odeion:tasks"
RUN_TASK = "run_task"
SWEEP = "sweep"

# A client that reads this many messages too slowly loses the oldest: events say that something changed, not what is.
_BACKLOG = 256


class RedisBus:
    """Events to every process that has listeners."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: set[asyncio.Queue[RealtimeMessage]] = set()

    async def publish(self, message: RealtimeMessage) -> None:
        """Losing one is no error: clients read the truth again when they reconnect."""
        with suppress(RedisError, OSError):
            await self._redis.publish(
                _CHANNEL,
                orjson.dumps(
                    {"name": message.name, "data": message.data, "user_id": message.user_id, "at": message.at}
                ),
            )

    async def publish_event(self, message: OutboxMessage) -> None:
        """A consumer of the outbox."""
        await self.publish(
            RealtimeMessage(message.name, message.data, message.user_id, message.at.isoformat().replace("+00:00", "Z"))
        )

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[RealtimeMessage]]:
        queue: asyncio.Queue[RealtimeMessage] = asyncio.Queue(_BACKLOG)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    async def run(self) -> None:
        """Receive for ever; reconnects by itself."""
        while True:
            with suppress(RedisError, OSError):
                async with self._redis.pubsub() as subscription:
                    await subscription.subscribe(_CHANNEL)
                    async for raw in subscription.listen():
                        if raw["type"] == "message":
                            self._deliver(RealtimeMessage(**orjson.loads(raw["data"])))
            await asyncio.sleep(1)

    def _deliver(self, message: RealtimeMessage) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)


class ArqTaskWaker:
    def __init__(self, arq: ArqRedis) -> None:
        self._arq = arq

    async def wake(self, task_id: TaskId) -> None:
        # Without Redis the sweep finds the task.
        with suppress(RedisError, OSError):
            await self._arq.enqueue_job(RUN_TASK, task_id, _queue_name=TASK_QUEUE)

    async def wake_for_event(self, message: OutboxMessage) -> None:
        """A consumer of the outbox: a queued task wakes a worker."""
        if message.name == "task.queued":
            with suppress(RedisError, OSError):
                await self._arq.enqueue_job(SWEEP, _queue_name=TASK_QUEUE)


class RedisLoginThrottle:
    """Counts failures per account and per address; the wait doubles with each one beyond the free tries. While Redis is
    away nobody is locked out: Argon2 in its small pool still bounds the rate. Where nothing else does, `is_required`
    says that then nobody gets in. What is counted in one `space` is nothing to the others."""

    FREE_TRIES_PER_ADDRESS = 20
    LONGEST_WAIT_S = 15 * 60

    def __init__(self, redis: Redis, *, space: str = "login", free_tries: int = 5, is_required: bool = False) -> None:
        self._redis = redis
        self._space = space
        self._free_tries = free_tries
        self._is_required = is_required

    async def admit(self, username: str, address: str) -> None:
        wait_s = 0
        try:
            for key, _ in self._keys(username, address):
                wait_s = max(wait_s, await self._redis.ttl(f"{key}:wait"))
        except (RedisError, OSError) as error:
            if self._is_required:
                raise Unavailable("this cannot be done just now; try again", retry_after_s=5) from error
        if wait_s > 0:
            raise TooManyRequests("too many failed tries; wait a while", retry_after_s=wait_s)

    async def failed(self, username: str, address: str) -> int:
        longest_s = 0
        with suppress(RedisError, OSError):
            for key, free in self._keys(username, address):
                count = await self._redis.incr(key)
                await self._redis.expire(key, 24 * 3600)
                if count >= free:
                    wait_s = min(2 ** min(count - free, 20), self.LONGEST_WAIT_S)
                    await self._redis.set(f"{key}:wait", 1, ex=wait_s)
                    longest_s = max(longest_s, wait_s)
        return longest_s

    async def succeeded(self, username: str, address: str) -> None:
        with suppress(RedisError, OSError):
            await self._redis.delete(self._keys(username, address)[0][0])

    def _keys(self, username: str, address: str) -> list[tuple[str, int]]:
        account = username.casefold()[:64]
        return [
            (f"odeion:{self._space}:account:{account}", self._free_tries),
            (f"odeion:{self._space}:address:{address}", self.FREE_TRIES_PER_ADDRESS),
        ]


def json_serializer(value: dict[str, Any]) -> bytes:
    """For arq, in place of pickle: what lies in the queue can only ever be data."""
    return orjson.dumps(value, default=str)


def json_deserializer(raw: bytes) -> dict[str, Any]:
    value = orjson.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("not a job")
    return value
