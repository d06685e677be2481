"""Transport streams as they come: cut anywhere, damaged, joined, encrypted."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from odeion.adapters.ffmpeg.index_builder import build_index
from odeion.adapters.ffmpeg.media_index import Description, decode
from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.memory.media_indexes import MemoryMediaIndexes
from odeion.domain.media_file import GroupsOfPictures
from odeion.domain.playback.plan import Treatment
from odeion.domain.shared.errors import Conflict
from tests.integration.media import hls
from tests.integration.media.hls import COPIES_ALL, Seen, h264, pattern, tone

PACKET = 188


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s: a keyframe each second, all of them IDR pictures; AAC."""
    target = tmp_path_factory.mktemp("film") / "film.ts"
    return hls.encode(target, *pattern(20, "25"), *tone(20), *h264(frames_between_keys=25), "-c:a", "aac")


@pytest.fixture
async def producer(tmp_path: Path) -> AsyncIterator[HlsRenditionProducer]:
    async def folder() -> Path:
        return tmp_path / "cache"

    indexes = MediaIndexes(MemoryMediaIndexes())
    producer = HlsRenditionProducer(folder, hls.leases(), hls.settings, 10**9, indexes=indexes)
    yield producer
    await producer.close()


def index_of(path: Path) -> Description:
    return decode(build_index(hls.probe(path))).description


def changed(film: Path, target: Path, change: Callable[[bytearray], None]) -> Path:
    data = bytearray(film.read_bytes())
    change(data)
    target.write_bytes(data)
    return target


async def copied_sound(path: Path, producer: HlsRenditionProducer, folder: Path) -> Path:
    source = hls.probe(path)
    return (await hls.produce(producer, source, hls.plan_for(source, COPIES_ALL).audio[0], folder / "sound")).whole


async def copied(path: Path, producer: HlsRenditionProducer, folder: Path) -> tuple[list[Seen], list[Seen]]:
    """The pictures and the frames of sound that come out."""
    source = hls.probe(path)
    plan = hls.plan_for(source, COPIES_ALL)
    assert plan.video is not None
    video = await hls.produce(producer, source, plan.video, folder / "video")
    audio = await hls.produce(producer, source, plan.audio[0], folder / "audio")
    return hls.packets(video.whole), hls.packets(audio.whole)


class TestWhole:
    async def test_a_recording_that_begins_anywhere_begins_with_its_first_keyframe(
        self, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        """Cut within a packet within a picture, 5 s after the start or so."""
        size = film.stat().st_size
        late = changed(film, tmp_path / "late.ts", lambda data: data.__delitem__(slice(0, size // 4)))
        pictures, _ = await copied(late, producer, tmp_path)
        every, _ = await copied(film, producer, tmp_path / "whole")
        first = next(n for n, picture in enumerate(every) if picture.checksum == pictures[0].checksum)
        assert first % 25 == 0
        assert 75 <= first <= 175
        assert [p.checksum for p in pictures] == [p.checksum for p in every[first:]]

    async def test_the_clock_may_begin_anew(self, film: Path, producer: HlsRenditionProducer, tmp_path: Path) -> None:
        wrap_s = 2**33 / 90_000
        wrapped = tmp_path / "wrapped.ts"
        hls.encode(wrapped, "-i", film, "-c", "copy", "-output_ts_offset", str(wrap_s - 10))
        data = wrapped.read_bytes()
        highest_bits = {data[header + 9] >> 1 & 7 for _, header in pes_packets(data)}
        assert highest_bits == {0b111, 0}
        pictures, sounds = await copied(wrapped, producer, tmp_path)
        expected, heard = await copied(film, producer, tmp_path / "whole")
        for before, after in ((expected, pictures), (heard, sounds)):
            assert [packet.checksum for packet in before] == [packet.checksum for packet in after]
            assert [packet.pts for packet in before] == pytest.approx([packet.pts for packet in after], abs=0.003)

    async def test_packets_may_be_apart_by_204_bytes(
        self, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        data = film.read_bytes()
        padded = b"".join(data[at : at + PACKET] + bytes(16) for at in range(0, len(data), PACKET))
        target = tmp_path / "padded.ts"
        target.write_bytes(padded)
        pictures, sounds = await copied(target, producer, tmp_path)
        expected, heard = await copied(film, producer, tmp_path / "whole")
        assert [packet.checksum for packet in pictures] == [packet.checksum for packet in expected]
        assert [packet.checksum for packet in sounds] == [packet.checksum for packet in heard]


def pes_packets(data: bytes | bytearray, pid: int = 0x100) -> list[tuple[int, int]]:
    """Where packets are in which PES packets of a stream begin, and where in the data these do."""
    found = []
    for at in range(0, len(data) - PACKET + 1, PACKET):
        if data[at + 1] & 0x40 and (data[at + 1] & 0x1F) << 8 | data[at + 2] == pid:
            found.append((at, at + (5 + data[at + 4] if data[at + 3] & 0x20 else 4)))
    return found


def _of_sound(data: bytearray) -> int:
    """Where a packet lies in the middle of frames of sound."""
    return pes_packets(data, 0x101)[60][0] + PACKET


def _packet(data: bytearray, at: int) -> bytes:
    return bytes(data[at : at + PACKET])


def _drop(data: bytearray, at: int) -> None:
    del data[at : at + PACKET]


DAMAGES: dict[str, Callable[[bytearray], None]] = {
    "lost_packets": lambda data: data.__delitem__(slice(PACKET * 900, PACKET * 930)),
    "lost_bytes": lambda data: data.__delitem__(slice(PACKET * 900 + 50, PACKET * 900 + 51)),
    "noise_between": lambda data: data.__setitem__(slice(PACKET * 900, PACKET * 900), b"\x47\x13" * 3000),
    "zeros": lambda data: data.__setitem__(slice(PACKET * 900, PACKET * 920), bytes(PACKET * 20)),
    "one_of_sound": lambda data: _drop(data, _of_sound(data)),
    "sent_twice": lambda data: data.__setitem__(
        slice(_of_sound(data), _of_sound(data)), _packet(data, _of_sound(data))
    ),
    "cut_off": lambda data: data.__delitem__(slice(len(data) - 3 * PACKET - 100, len(data))),
}


# A frame of AAC, of one channel.
SILENCE = zlib.crc32(bytes.fromhex("01182007"))


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES)
    async def test_costs_what_is_damaged_and_no_more(
        self, damage: str, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        broken = changed(film, tmp_path / "broken.ts", DAMAGES[damage])
        pictures, sounds = await copied(broken, producer, tmp_path)
        every_picture, every_sound = await copied(film, producer, tmp_path / "whole")
        sounds = [packet for packet in sounds if packet.checksum != SILENCE]
        for found, every in ((pictures, every_picture), (sounds, every_sound)):
            kept = {packet.checksum for packet in found}
            assert sum(packet.checksum not in kept for packet in every) <= 30
            known = {(packet.checksum, round(packet.pts, 2)) for packet in every}
            assert sum((packet.checksum, round(packet.pts, 2)) not in known for packet in found) <= 3
            times = [packet.dts for packet in found if packet.dts is not None]
            assert times == sorted(times)

    @pytest.mark.parametrize("damage", ["lost_packets", "zeros", "one_of_sound", "sent_twice"])
    async def test_frames_of_sound_are_whole_or_silent(
        self, damage: str, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        """Browsers break off at one that is put together from two."""
        broken = changed(film, tmp_path / "broken.ts", DAMAGES[damage])
        sounds = hls.packets(await copied_sound(broken, producer, tmp_path))
        expected = hls.packets(await copied_sound(film, producer, tmp_path / "whole"))
        assert {packet.checksum for packet in sounds} <= {SILENCE, *(packet.checksum for packet in expected)}
        lost = sum(packet.checksum == SILENCE for packet in sounds)
        assert lost <= 60
        assert (lost == 0) == (damage == "sent_twice")
        # What comes behind stays where it was, also for players that only count frames.
        assert len(sounds) == len(expected)

    async def test_pictures_behind_a_loss_are_left_out_up_to_the_next_keyframe(
        self, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        def lose(data: bytearray) -> None:
            """The start of the eleventh picture of a group."""
            _drop(data, pes_packets(data)[210][0])

        pictures, _ = await copied(changed(film, tmp_path / "broken.ts", lose), producer, tmp_path)
        every, _ = await copied(film, producer, tmp_path / "whole")
        kept = [picture.checksum for picture in pictures]
        lost = [number for number, picture in enumerate(every) if picture.checksum not in kept]
        assert lost == list(range(209, 225))
        assert every[225].key
        # It lasts until there is another.
        assert pictures[208].duration == pytest.approx(17 / 25, abs=0.05)

    async def test_packets_that_are_not_counted_are_all_there(
        self, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        def uncounted(data: bytearray) -> None:
            for at in range(0, len(data), PACKET):
                if (data[at + 1] & 0x1F, data[at + 2]) == (1, 0):
                    data[at + 3] &= 0xF0

        pictures, _ = await copied(changed(film, tmp_path / "uncounted.ts", uncounted), producer, tmp_path)
        every, _ = await copied(film, producer, tmp_path / "whole")
        assert [picture.checksum for picture in pictures] == [picture.checksum for picture in every]

    async def test_of_one_timestamp_costs_one_picture(
        self, film: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        data = bytearray(film.read_bytes())
        _, header = pes_packets(data)[260]
        data[header + 9] ^= 0x08
        if data[header + 7] & 0x40:
            data[header + 14] ^= 0x08
        broken = tmp_path / "broken.ts"
        broken.write_bytes(data)
        pictures, _ = await copied(broken, producer, tmp_path)
        every, _ = await copied(film, producer, tmp_path / "whole")
        assert len(pictures) == len(every) - 1
        assert {p.checksum for p in pictures} < {p.checksum for p in every}


LATE = ("-output_ts_offset", "20")
VIDEO = h264(frames_between_keys=25)
# What does not go on where the film ends.
OTHERS: dict[str, tuple[str, ...]] = {
    "much_later": (*pattern(5, "25"), *tone(5), *VIDEO, "-c:a", "aac", "-output_ts_offset", "500"),
    "anew": (*pattern(5, "25"), *tone(5), *VIDEO, "-c:a", "aac"),
    "another_size": (*pattern(5, "25", "176x144"), *tone(5), *VIDEO, "-c:a", "aac", *LATE),
    "another_profile": (*pattern(5, "25"), *tone(5), *VIDEO, "-profile:v", "main", "-c:a", "aac", *LATE),
    "another_rate": (*pattern(5, "25"), *tone(5), *VIDEO, "-ar", "44100", "-c:a", "aac", *LATE),
}


class TestRefusals:
    @pytest.mark.parametrize(
        ("other", "video", "audio"),
        [
            ("much_later", "timestamps that jump", "timestamps that jump"),
            ("anew", "timestamps that jump", "timestamps that jump"),
            ("another_size", "parameter sets that change", None),
            ("another_profile", "parameter sets that change", None),
            ("another_rate", None, "sound that changes its form"),
        ],
    )
    def test_say_why(self, other: str, video: str | None, audio: str | None, film: Path, tmp_path: Path) -> None:
        behind = hls.encode(tmp_path / "other.ts", *OTHERS[other])
        index = index_of(hls.joined(tmp_path / "joined.ts", film, behind))
        assert (index.refused.get(0), index.refused.get(1)) == (video, audio)
        assert len(index.streams) == 2 - len(index.refused)

    def test_what_is_encrypted_is_refused(self, film: Path, tmp_path: Path) -> None:
        def encrypt(data: bytearray) -> None:
            for at in range(len(data) // 2 // PACKET * PACKET, len(data), PACKET):
                if (data[at + 1] & 0x1F, data[at + 2]) in ((1, 0), (1, 1)):
                    data[at + 3] |= 0x80

        index = index_of(changed(film, tmp_path / "encrypted.ts", encrypt))
        assert set(index.refused.values()) == {"it is encrypted"}

    def test_pictures_that_share_pes_packets_are_refused(self, film: Path, tmp_path: Path) -> None:
        def share(data: bytearray) -> None:
            """Every second picture goes on in the packet of the one before."""
            for at, _ in pes_packets(data)[1::2]:
                data[at + 1] &= ~0x40

        index = index_of(changed(film, tmp_path / "shared.ts", share))
        assert index.refused[0] == "pictures that do not begin PES packets"

    async def test_what_is_refused_is_not_copied_but_made_good_by_converting(
        self, film: Path, tmp_path: Path, producer: HlsRenditionProducer
    ) -> None:
        behind = hls.encode(tmp_path / "other.ts", *OTHERS["another_profile"])
        source = hls.probe(hls.joined(tmp_path / "joined.ts", film, behind))
        unknowing = hls.plan_for(source, COPIES_ALL)
        assert unknowing.video is not None and unknowing.video.treatment is Treatment.COPY
        with pytest.raises(Conflict, match="parameter sets that change"):
            await producer.grid(source, unknowing.video)
        structure = decode(build_index(source)).structure(source.technical)
        plan = hls.plan_for(replace(source, structure=structure), COPIES_ALL)
        assert plan.video is not None
        assert (plan.video.treatment, plan.audio[0].treatment) == (Treatment.TRANSCODE, Treatment.COPY)
        for rendition in (plan.video, plan.audio[0]):
            made = await hls.produce(producer, source, rendition, tmp_path / rendition.codec)
            assert hls.play(made.whole) == pytest.approx(25, abs=0.2)


def small_pictures(path: Path) -> list[bytes]:
    """16x9 in RGB."""
    command = [hls.FFMPEG, "-v", "error", "-i", str(path), "-vf", "scale=16:9", "-pix_fmt", "rgb24"]
    pixels = subprocess.run([*command, "-f", "rawvideo", "pipe:1"], capture_output=True, check=True).stdout
    return [pixels[at : at + 16 * 9 * 3] for at in range(0, len(pixels), 16 * 9 * 3)]


class TestConversions:
    @pytest.mark.parametrize("deinterlace", [False, True])
    @pytest.mark.parametrize("size", ["320x180", "128x96"])
    async def test_go_on_where_the_picture_changes_its_size(
        self, size: str, deinterlace: bool, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        """A film of 6 s that is red and then blue."""
        parts = [
            hls.encode(
                tmp_path / f"{colour}.ts",
                *("-f", "lavfi", "-i", f"color={colour}:s={dimensions}:r=25:d=3", *tone(3), *VIDEO, "-c:a", "aac"),
                *("-output_ts_offset", offset),
            )
            for colour, dimensions, offset in (("red", "160x90", "0"), ("blue", size, "3"))
        ]
        source = hls.probe(hls.joined(tmp_path / "joined.ts", *parts))
        plan = hls.plan_for(source, hls.CONVERTS_ALL)
        assert plan.video is not None
        video = await hls.produce(producer, source, replace(plan.video, deinterlace=deinterlace), tmp_path / "video")
        assert hls.play(video.whole) == pytest.approx(6, abs=0.1)
        with av.open(str(video.whole)) as container:
            assert {(p.width, p.height) for p in container.decode(video=0)} == {(160, 90)}
        pictures = small_pictures(video.whole)
        # Up to the edges, of which nothing is left over from before.
        red, blue = ([min(picture[channel::3]) > 150 for picture in pictures] for channel in (0, 2))
        assert len(pictures) == pytest.approx(150, abs=2)
        assert red.index(False) == blue.index(True) == pytest.approx(75, abs=2)
        assert all(blue[blue.index(True) :])

    @pytest.mark.parametrize("form", [("-ar", "44100"), ("-ac", "6")], ids=["rate", "channels"])
    async def test_go_on_where_the_sound_changes_its_form(
        self, form: tuple[str, str], producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.two_pitches(tmp_path, form))
        plan = replace(hls.plan_for(source, hls.CONVERTS_ALL).audio[0], treatment=Treatment.TRANSCODE, codec="aac")
        sound = await hls.produce(producer, source, plan, tmp_path / "sound")
        assert [hls.pitch_of(sound.whole, start_s) for start_s in (0.5, 2, 3.5, 5)] == pytest.approx(
            [400, 400, 1000, 1000], abs=5
        )


class TestEntries:
    async def test_recovery_points_between_idr_pictures_are_left_out(
        self, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        """Four seconds between IDR pictures, one between keyframes."""
        film = hls.encode(tmp_path / "mixed.ts", "-i", hls.make("mixed_gop_mkv", tmp_path), "-c", "copy")
        source = hls.probe(film)
        (video, _) = index_of(film).streams
        assert video.groups is GroupsOfPictures.MIXED
        plan = hls.plan_for(source, COPIES_ALL)
        assert plan.video is not None
        made = await hls.produce(producer, source, plan.video, tmp_path / "video")
        pictures = hls.packets(made.whole)
        assert len(pictures) == len(hls.packets(film))
        assert [round(picture.pts) for picture in pictures if picture.key] == [0, 4, 8, 12, 16]
        assert hls.play(made.whole) == pytest.approx(20, abs=0.1)

    @pytest.mark.parametrize("name", ["h264_aac_ts", "hevc10_ts", "two_sounds_m2ts"])
    def test_the_rate_of_the_picture_is_known(self, name: str, tmp_path: Path) -> None:
        film = hls.make(name, tmp_path)
        with av.open(str(film)) as container:
            size = sum(packet.size for packet in container.demux(video=0))
        (video, *_) = index_of(film).streams
        assert video.average_bps == pytest.approx(size * 8 * video.timescale / video.end, rel=0.05)
        assert video.peak_bps > video.average_bps

    @pytest.mark.parametrize(("name", "groups"), [("transport_stream", "open"), ("hevc10_ts", None)])
    def test_groups_of_pictures_are_known(self, name: str, groups: str | None, tmp_path: Path) -> None:
        assert index_of(hls.make(name, tmp_path)).streams[0].groups == groups
