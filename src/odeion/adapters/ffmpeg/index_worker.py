"""The child process that makes indexes."""

from __future__ import annotations

import json

import av.logging
from pydantic import TypeAdapter

from odeion.adapters.ffmpeg.index_builder import build_index
from odeion.adapters.ffmpeg.media_index import empty_index
from odeion.application.playback.ports import MediaSource
from odeion.domain.shared.errors import Conflict, Unavailable
from odeion.sandbox.worker import serve

_SOURCE = TypeAdapter(MediaSource)

BUILT, AWAY, CHANGED = b"\0", b"\1", b"\2"


def answer(request: bytes) -> bytes:
    """To a MediaSource in JSON: a byte that says how it went, and the index or the reason."""
    # Not by pydantic alone: a path need not be UTF-8.
    source = _SOURCE.validate_python(json.loads(request))
    try:
        return BUILT + build_index(source)
    except Unavailable as error:
        return AWAY + error.message.encode()
    except Conflict as error:
        return CHANGED + error.message.encode()
    except MemoryError:
        return BUILT + empty_index(source.stamp, "reading this file takes more memory than is allowed")


if __name__ == "__main__":
    av.logging.set_level(None)
    serve(answer)
