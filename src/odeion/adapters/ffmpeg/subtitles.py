"""Subtitles. Text becomes WebVTT, converted by ffmpeg, whereby the styling of ASS is lost; or a small file of its
own, with the fonts for it, that an encoder paints into the picture."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import json
import os
import re
import stat
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from odeion.adapters.ffmpeg.cache import SegmentCache
from odeion.adapters.ffmpeg.encoding import INDEXED, SUBTITLE_LEAD_S, BitmapSubtitles, TextSubtitles
from odeion.adapters.ffmpeg.media_stream import MediaStream, check_source, demuxer
from odeion.adapters.ffmpeg.once import once_for_all
from odeion.adapters.ffmpeg.process import FfmpegFailed, run_ffmpeg
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import SubtitleStream
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable

# What is made changes with this number.
_VERSION = 2
_SIDECAR_LIMIT_BYTES = 10 << 20
# With fonts.
_OUTPUT_LIMIT_BYTES = 128 << 20
# The packets lie all over the file, so all of it is read.
_EMBEDDED_LIMIT_S, _SIDECAR_LIMIT_S = 600.0, 30.0
_CACHE_LIMIT_BYTES = 1 << 30
_AT_ONCE = 2
# Whoever waits for a segment is told after this long that it takes a while.
_PATIENCE_S = 20
# Each costs a read of some megabytes.
_PAUSES_LIMIT = 200
_PGS_COMPOSITION, _PGS_OBJECTS = 0x16, 13
_STYLED = ("ass", "ssa")
_DEMUXERS = {"srt": "srt", "ass": "ass", "ssa": "ass", "vtt": "webvtt"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Languages whose subtitles of old are in another 8-bit encoding than Western Europe's.
_OLD_ENCODINGS = {
    "cp1250": "cze ces pol hun slo slk slv hrv rum ron bos alb sqi",
    "cp1251": "rus ukr bul srp mac mkd bel",
    "cp1253": "gre ell",
    "cp1254": "tur aze",
    "cp1255": "heb",
    "cp1256": "ara per fas urd",
    "cp1257": "lit lav est",
    "cp1258": "vie",
    "cp874": "tha",
    "cp932": "jpn",
    "cp949": "kor",
    "gb18030": "chi zho",
}
_ENCODING_OF = {code: encoding for encoding, codes in _OLD_ENCODINGS.items() for code in codes.split()}
_TAG = re.compile(r"<(/?)(i|b|u|c)(?:\.[\w.]*)?>|</?[a-z0-9!?][^>]*>|<", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Track:
    """Text subtitles as ffmpeg reads them: what tells them apart, its arguments for the input, which stream of that it
    is, what is fed to it, and how long it may take."""

    key: str
    input: tuple[str, ...]
    stream_index: int
    is_styled: bool
    given: bytes
    limit_s: float


def _embedded(source: MediaSource, stream_index: int) -> _Track:
    """Raises NotFound, Conflict, Unavailable."""
    stream = next((s for s in source.technical.subtitles if s.index == stream_index), None)
    if stream is None:
        raise NotFound("the file has no such subtitles")
    if not stream.is_text:
        raise Conflict("these subtitles are pictures; they can only be painted into the video")
    check_source(source)
    stamp = source.stamp
    return _Track(
        key=_digest([source.path, stamp.size_bytes, stamp.mtime_ns, stamp.inode, stream_index]),
        input=("-protocol_whitelist", "file,pipe", "-f", demuxer(source), "-i", f"file:{source.path}"),
        stream_index=stream_index,
        is_styled=stream.codec in _STYLED,
        given=b"",
        limit_s=_EMBEDDED_LIMIT_S,
    )


def _sidecar(source: MediaSource, position: int) -> _Track:
    """Raises NotFound, Conflict, Unavailable."""
    if not 0 <= position < len(source.sidecars):
        raise NotFound("the file has no such subtitles")
    sidecar = source.sidecars[position]
    demuxer_name = _DEMUXERS.get(sidecar.format)
    if demuxer_name is None:
        raise Conflict("subtitles of this kind cannot be shown")
    data = _read_sidecar(source.root_path, sidecar.relative_path)
    return _Track(
        key=_digest([demuxer_name, sidecar.language, hashlib.sha256(data).hexdigest()]),
        input=("-protocol_whitelist", "pipe", "-f", demuxer_name, "-i", "pipe:0"),
        stream_index=0,
        is_styled=sidecar.format in _STYLED,
        given=decode_subtitles(data, sidecar.language).encode(),
        limit_s=_SIDECAR_LIMIT_S,
    )


class _Shelf:
    """What ffmpeg makes of subtitles: from the cache, or made once for all who wait for it."""

    def __init__(self, cache_folder: Callable[[], Awaitable[Path]]) -> None:
        self._cache_folder = cache_folder
        self._cache = SegmentCache(_CACHE_LIMIT_BYTES)
        self._running: dict[str, asyncio.Task[bytes]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def get(
        self, track: _Track, name: str, output: Sequence[str], finish: Callable[[bytes], bytes] = bytes
    ) -> bytes:
        """What is in the file `name`. `output` are ffmpeg's arguments behind the input; `finish` is done to what it
        writes."""
        folder = await self._cache_folder()
        work = f"{track.key}/{name}"
        task = self._running.get(work)
        if task is None:
            task = asyncio.create_task(self._make(folder, track, name, output, finish))
            self._running[work] = task
            task.add_done_callback(lambda _: self._running.pop(work, None))
        return await asyncio.shield(task)

    async def place(self, track: _Track, name: str, output: Sequence[str]) -> Path:
        """Where that file is, for others to read."""
        folder = await self._cache_folder()
        if not await asyncio.to_thread(self._cache.keep, folder, track.key, name):
            await self.get(track, name, output)
        return folder / track.key / name

    async def _make(
        self, folder: Path, track: _Track, name: str, output: Sequence[str], finish: Callable[[bytes], bytes]
    ) -> bytes:
        known = await asyncio.to_thread(self._cache.find, folder, track.key, name)
        if known is not None:
            return known
        arguments = [*track.input, *output]
        async with self._slots:
            try:
                made = await run_ffmpeg(
                    arguments, given=track.given, limit_s=track.limit_s, limit_bytes=_OUTPUT_LIMIT_BYTES
                )
            except FfmpegFailed as error:
                raise Conflict("these subtitles cannot be read") from error
            except OSError as error:
                raise Unavailable("the converter cannot be started", retry_after_s=10) from error
        made = finish(made)
        await asyncio.to_thread(self._cache.put, folder, track.key, name, made)
        return made


class FfmpegSubtitleConverter:
    """Implements SubtitleConverter. For one event loop."""

    def __init__(self, cache_folder: Callable[[], Awaitable[Path]]) -> None:
        self._shelf = _Shelf(cache_folder)

    async def embedded(self, source: MediaSource, stream_index: int) -> str:
        """See SubtitleConverter. The first call for a stream reads the whole file. Raises NotFound for a stream that
        is not there."""
        return await self._webvtt(await asyncio.to_thread(_embedded, source, stream_index))

    async def sidecar(self, source: MediaSource, position: int) -> str:
        """See SubtitleConverter. Raises NotFound for one that is not there, Conflict for one that cannot be read or is
        not below the library's root."""
        return await self._webvtt(await asyncio.to_thread(_sidecar, source, position))

    async def _webvtt(self, track: _Track) -> str:
        output = ("-map", f"0:{track.stream_index}", "-c:s", "webvtt", "-f", "webvtt", "pipe:1")
        text = await self._shelf.get(
            track, "subtitles.vtt", output, lambda made: clean_webvtt(made.decode("utf-8", "replace")).encode()
        )
        return text.decode()


class SubtitlePainter:
    """Makes what is painted into a picture ready for an encoder. For one event loop."""

    def __init__(self, cache_folder: Callable[[], Awaitable[Path]]) -> None:
        self._shelf = _Shelf(cache_folder)
        self._bitmaps: OrderedDict[str, asyncio.Task[BitmapSubtitles]] = OrderedDict()

    async def get(self, source: MediaSource, key: str, origin_s: Fraction) -> TextSubtitles | BitmapSubtitles:
        """Subtitles by their key in a plan. `origin_s` is the timestamp of the file's 0. Text within the file is taken
        out of it once, by reading all of it: raises Unavailable where that takes a while, and goes on with it. Raises
        NotFound, Conflict too."""
        kind, _, number = key.partition(":")
        stream = next((s for s in source.technical.subtitles if key == f"stream:{s.index}"), None)
        if stream is not None and not stream.is_text:
            bitmaps_key = repr((source.path, source.stamp, stream.index))
            return await once_for_all(
                self._bitmaps, bitmaps_key, lambda: asyncio.to_thread(_bitmaps, source, stream, origin_s)
            )
        read = _sidecar if kind == "sidecar" else _embedded
        track = await asyncio.to_thread(read, source, int(number))
        # With the fonts that are attached, which is what they are looked for in.
        fonts = ("-map", "0:t?", "-c:t", "copy")
        styled = "copy" if track.is_styled else "ass"
        output = ("-map", f"0:{track.stream_index}", *fonts, "-c:s", styled, "-f", "matroska", "pipe:1")
        try:
            path = await asyncio.wait_for(self._shelf.place(track, "subtitles.mkv", output), _PATIENCE_S)
        except TimeoutError as error:
            raise Unavailable("the subtitles are being read from the file", retry_after_s=5) from error
        return TextSubtitles(str(path), track.key if kind == "sidecar" else "")


def _bitmaps(source: MediaSource, stream: SubtitleStream, origin_s: Fraction) -> BitmapSubtitles:
    """By the container's index, where it has one; and by the packets before long pauses. Of other kinds than PGS each
    packet says for how long it is shown."""
    if demuxer(source) not in INDEXED:
        return BitmapSubtitles(stream.index, None)
    staying = set()
    with MediaStream(source, stream.index) as media:
        raw = sorted(timestamp for timestamp, _, _ in media.keyframes(media.stream))
        times = [float(timestamp * media.time_base - origin_s) for timestamp in raw]
        if stream.codec == "hdmv_pgs_subtitle":
            ends = [*times[1:], source.technical.duration_ms / 1000]
            pauses = [n for n, end in enumerate(ends) if end - times[n] > SUBTITLE_LEAD_S]
            staying = {times[n] for n in pauses[:_PAUSES_LIMIT] if _shows(media, raw[n])}
    return BitmapSubtitles(stream.index, tuple(times) or None, frozenset(staying))


def _shows(media: MediaStream, timestamp: int) -> bool:
    """Whether a packet of PGS puts something on the picture; else it takes away what is there."""
    media.seek(timestamp)
    packet = next(media.packets(), None)
    if packet is None or packet.pts != timestamp:
        return False
    # A composition comes first, which says of how many objects it is.
    data = bytes(packet)
    return len(data) > _PGS_OBJECTS and data[0] == _PGS_COMPOSITION and data[_PGS_OBJECTS] > 0


def clean_webvtt(text: str) -> str:
    """WebVTT with no markup but italics, bold, underline and classes; no style, region or note blocks. Other
    tags are dropped."""
    blocks = re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n").strip())
    cues = []
    for block in blocks:
        lines = block.split("\n")
        timing = next((i for i, line in enumerate(lines[:2]) if "-->" in line), None)
        if timing is None:
            continue
        body = [_TAG.sub(_plain_tag, line) for line in lines[timing + 1 :]]
        # "-->" in a text would begin another cue.
        body = [line.replace("-->", "→") for line in body if line.strip()]
        if body:
            cues.append("\n".join([lines[timing].strip(), *body]))
    return "\n\n".join(["WEBVTT", *cues]) + "\n"


def decode_subtitles(data: bytes, language: str | None) -> str:
    """The text of a subtitle file: by its byte order mark, else UTF-8, else the usual old encoding of its language."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    head = data[:4096]
    if head.count(0) > len(head) // 4:
        # Latin text in UTF-16 has a zero in every second place.
        return data.decode("utf-16-be" if head[0] == 0 else "utf-16-le", "replace")
    return data.decode(_ENCODING_OF.get(language or "", "cp1252"), "replace")


def _plain_tag(match: re.Match[str]) -> str:
    slash, name = match.group(1), match.group(2)
    if name:
        return f"<{slash}{name.lower()}>"
    return "&lt;" if match.group() == "<" else ""


def _read_sidecar(root_path: str, relative_path: str) -> bytes:
    """Raises Conflict, Unavailable."""
    root = Path(root_path)
    try:
        path = (root / relative_path).resolve(strict=True)
        if not path.is_relative_to(root.resolve(strict=True)):
            raise Conflict("these subtitles lie outside the library")
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise Conflict("these subtitles are no regular file")
            if status.st_size > _SIDECAR_LIMIT_BYTES:
                raise Conflict("these subtitles are too large")
            return file.read(_SIDECAR_LIMIT_BYTES)
    except (OSError, RuntimeError) as error:
        raise Unavailable("the subtitles cannot be read now; their disk may be away", retry_after_s=30) from error


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps([_VERSION, *parts]).encode()).hexdigest()[:32]
