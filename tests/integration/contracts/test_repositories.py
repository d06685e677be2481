"""One contract per repository, held by PostgreSQL and by the fake of the harness alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from odeion.application.libraries.repositories import PlacedFile
from odeion.application.playback.ports import MAX_PROBLEMS, PlaybackDebug, PlaybackProblem
from odeion.application.shared.viewer import OPERATOR
from odeion.domain.catalog import EpisodeIdentity, FileRole, MediaRef, Placement, PlayableType, TitleIdentity
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.users import Role, User
from odeion.domain.library import Library, LibraryKind, LibraryOptions
from odeion.domain.media_file import (
    AudioStream,
    Chapter,
    FileStamp,
    HdrFormat,
    MediaFile,
    SidecarSubtitle,
    SubtitleStream,
    TechnicalInfo,
    VideoStream,
)
from odeion.domain.playback.capabilities import ClientCapabilities, PlaybackOptions
from odeion.domain.playback.decision import decide
from odeion.domain.playback.session import Device, EndReason, PlaybackSession
from odeion.domain.progress import WatchProgress
from odeion.domain.shared.errors import Conflict, NotFound, StaleVersion
from odeion.domain.shared.ids import LibraryId, MediaFileId, PlaybackSessionId, TaskId, UserId
from odeion.domain.task import Task, TaskType

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

STAMP = FileStamp(size_bytes=2**40, mtime_ns=2**60, inode=2**62)

TECHNICAL = TechnicalInfo(
    container="matroska,webm",
    duration_ms=5_400_123,
    bitrate_bps=6_000_000,
    video=(
        VideoStream(
            index=0,
            codec="hevc",
            profile="Main 10",
            level=153,
            width=3840,
            height=1600,
            sample_aspect_ratio=Fraction(1),
            bit_depth=10,
            pixel_format="yuv420p10le",
            frame_rate=Fraction(24000, 1001),
            hdr=HdrFormat.DOLBY_VISION,
            dolby_vision_profile=8,
            rotation_degrees=90,
            is_default=True,
        ),
    ),
    audio=(AudioStream(index=1, codec="eac3", channels=6, sample_rate_hz=48_000, language="eng", title="Ton Ä"),),
    subtitles=(SubtitleStream(index=2, codec="subrip", is_text=True, is_forced=True),),
    chapters=(Chapter(start_ms=0, end_ms=10, title="One"),),
)


def user(name: str = "Mira") -> User:
    return User.create(username=name, password_hash="hash", role=Role.MODERATOR, at=NOW)


def library(name: str = "Films", *paths: str) -> Library:
    return Library.create(
        name=name,
        kind=LibraryKind.MIXED,
        paths=list(paths or (f"/{name}",)),
        options=LibraryOptions(ignore_patterns=("*.tmp",), include_extras=False),
        at=NOW,
    )


async def saved_user(uow: Any, name: str = "Mira") -> UserId:
    async with uow() as tx:
        user_id: UserId = await tx.users.save(user(name))
        await tx.commit()
    return user_id


async def saved_library(uow: Any) -> Library:
    async with uow() as tx:
        made = library()
        await tx.libraries.save(made)
        await tx.commit()
    return made


def media_file(of: Library, path: str = "Film.mkv", stamp: FileStamp = STAMP) -> MediaFile:
    assert of.id is not None and of.roots[0].id is not None
    made = MediaFile(id=None, library_id=of.id, root_id=of.roots[0].id, relative_path=path, stamp=stamp, added_at=NOW)
    made.probed(TECHNICAL, at=NOW)
    made.sidecars = (SidecarSubtitle(relative_path="Film.de.srt", format="srt", language="ger", is_forced=True),)
    return made


def film(title: str) -> Placement:
    return Placement(role=FileRole.MAIN, movie=TitleIdentity(title=title, year=2001))


def episode(number: int, series: str = "Show") -> Placement:
    return Placement(
        role=FileRole.MAIN,
        series=TitleIdentity(title=series, year=None),
        episode=EpisodeIdentity(
            season_number=1,
            episode_number=number,
            last_episode_number=number,
            absolute_number=None,
            air_date=None,
            title=f"Episode {number}",
        ),
    )


class TestUsers:
    async def test_all_fields_come_back(self, uow: Any) -> None:
        made = user()
        async with uow() as tx:
            user_id = await tx.users.save(made)
            await tx.commit()
        async with uow() as tx:
            assert await tx.users.get(user_id) == made

    async def test_what_is_not_committed_vanishes(self, uow: Any) -> None:
        async with uow() as tx:
            await tx.users.save(user())
        async with uow() as tx:
            assert not await tx.users.any_exists()

    async def test_names_are_taken_whatever_their_case(self, uow: Any) -> None:
        await saved_user(uow, "Mira")
        async with uow() as tx:
            found = await tx.users.find_by_username("mIRA")
            assert found is not None and found.username == "Mira"
        with pytest.raises(Conflict):
            await saved_user(uow, "MIRA")

    async def test_a_stale_copy_is_refused(self, uow: Any) -> None:
        user_id = await saved_user(uow)
        async with uow() as tx:
            mine = await tx.users.get(user_id)
        async with uow() as tx:
            theirs = await tx.users.get(user_id)
            theirs.change_password("other")
            await tx.users.save(theirs)
            await tx.commit()
        async with uow() as tx:
            with pytest.raises(StaleVersion):
                await tx.users.save(mine)

    async def test_an_unknown_one_is_not_found(self, uow: Any) -> None:
        async with uow() as tx:
            with pytest.raises(NotFound):
                await tx.users.get(UserId(99))
            assert await tx.users.find_by_username("nobody") is None


class TestLoginSessions:
    async def test_is_found_by_both_of_its_tokens(self, uow: Any) -> None:
        user_id = await saved_user(uow)
        session = LoginSession.start(user_id=user_id, refresh_hash=b"1", user_agent="x", address="a", at=NOW)
        async with uow() as tx:
            await tx.login_sessions.save(session)
            session.rotate(presented_hash=b"1", next_hash=b"2", address="b", at=NOW + timedelta(hours=1))
            await tx.login_sessions.save(session)
            await tx.commit()
        async with uow() as tx:
            assert await tx.login_sessions.find_by_refresh_hash(b"1") == session
            assert await tx.login_sessions.find_by_refresh_hash(b"2") == session
            assert await tx.login_sessions.find_by_refresh_hash(b"3") is None

    async def test_all_of_a_user_end_together(self, uow: Any) -> None:
        mira, theo = await saved_user(uow, "Mira"), await saved_user(uow, "Theo")
        async with uow() as tx:
            for owner, token in ((mira, b"1"), (mira, b"2"), (theo, b"3")):
                await tx.login_sessions.save(
                    LoginSession.start(user_id=owner, refresh_hash=token, user_agent="x", address="a", at=NOW)
                )
            await tx.login_sessions.revoke_all(mira, at=NOW)
            await tx.commit()
        async with uow() as tx:
            ended = [(await tx.login_sessions.find_by_refresh_hash(t)).revoked_at for t in (b"1", b"2", b"3")]
        assert ended == [NOW, NOW, None]


class TestSettings:
    async def test_the_last_value_counts(self, uow: Any) -> None:
        async with uow() as tx:
            assert await tx.settings.find("key") is None
            await tx.settings.put("key", {"a": [1]}, at=NOW)
            await tx.settings.put("key", {"a": [2]}, at=NOW)
            await tx.commit()
        async with uow() as tx:
            assert await tx.settings.find("key") == {"a": [2]}


class TestLibraries:
    async def test_all_fields_come_back(self, uow: Any) -> None:
        made = await saved_library(uow)
        async with uow() as tx:
            assert made.id is not None
            assert await tx.libraries.get(made.id) == made

    async def test_names_and_folders_are_taken(self, uow: Any) -> None:
        await saved_library(uow)
        for other in (library("FILMS", "/other"), library("Other", "/Films")):
            with pytest.raises(Conflict):
                async with uow() as tx:
                    await tx.libraries.save(other)

    async def test_files_of_a_removed_root_are_forgotten(self, uow: Any) -> None:
        made = await saved_library(uow)
        async with uow() as tx:
            await tx.media_files.save_many([media_file(made)])
            made.change(paths=["/elsewhere"], at=NOW)
            former = made.roots[0].id
            await tx.libraries.save(made)
            await tx.commit()
        async with uow() as tx:
            assert made.roots[0].id is not None and made.roots[0].id != former
            assert await tx.media_files.known(made.roots[0].id) == []

    async def test_what_a_scan_learned_of_a_root(self, uow: Any) -> None:
        made = await saved_library(uow)
        root_id = made.roots[0].id
        assert made.id is not None and root_id is not None
        async with uow() as tx:
            assert await tx.libraries.tree_digest(root_id) is None
            await tx.libraries.note_root(root_id, device=7, tree_digest=b"tree", unavailable_reason=None)
            await tx.commit()
        async with uow() as tx:
            assert await tx.libraries.tree_digest(root_id) == b"tree"
            assert (await tx.libraries.get(made.id)).roots[0].device == 7

    async def test_a_deleted_one_is_gone_with_its_files(self, uow: Any) -> None:
        made = await saved_library(uow)
        assert made.id is not None
        async with uow() as tx:
            file = media_file(made)
            await tx.media_files.save_many([file])
            await tx.libraries.delete(made)
            await tx.commit()
        async with uow() as tx:
            with pytest.raises(NotFound):
                await tx.libraries.get(made.id)
            assert await tx.media_files.get_many([file.id]) == []
            assert await tx.libraries.list_all() == []


class TestMediaFiles:
    async def test_all_fields_come_back(self, uow: Any) -> None:
        made = await saved_library(uow)
        file = media_file(made, "Ordner/Film \udcff.mkv")
        async with uow() as tx:
            await tx.media_files.save_many([file])
            await tx.commit()
        async with uow() as tx:
            assert await tx.media_files.get_many([file.id]) == [file]
            (known,) = await tx.media_files.known(file.root_id)
        assert (known.relative_path, known.stamp, known.sidecars) == (file.relative_path, file.stamp, file.sidecars)

    async def test_many_at_once_keep_their_order_and_ids(self, uow: Any) -> None:
        made = await saved_library(uow)
        files = [media_file(made, f"{number}.mkv") for number in range(50)]
        async with uow() as tx:
            await tx.media_files.save_many(files)
            for file in files:
                file.went_missing(at=NOW)
            await tx.media_files.save_many(files)
            await tx.commit()
        async with uow() as tx:
            for file in files:
                (found,) = await tx.media_files.get_many([file.id])
                assert found == file

    async def test_a_stale_copy_is_refused(self, uow: Any) -> None:
        made = await saved_library(uow)
        file = media_file(made)
        async with uow() as tx:
            await tx.media_files.save_many([file])
            (mine,) = await tx.media_files.get_many([file.id])
            await tx.media_files.save_many([file])
            with pytest.raises(StaleVersion):
                await tx.media_files.save_many([mine])

    async def test_an_unknown_one_is_just_not_there(self, uow: Any) -> None:
        async with uow() as tx:
            assert await tx.media_files.get_many([MediaFileId(99)]) == []


class TestCatalog:
    async def place(self, uow: Any, made: Library, placed: list[PlacedFile]) -> None:
        async with uow() as tx:
            await tx.media_files.save_many([entry.file for entry in placed])
            await tx.catalog.place_files(made.id or LibraryId(0), placed)
            await tx.commit()

    async def watch(self, uow: Any, user_id: UserId, media: MediaRef) -> None:
        async with uow() as tx:
            progress = WatchProgress(user_id=user_id, media=media, updated_at=NOW)
            progress.watched_to(1_000_000, duration_ms=await tx.progress.duration_ms(OPERATOR, media), at=NOW)
            await tx.progress.save(progress)
            await tx.commit()

    async def find(self, uow: Any, user_id: UserId, media_type: PlayableType) -> set[int]:
        """The ids of content the user has progress with."""
        async with uow() as tx:
            return {i for i in range(1, 60) if await tx.progress.find(user_id, MediaRef(media_type, i))}

    async def movies(self, uow: Any) -> set[int]:
        return await self.content(uow, PlayableType.MOVIE)

    async def content(self, uow: Any, media_type: PlayableType) -> set[int]:
        found = set()
        for number in range(1, 60):
            async with uow() as tx:
                try:
                    await tx.progress.duration_ms(OPERATOR, MediaRef(media_type, number))
                except NotFound:
                    continue
                found.add(number)
        return found

    async def test_two_files_of_one_name_are_one_film(self, uow: Any) -> None:
        made = await saved_library(uow)
        files = [media_file(made, "a.mkv"), media_file(made, "b.mkv")]
        await self.place(uow, made, [PlacedFile(file, film("Film")) for file in files])
        assert len(await self.movies(uow)) == 1

    async def test_placing_again_changes_nothing(self, uow: Any) -> None:
        made = await saved_library(uow)
        file = media_file(made)
        await self.place(uow, made, [PlacedFile(file, film("Film"))])
        before = await self.movies(uow)
        await self.place(uow, made, [PlacedFile(file, film("Film"))])
        assert await self.movies(uow) == before

    async def test_a_renamed_film_keeps_its_identity_and_progress(self, uow: Any) -> None:
        user_id, made = await saved_user(uow), await saved_library(uow)
        file = media_file(made)
        await self.place(uow, made, [PlacedFile(file, film("Flim"))])
        (movie_id,) = await self.movies(uow)
        await self.watch(uow, user_id, MediaRef(PlayableType.MOVIE, movie_id))
        await self.place(uow, made, [PlacedFile(file, film("Film"), renamed=True)])
        assert await self.movies(uow) == {movie_id}
        assert await self.find(uow, user_id, PlayableType.MOVIE) == {movie_id}

    async def test_a_film_renamed_to_a_known_one_hands_its_progress_over(self, uow: Any) -> None:
        user_id, made = await saved_user(uow), await saved_library(uow)
        file, other = media_file(made, "a.mkv"), media_file(made, "b.mkv")
        await self.place(uow, made, [PlacedFile(file, film("Flim"))])
        (wrong,) = await self.movies(uow)
        await self.watch(uow, user_id, MediaRef(PlayableType.MOVIE, wrong))
        await self.place(uow, made, [PlacedFile(other, film("Film"))])
        await self.place(uow, made, [PlacedFile(file, film("Film"), renamed=True)])
        (right,) = await self.movies(uow)
        assert await self.find(uow, user_id, PlayableType.MOVIE) == {right} != {wrong}

    async def test_a_renumbered_episode_takes_its_progress_along(self, uow: Any) -> None:
        user_id, made = await saved_user(uow), await saved_library(uow)
        file = media_file(made)
        await self.place(uow, made, [PlacedFile(file, episode(1))])
        (before,) = await self.content(uow, PlayableType.EPISODE)
        await self.watch(uow, user_id, MediaRef(PlayableType.EPISODE, before))
        await self.place(uow, made, [PlacedFile(file, episode(2), renamed=True)])
        (after,) = await self.content(uow, PlayableType.EPISODE)
        assert await self.find(uow, user_id, PlayableType.EPISODE) == {after} != {before}

    async def test_content_nobody_watched_goes_with_its_last_file(self, uow: Any) -> None:
        made = await saved_library(uow)
        file = media_file(made)
        await self.place(uow, made, [PlacedFile(file, film("Film"))])
        await self.place(uow, made, [PlacedFile(file, None)])
        assert await self.movies(uow) == set()

    async def test_content_somebody_watched_stays(self, uow: Any) -> None:
        user_id, made = await saved_user(uow), await saved_library(uow)
        file = media_file(made)
        await self.place(uow, made, [PlacedFile(file, film("Film"))])
        (movie_id,) = await self.movies(uow)
        await self.watch(uow, user_id, MediaRef(PlayableType.MOVIE, movie_id))
        await self.place(uow, made, [PlacedFile(file, None)])
        assert await self.movies(uow) == {movie_id}


class TestProgress:
    async def movie(self, uow: Any) -> MediaRef:
        made = await saved_library(uow)
        file = media_file(made)
        async with uow() as tx:
            await tx.media_files.save_many([file])
            await tx.catalog.place_files(made.id, [PlacedFile(file, film("Film"))])
            await tx.commit()
        for number in range(1, 60):
            async with uow() as tx:
                try:
                    await tx.progress.duration_ms(OPERATOR, MediaRef(PlayableType.MOVIE, number))
                except NotFound:
                    continue
                return MediaRef(PlayableType.MOVIE, number)
        raise AssertionError("no film")

    async def test_all_fields_come_back(self, uow: Any) -> None:
        user_id, media = await saved_user(uow), await self.movie(uow)
        progress = WatchProgress(user_id=user_id, media=media, updated_at=NOW)
        progress.watched_to(1_000, duration_ms=5_000_000, at=NOW)
        async with uow() as tx:
            await tx.progress.save(progress)
            await tx.commit()
        async with uow() as tx:
            assert await tx.progress.find(user_id, media) == progress

    async def test_of_two_at_once_the_later_stays(self, uow: Any) -> None:
        user_id, media = await saved_user(uow), await self.movie(uow)
        late = WatchProgress(user_id=user_id, media=media, position_ms=2, updated_at=NOW + timedelta(seconds=1))
        early = WatchProgress(user_id=user_id, media=media, position_ms=1, updated_at=NOW)
        async with uow() as tx:
            await tx.progress.save(late)
            await tx.progress.save(early)
            await tx.commit()
        async with uow() as tx:
            assert (await tx.progress.find(user_id, media)).position_ms == 2

    async def test_is_each_users_own(self, uow: Any) -> None:
        mira, theo, media = await saved_user(uow, "Mira"), await saved_user(uow, "Theo"), await self.movie(uow)
        async with uow() as tx:
            for owner in (mira, theo):
                await tx.progress.save(WatchProgress(user_id=owner, media=media, updated_at=NOW))
            assert await tx.progress.delete(mira, media)
            assert not await tx.progress.delete(mira, media)
            assert await tx.progress.find(theo, media) is not None
            await tx.progress.delete_all(theo)
            assert await tx.progress.find(theo, media) is None


class TestPlaybackSessions:
    def session(self, user_id: UserId, media_id: int = 1, at: datetime = NOW, key: bytes = b"key") -> PlaybackSession:
        return PlaybackSession(
            id=None,
            user_id=user_id,
            login_session_id=None,
            username="theo",
            file_id=None,
            file_name="Film (2001).mkv",
            media=MediaRef(PlayableType.MOVIE, media_id),
            title="Film (2001)",
            stream_key_hash=key,
            plan=decide(TECHNICAL, (), ClientCapabilities(), PlaybackOptions()),
            capabilities=ClientCapabilities(hdr=frozenset({HdrFormat.HLG}), containers=frozenset({"mp4"})),
            options=PlaybackOptions(audio_stream_index=1),
            device=Device(name="TV", client="web"),
            address="127.0.0.1",
            position_ms=5,
            started_at=at,
            heartbeat_at=at,
        )

    async def test_all_fields_come_back(self, uow: Any) -> None:
        user_id = await saved_user(uow)
        session = self.session(user_id)
        async with uow() as tx:
            await tx.playback_sessions.save(session)
            await tx.commit()
        async with uow() as tx:
            assert await tx.playback_sessions.find_active(user_id, session.media) == session

    async def test_an_ended_one_is_the_latest_but_not_active(self, uow: Any) -> None:
        user_id = await saved_user(uow)
        session = self.session(user_id)
        async with uow() as tx:
            await tx.playback_sessions.save(session)
            session.end(EndReason.STOPPED, at=NOW)
            await tx.playback_sessions.save(session)
            assert await tx.playback_sessions.find_active(user_id, session.media) is None
            assert await tx.playback_sessions.find_latest(user_id, session.media) == session

    async def test_the_silent_ones_come_longest_silence_first(self, uow: Any) -> None:
        user_id = await saved_user(uow)
        async with uow() as tx:
            for minutes in (5, 1, 3):
                at = NOW - timedelta(minutes=minutes)
                await tx.playback_sessions.save(self.session(user_id, minutes, at, bytes([minutes])))
            silent = await tx.playback_sessions.list_silent(since=NOW - timedelta(minutes=2), limit=10)
        assert [session.media.id for session in silent] == [5, 3]

    async def test_anybodys_is_got_by_its_id(self, uow: Any) -> None:
        session = self.session(await saved_user(uow))
        async with uow() as tx:
            await tx.playback_sessions.save(session)
            assert session.id is not None
            assert await tx.playback_sessions.get(session.id) == session
            with pytest.raises(NotFound):
                await tx.playback_sessions.get(PlaybackSessionId(session.id + 1))


class TestPlaybackDebug:
    async def opened(self, uow: Any, at: datetime = NOW) -> PlaybackSessionId:
        """Of a session of its own."""
        user_id = await saved_user(uow)
        async with uow() as tx:
            session_id: PlaybackSessionId = await tx.playback_sessions.save(TestPlaybackSessions().session(user_id))
            await tx.playback_debug.open(session_id, self.record(at))
            await tx.commit()
        return session_id

    def record(self, at: datetime = NOW, **noted: Any) -> PlaybackDebug:
        return PlaybackDebug(opened_at=at, user_agent="TV/1.0", request={"profile": "auto"}, **noted)

    def problem(self, number: int) -> PlaybackProblem:
        return PlaybackProblem(at=NOW, part=f"video/{number}", code="service_unavailable", message="all are busy")

    async def test_all_fields_come_back(self, uow: Any) -> None:
        session_id = await self.opened(uow)
        async with uow() as tx:
            await tx.playback_debug.note_playlist(session_id, "#EXTM3U")
            await tx.playback_debug.note_problem(session_id, self.problem(1))
            await tx.playback_debug.note_problem(session_id, self.problem(2))
            await tx.commit()
        async with uow() as tx:
            noted = self.record(master_playlist="#EXTM3U", problems=(self.problem(1), self.problem(2)))
            assert await tx.playback_debug.find(session_id) == noted

    async def test_the_latest_problems_stay(self, uow: Any) -> None:
        session_id = await self.opened(uow)
        async with uow() as tx:
            for number in range(MAX_PROBLEMS + 3):
                await tx.playback_debug.note_problem(session_id, self.problem(number))
            found = await tx.playback_debug.find(session_id)
        assert [problem.part for problem in found.problems] == [f"video/{3 + n}" for n in range(MAX_PROBLEMS)]

    async def test_old_ones_are_dropped_and_notes_on_them_passed_over(self, uow: Any) -> None:
        session_id = await self.opened(uow)
        async with uow() as tx:
            await tx.playback_debug.drop_opened(before=NOW)
            assert await tx.playback_debug.find(session_id) == self.record()
            await tx.playback_debug.drop_opened(before=NOW + timedelta(seconds=1))
            await tx.playback_debug.note_playlist(session_id, "#EXTM3U")
            await tx.playback_debug.note_problem(session_id, self.problem(1))
            assert await tx.playback_debug.find(session_id) is None


class TestTasks:
    def task(self, subject: str = "library:1") -> Task:
        return Task.queue(TaskType.SCAN_LIBRARY, subject, {"library_id": 1}, at=NOW)

    async def test_all_fields_come_back(self, uow: Any) -> None:
        task = self.task()
        async with uow() as tx:
            await tx.tasks.save(task)
            task.claim("worker", at=NOW)
            task.percent, task.detail = 12.5, {"phase": "probing"}
            await tx.tasks.save(task)
            await tx.commit()
        async with uow() as tx:
            found = await tx.tasks.get_for_update(task.id)
        assert found == task

    async def test_there_is_one_active_task_per_subject(self, uow: Any) -> None:
        async with uow() as tx:
            await tx.tasks.save(self.task())
            await tx.tasks.save(self.task("library:2"))
            await tx.commit()
        with pytest.raises(Conflict):
            async with uow() as tx:
                await tx.tasks.save(self.task())

    async def test_an_ended_one_makes_room(self, uow: Any) -> None:
        async with uow() as tx:
            first = self.task()
            await tx.tasks.save(first)
            first.cancel(at=NOW)
            await tx.tasks.save(first)
            assert await tx.tasks.find_active(TaskType.SCAN_LIBRARY, "library:1") is None
            await tx.tasks.save(self.task())
            assert await tx.tasks.find_active(TaskType.SCAN_LIBRARY, "library:1") is not None

    async def test_an_unknown_one_is_not_found(self, uow: Any) -> None:
        async with uow() as tx:
            with pytest.raises(NotFound):
                await tx.tasks.get_for_update(TaskId(99))
