"""The web app: files of its build, cached by content hash, and its page for every other address."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from quart import Quart, Response, request
from werkzeug.exceptions import NotFound

_IMMUTABLE_PREFIX = "_app/immutable/"
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
# Addresses that belong to the API: what is not there is told in the envelope, not with a page.
_API_PREFIXES = ("api/", "health/", "openapi")


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    content_type: str
    etag: str


def install_web_app(app: Quart, root: Path) -> None:
    """Serve the build in `root`. It is small, so it is read once; names are looked up, never made into paths."""
    files = {path.relative_to(root).as_posix(): _read(path) for path in sorted(root.rglob("*")) if path.is_file()}
    page = files["index.html"]
    policy = _policy(page.content)

    async def serve_web_app(path: str = "") -> Response:
        file = files.get(path)
        if file is None or path == "index.html":
            if path.startswith((*_API_PREFIXES, _IMMUTABLE_PREFIX)):
                raise NotFound("there is nothing at this address")
            file, immutable = page, False
        else:
            immutable = path.startswith(_IMMUTABLE_PREFIX)
        headers = {
            "Content-Type": file.content_type,
            "ETag": file.etag,
            "Cache-Control": "public, max-age=31536000, immutable" if immutable else "no-cache",
            "Content-Security-Policy": policy,
        }
        if request.headers.get("If-None-Match") == file.etag:
            return Response(b"", status=304, headers=headers)
        return Response(file.content, headers=headers)

    app.add_url_rule("/", "serve_web_app", serve_web_app, methods=["GET"], provide_automatic_options=False)
    app.add_url_rule(
        "/<path:path>", "serve_web_app_file", serve_web_app, methods=["GET"], provide_automatic_options=False
    )


def _read(path: Path) -> _File:
    content = path.read_bytes()
    content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type.startswith("text/") or content_type in ("application/javascript", "application/json"):
        content_type += "; charset=utf-8"
    return _File(content, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _policy(page: bytes) -> str:
    """Only our own scripts run: files of ours, and the page's start-up script by its hash."""
    hashes = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(page)
    )
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self'{hashes}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "worker-src 'self' blob:",
            "connect-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )
