"""What is copied is read while it is asked whether it may be given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from odeion.application.playback.ports import SegmentBytes
from odeion.application.playback.streams import Streams
from odeion.domain.playback.plan import PlaybackPlan, PlayMode, Treatment, VideoPlan
from odeion.domain.shared.errors import Gone, OdeionError, Unavailable


def stream(treatment: Treatment = Treatment.COPY) -> Any:
    video = VideoPlan(stream_index=0, treatment=treatment, source_codec="h264", codec="h264", width=1920, height=1080)
    plan = PlaybackPlan(mode=PlayMode.REMUX, video=video, audio=(), subtitles=())
    return SimpleNamespace(session=SimpleNamespace(id=1, plan=plan), source=object())


@dataclass
class Sessions:
    """Answers when it is let."""

    answer: Any
    known: Any = None
    let: asyncio.Event = field(default_factory=asyncio.Event)

    def recall(self, stream_key_hash: bytes) -> Any:
        return self.known

    async def open(self, stream_key_hash: bytes) -> Any:
        await self.let.wait()
        if isinstance(self.answer, OdeionError):
            raise self.answer
        return self.answer


@dataclass
class Producer:
    """Counts what it began and what was closed of that."""

    failure: OdeionError | None = None
    sources: list[object] = field(default_factory=list)
    open: int = 0

    async def segment(self, source: object, rendition: VideoPlan, number: int, *, session_id: int) -> SegmentBytes:
        self.sources.append(source)
        if self.failure is not None:
            raise self.failure
        pieces = self._pieces()
        self.open += 1
        await anext(pieces)
        return SegmentBytes(pieces, 5)

    async def _pieces(self) -> AsyncGenerator[bytes]:
        try:
            yield b""
            yield b"bytes"
        finally:
            self.open -= 1


class Notes:
    """A unit of work that keeps what was noted of a session."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.playback_debug = self

    def __call__(self) -> Notes:
        return self

    async def __aenter__(self) -> Notes:
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def note_problem(self, session_id: int, problem: Any) -> None:
        self.problems.append(problem.message)

    async def commit(self) -> None:
        pass


def streams(sessions: Sessions, producer: Producer, notes: Notes | None = None) -> Streams:
    nothing = cast(Any, SimpleNamespace(now=lambda: None))
    return Streams(cast(Any, sessions), cast(Any, producer), nothing, nothing, cast(Any, notes or Notes()), nothing)


async def begin(sessions: Sessions, producer: Producer, notes: Notes | None = None) -> asyncio.Task[SegmentBytes]:
    """A segment is asked for, and all is done that can be before it is known whether it may be given."""
    asked = asyncio.create_task(streams(sessions, producer, notes).segment("key", "video", 3))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not asked.done()
    return asked


async def test_is_read_before_it_is_allowed_and_given_after() -> None:
    known, producer = stream(), Producer()
    sessions = Sessions(known, known)
    asked = await begin(sessions, producer)
    assert producer.sources == [known.source]
    sessions.let.set()
    assert [piece async for piece in await asked] == [b"bytes"]
    assert producer.sources == [known.source]
    assert not producer.open


@pytest.mark.parametrize("fails", [False, True])
async def test_is_not_given_when_the_session_has_ended(fails: bool) -> None:
    producer = Producer(Unavailable("the disk is away") if fails else None)
    notes = Notes()
    sessions = Sessions(Gone("this playback session has ended"), stream())
    asked = await begin(sessions, producer, notes)
    sessions.let.set()
    with pytest.raises(Gone):
        await asked
    assert len(producer.sources) == 1
    assert not producer.open
    assert notes.problems == []


async def test_is_read_again_when_the_file_is_another() -> None:
    known, now, producer = stream(), stream(), Producer()
    sessions = Sessions(now, known)
    asked = await begin(sessions, producer)
    sessions.let.set()
    segment = await asked
    assert producer.sources == [known.source, now.source]
    assert producer.open == 1
    await segment.pieces.aclose()


async def test_is_closed_when_the_client_leaves() -> None:
    known, producer = stream(), Producer()
    asked = await begin(Sessions(known, known), producer)
    assert producer.open == 1
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not producer.open


async def test_what_cannot_be_read_is_told_and_noted_once() -> None:
    known, notes = stream(), Notes()
    sessions = Sessions(known, known)
    asked = await begin(sessions, Producer(Unavailable("the disk is away")), notes)
    sessions.let.set()
    with pytest.raises(Unavailable, match="the disk is away"):
        await asked
    assert notes.problems == ["the disk is away"]


@pytest.mark.parametrize("known", [None, stream(Treatment.TRANSCODE)], ids=["unknown", "converted"])
async def test_nothing_else_is_begun_before_it_is_allowed(known: Any) -> None:
    producer = Producer()
    sessions = Sessions(known or stream(), known)
    asked = await begin(sessions, producer)
    assert producer.sources == []
    sessions.let.set()
    assert [piece async for piece in await asked] == [b"bytes"]
