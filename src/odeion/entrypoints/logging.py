"""Logs: one line per event on standard error, secrets taken out."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_KEYS = re.compile(r"password|token|secret|authorization|api_key|setup_code|refresh", re.IGNORECASE)
# Tokens and stream keys inside longer texts, such as URLs.
_SECRET_TEXT = re.compile(
    r"(?<=token=)[^&\s\"']+|(?<=/streams/)[A-Za-z0-9_-]{16,}|odn_[a-z2-7]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what is secret by its name or its shape."""
    for key, value in event.items():
        if _SECRET_KEYS.search(key):
            event[key] = "[redacted]"
        elif isinstance(value, str):
            event[key] = _SECRET_TEXT.sub("[redacted]", value)
    return event


def configure_logging(level: str) -> None:
    """For the whole process, the standard library's loggers included."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Any] = [
        structlog.processors.format_exc_info,
        redact,
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Chatty at their usual level, and with URLs in what they say.
    for name in ("hypercorn.access", "httpx", "httpcore", "arq"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("rebulk", "guessit", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
