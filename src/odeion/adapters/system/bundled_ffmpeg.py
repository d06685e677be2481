"""The ffmpeg that comes with the package."""

from __future__ import annotations

import asyncio

import imageio_ffmpeg

from odeion.domain.shared.errors import Unavailable


async def ffmpeg_version() -> str:
    """Its first line about itself. Raises Unavailable when it cannot be run."""
    try:
        process = await asyncio.create_subprocess_exec(
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-hide_banner",
            "-version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 10)
    except (OSError, RuntimeError, TimeoutError) as error:
        raise Unavailable(f"the bundled ffmpeg cannot be run: {error}") from error
    return output.decode("utf-8", "replace").split("\n", 1)[0].split(" Copyright")[0]
