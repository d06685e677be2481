"""Text subtitles as WebVTT, converted by ffmpeg. The styling of ASS is lost."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import json
import os
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from odeion.adapters.ffmpeg.cache import SegmentCache
from odeion.adapters.ffmpeg.media_stream import check_source, demuxer
from odeion.adapters.ffmpeg.process import FfmpegFailed, run_ffmpeg
from odeion.application.playback.ports import MediaSource
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable

# What is made changes with this number.
_VERSION = 1
_SIDECAR_LIMIT_BYTES = 10 << 20
_OUTPUT_LIMIT_BYTES = 32 << 20
# The packets lie all over the file, so all of it is read.
_EMBEDDED_LIMIT_S, _SIDECAR_LIMIT_S = 600.0, 30.0
_CACHE_LIMIT_BYTES = 1 << 30
_AT_ONCE = 2
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


class FfmpegSubtitleConverter:
    """Implements SubtitleConverter. For one event loop."""

    def __init__(self, cache_folder: Callable[[], Awaitable[Path]]) -> None:
        self._cache_folder = cache_folder
        self._cache = SegmentCache(_CACHE_LIMIT_BYTES)
        self._running: dict[str, asyncio.Task[str]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def embedded(self, source: MediaSource, stream_index: int) -> str:
        """See SubtitleConverter. The first call for a stream reads the whole file. Raises NotFound for a stream that
        is not there."""
        stream = next((s for s in source.technical.subtitles if s.index == stream_index), None)
        if stream is None:
            raise NotFound("the file has no such subtitles")
        if not stream.is_text:
            raise Conflict("these subtitles are pictures; they can only be painted into the video")
        await asyncio.to_thread(check_source, source)
        stamp = source.stamp
        key = _digest([source.path, stamp.size_bytes, stamp.mtime_ns, stamp.inode, stream_index])
        arguments = ["-protocol_whitelist", "file,pipe", "-f", demuxer(source), "-i", f"file:{source.path}"]
        arguments += ["-map", f"0:{stream_index}", *_WEBVTT]
        return await self._converted(key, arguments, None, _EMBEDDED_LIMIT_S)

    async def sidecar(self, source: MediaSource, position: int) -> str:
        """See SubtitleConverter. Raises NotFound for one that is not there, Conflict for one that cannot be read or is
        not below the library's root."""
        if not 0 <= position < len(source.sidecars):
            raise NotFound("the file has no such subtitles")
        sidecar = source.sidecars[position]
        demuxer_name = _DEMUXERS.get(sidecar.format)
        if demuxer_name is None:
            raise Conflict("subtitles of this kind cannot be shown")
        data = await asyncio.to_thread(_read_sidecar, source.root_path, sidecar.relative_path)
        text = decode_subtitles(data, sidecar.language)
        arguments = ["-protocol_whitelist", "pipe", "-f", demuxer_name, "-i", "pipe:0", "-map", "0:0", *_WEBVTT]
        key = _digest([demuxer_name, sidecar.language, hashlib.sha256(data).hexdigest()])
        return await self._converted(key, arguments, text.encode(), _SIDECAR_LIMIT_S)

    async def _converted(self, key: str, arguments: list[str], given: bytes | None, limit_s: float) -> str:
        """From the cache, or made once for all who wait for it."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._convert(key, arguments, given, limit_s))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _convert(self, key: str, arguments: list[str], given: bytes | None, limit_s: float) -> str:
        folder = await self._cache_folder()
        name = "subtitles.vtt"
        known = await asyncio.to_thread(self._cache.find, folder, key, name)
        if known is not None:
            return known.decode()
        async with self._slots:
            try:
                output = await run_ffmpeg(arguments, given=given, limit_s=limit_s, limit_bytes=_OUTPUT_LIMIT_BYTES)
            except FfmpegFailed as error:
                raise Conflict("these subtitles cannot be read") from error
            except OSError as error:
                raise Unavailable("the converter cannot be started", retry_after_s=10) from error
        text = clean_webvtt(output.decode("utf-8", "replace"))
        await asyncio.to_thread(self._cache.put, folder, key, name, text.encode())
        return text


_WEBVTT = ("-c:s", "webvtt", "-f", "webvtt", "pipe:1")


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
