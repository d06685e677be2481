"""The first pictures and sound after a seek in a film that is converted, over HTTP, against a spawned `ffmpeg -f hls`
whose folder is looked into."""

from __future__ import annotations

import http.client
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from served import FFMPEG, Server, make_film, serving

DESCRIPTION = "seconds of ffmpeg -f hls until a segment can be served, as a multiple of ours until something plays"
GOAL = 8.0
GOAL_IS = "at_least"

_SECONDS, _BITS_PER_SECOND = 156, 8_000_000
_PLACES = 7
_POLL_S = 0.1
_TITLE = "Film"


def run(out: Callable[[str], None]) -> float:
    """Both at the same random places in turn, with the same preset; the ratio of the medians."""
    with tempfile.TemporaryDirectory(prefix="odeion-transcode-") as name:
        folder = Path(name)
        film = folder / f"films/{_TITLE} (2001).mkv"
        film.parent.mkdir()
        make_film(film, "-c:a", "ac3", seconds=_SECONDS, bits_per_second=_BITS_PER_SECOND)
        # Far enough from each other that none finds what was made for another.
        places = random.Random(11).sample(range(5, _SECONDS // 2 - 8, 9), _PLACES)
        theirs: list[float] = []
        took: dict[str, dict[str, list[float]]] = {}
        with serving(film.parent, folder) as server:
            for start_preset in ("veryfast", "ultrafast"):
                presets = {"preset": "veryfast", "start_preset": start_preset}
                server.api.put("/api/admin/transcoding/settings", json=presets).raise_for_status()
                took[start_preset] = {"picture": [], "both": []}
                for place in places:
                    if start_preset == "veryfast":
                        theirs.append(_hls(film, place * 2))
                    # Cached segments of the first round would be found in the second.
                    picture, both = _seek(server, place if start_preset == "veryfast" else place + 3)
                    took[start_preset]["picture"].append(picture)
                    took[start_preset]["both"].append(both)
    out(f"load {os.getloadavg()[0]:.1f}; {_PLACES} random places, 1080p at {_BITS_PER_SECOND / 1e6:g} Mb/s, medians")
    rival = statistics.median(theirs)
    out(f"  {'ffmpeg -f hls, until the segment can be served':60} {rival:7.3f} s")
    for start_preset, ours in took.items():
        for what, times in ours.items():
            label = f"ours, first {what if what == 'picture' else 'picture and sound'}, begun with {start_preset}"
            took_s = statistics.median(times)
            out(f"  {label:60} {took_s:7.3f} s  {rival / took_s:5.1f} times sooner (worst {max(times):.3f} s)")
    return rival / statistics.median(took["veryfast"]["both"])


def _seek(server: Server, number: int) -> tuple[float, float]:
    """Seconds until the first fragment of the picture was there, and of the sound too. Nothing runs afterwards."""
    with _session(server) as base:
        connections = [http.client.HTTPConnection("127.0.0.1", server.api.base_url.port, timeout=60) for _ in "va"]
        for connection, rendition in zip(connections, ("video", "audio-1"), strict=True):
            connection.request("GET", f"{base}/{rendition}/init.mp4")
            connection.getresponse().read()
        arrived = [0.0, 0.0]

        def fetch(position: int, path: str) -> None:
            connections[position].request("GET", path)
            _first_fragment(connections[position].getresponse())
            arrived[position] = time.perf_counter()

        started = time.perf_counter()
        # Segment n of the picture begins at 2 * (n - 1) seconds, that of the sound a little later every time.
        paths = (f"{base}/video/{number + 1}.m4s", f"{base}/audio-1/{int(number * 2 * 48_000 / 1024 / 94)}.m4s")
        threads = [threading.Thread(target=fetch, args=(n, path)) for n, path in enumerate(paths)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.close()
        return arrived[0] - started, max(arrived) - started


@contextmanager
def _session(server: Server) -> Iterator[str]:
    """The path below which the streams of a session are that converts everything."""
    films = server.api.get("/api/movies", params={"per_page": 100}).raise_for_status().json()["items"]
    film = next(film["id"] for film in films if film["title"] == _TITLE)
    able = {"containers": [], "video_codecs": [{"codec": "vp9"}], "audio_codecs": [{"codec": "aac", "max_channels": 2}]}
    body = {"media_type": "movie", "media_id": film, "capabilities": able}
    session = server.api.post("/api/playback/sessions", json=body).raise_for_status().json()
    if session["mode"] != "transcode":
        raise AssertionError(session)
    server.api.get(session["url"]).raise_for_status()
    yield urlsplit(session["url"]).path.rpartition("/")[0]
    server.api.delete(f"/api/playback/movie/{film}/session").raise_for_status()


def _first_fragment(response: http.client.HTTPResponse) -> None:
    """Read until a whole fragment is there: up to the end of the first mdat."""
    data = bytearray()
    while piece := response.read1(1 << 16):
        data += piece
        at = 0
        while at + 8 <= len(data):
            end = at + int.from_bytes(data[at : at + 4], "big")
            if data[at + 4 : at + 8] == b"mdat" and end <= len(data):
                return
            at = end
    raise AssertionError(f"{response.status}: {bytes(data[:300])!r}")


def _hls(film: Path, start_s: float) -> float:
    """As media servers do it: a process from there on, and a look into its folder ten times a second until the segment
    after the wanted one exists."""
    with tempfile.TemporaryDirectory(dir=film.parent.parent) as folder:
        started = time.perf_counter()
        process = subprocess.Popen(
            [
                *(FFMPEG, "-v", "error", "-nostdin", "-ss", f"{start_s:.3f}", "-i", str(film)),
                *("-map", "0:v:0", "-map", "0:a:0", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"),
                *("-maxrate", str(_BITS_PER_SECOND), "-bufsize", str(2 * _BITS_PER_SECOND), "-pix_fmt", "yuv420p"),
                *("-force_key_frames:0", "expr:gte(t,n_forced*3)", "-sc_threshold", "0", "-c:a", "aac", "-ac", "2"),
                *("-copyts", "-avoid_negative_ts", "disabled", "-f", "hls", "-max_delay", "5000000", "-hls_time", "3"),
                *("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "i.mp4", "-start_number", "0"),
                *("-hls_playlist_type", "event", "-hls_list_size", "0"),
                *("-hls_segment_filename", f"{folder}/s%d.mp4", f"{folder}/x.m3u8"),
            ],
            stderr=subprocess.DEVNULL,
        )
        while not Path(folder, "s1.mp4").exists() and process.poll() is None:
            time.sleep(_POLL_S)
        took = time.perf_counter() - started
        process.kill()
        process.wait()
    return took
