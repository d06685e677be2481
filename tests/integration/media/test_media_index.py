"""The index of a media file: kept, checked, and made again when it is not what it should be."""

from __future__ import annotations

import dataclasses
import os
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg.index_builder import build_index
from odeion.adapters.ffmpeg.media_index import FORMAT, DamagedIndex, Fragments, Heap, IndexedStream, decode
from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.mp4 import Unsupported
from odeion.adapters.ffmpeg.stream_entry import init_segment, stream_entry
from odeion.adapters.memory.media_indexes import MemoryMediaIndexes
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStructure, GroupsOfPictures
from odeion.domain.shared.errors import Conflict, Unavailable
from odeion.domain.shared.ids import MediaFileId
from tests.integration.media import hls

FILE = MediaFileId(1)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture
def store() -> MemoryMediaIndexes:
    return MemoryMediaIndexes()


@pytest.fixture
async def indexes(store: MemoryMediaIndexes) -> AsyncIterator[MediaIndexes]:
    indexes = MediaIndexes(store)
    yield indexes
    await indexes.close()


class TestContent:
    @pytest.mark.parametrize(
        ("name", "groups"),
        [
            ("h264_aac_mp4", GroupsOfPictures.CLOSED),
            ("h264_surround_mkv", GroupsOfPictures.CLOSED),
            ("mixed_gop_mp4", GroupsOfPictures.MIXED),
            ("mixed_gop_mkv", GroupsOfPictures.MIXED),
            ("open_gop_mp4", GroupsOfPictures.OPEN),
            ("open_gop_mkv", GroupsOfPictures.OPEN),
            ("hevc10_mkv", None),
        ],
    )
    def test_tells_where_a_decoder_may_begin(self, name: str, groups: GroupsOfPictures | None, samples: Path) -> None:
        source = hls.probe(hls.make(name, samples))
        assert decode(build_index(source)).structure(source.technical).groups is groups

    def test_is_the_same_each_time(self, samples: Path) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        assert build_index(source) == build_index(source)

    def test_says_why_a_stream_is_left_to_libavformat(self, samples: Path) -> None:
        source = hls.probe(hls.make("trimmed_mp4", samples))
        index = decode(build_index(source))
        assert index.description.left[0] == "an edit list that begins within a group of pictures"
        assert index.structure(source.technical).refused == {}

    @pytest.mark.parametrize("name", ["h264_aac_mp4", "h264_surround_mkv"])
    def test_no_flipped_bit_goes_unnoticed(self, name: str, samples: Path) -> None:
        data = build_index(hls.probe(hls.make(name, samples)))
        chance = random.Random(7)  # noqa: S311
        for _ in range(300):
            damaged = bytearray(data)
            damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            with pytest.raises(DamagedIndex):
                decode(bytes(damaged))
        for length in (0, 3, 14, len(data) // 2, len(data) - 1):
            with pytest.raises(DamagedIndex):
                decode(data[:length])


class TestAStreamsEntry:
    @staticmethod
    def entry(samples: Path, starts: tuple[int, ...], sizes: tuple[int, ...]) -> IndexedStream:
        """Of a picture whose segments end at 900000 ticks."""
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        picture = source.technical.video[0]
        init = init_segment(source, picture.index)
        return stream_entry(picture, Heap(), init, starts, 900_000, Fragments(segments=((0, 0),) * 2), sizes=sizes)

    def test_has_the_rates_of_its_segments(self, samples: Path) -> None:
        entry = self.entry(samples, (0, 180_000), (250_000, 2_000_000))
        assert (entry.peak_bps, entry.average_bps) == (2_000_000, 1_800_000)

    @pytest.mark.parametrize(("starts", "sizes"), [((0, 900_000), (1, 1)), ((0, 0), (1, 1)), ((0, 180_000), (1, 0))])
    def test_is_not_made_of_segments_out_of_order(
        self, starts: tuple[int, ...], sizes: tuple[int, ...], samples: Path
    ) -> None:
        with pytest.raises(Unsupported, match="out of order"):
            self.entry(samples, starts, sizes)

    def test_is_made_for_nobody_where_segments_are_too_large(self, samples: Path) -> None:
        with pytest.raises(Conflict, match="too few keyframes"):
            self.entry(samples, (0, 180_000), (1, 600 << 20))


class TestKeeping:
    @pytest.fixture
    def source(self, samples: Path) -> MediaSource:
        return hls.probe(hls.make("h264_aac_mp4", samples))

    async def test_an_index_is_made_once(
        self, indexes: MediaIndexes, store: MemoryMediaIndexes, source: MediaSource
    ) -> None:
        await indexes.ensure(source)
        stored = await store.find(FILE)
        unable = MediaIndexes(store, command=(sys.executable, "-c", "raise SystemExit(3)"))
        await unable.ensure(source)
        assert (await unable.get(source)).stamp == source.stamp
        assert await store.find(FILE) == stored

    async def test_a_damaged_index_is_made_again(
        self, indexes: MediaIndexes, store: MemoryMediaIndexes, source: MediaSource
    ) -> None:
        await indexes.ensure(source)
        sound = await store.find(FILE)
        assert sound
        await store.put(FILE, source.stamp, FORMAT, FileStructure(), sound[:-1] + bytes([sound[-1] ^ 1]))
        await indexes.get(source)
        assert await store.find(FILE) == sound

    async def test_an_index_of_other_bytes_is_made_again(
        self, indexes: MediaIndexes, store: MemoryMediaIndexes, source: MediaSource, samples: Path
    ) -> None:
        other = dataclasses.replace(hls.probe(hls.make("h264_surround_mkv", samples)), file_id=FILE)
        await indexes.ensure(other)
        assert (await indexes.get(source)).stamp == source.stamp
        assert decode(await store.find(FILE) or b"").stamp == source.stamp

    async def test_a_file_that_changed_or_went_is_told(self, indexes: MediaIndexes, source: MediaSource) -> None:
        changed = dataclasses.replace(source, stamp=source.stamp._replace(size_bytes=1))
        with pytest.raises(Conflict):
            await indexes.get(changed)
        with pytest.raises(Unavailable):
            await indexes.get(dataclasses.replace(source, path=source.path + ".gone"))

    async def test_a_file_that_crashes_its_reader_is_not_tried_again(
        self, store: MemoryMediaIndexes, source: MediaSource
    ) -> None:
        crashes = (
            "import os, odeion.sandbox.worker as worker\nworker.serve(lambda request: os.kill(os.getpid(), 11) or b'')"
        )
        indexes = MediaIndexes(store, command=(sys.executable, "-P", "-c", crashes))
        await indexes.ensure(source)
        assert decode(await store.find(FILE) or b"").description.unreadable == "reading its structure crashed"
        assert await indexes.structure(source) == FileStructure(
            refused=dict.fromkeys((0, 1), "reading its structure crashed")
        )
        await indexes.close()

    async def test_a_name_that_is_no_text_can_be_indexed(
        self, indexes: MediaIndexes, source: MediaSource, tmp_path: Path
    ) -> None:
        path = os.path.join(os.fsencode(tmp_path), b"f\xfflm.mp4")  # noqa: PTH118
        Path(os.fsdecode(path)).write_bytes(Path(source.path).read_bytes())
        film = hls.probe(Path(os.fsdecode(path)))
        assert (await indexes.get(film)).description.streams
