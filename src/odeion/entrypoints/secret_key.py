"""The key that signs session tokens."""

from __future__ import annotations

import os
import secrets

from odeion.entrypoints.settings import Settings

_LENGTH = 32


def load_secret_key(settings: Settings) -> bytes:
    """Read the key file, or make it at the first start. Two processes that start at once end up with one key. Raises
    ValueError for a file that holds anything but 32 bytes."""
    path = settings.secret_key_file or settings.data_dir / "secret.key"
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_LENGTH))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link, unlike a rename, fails when another process was first.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        key = path.read_bytes()
    if len(key) != _LENGTH:
        raise ValueError(f"{path} must hold exactly {_LENGTH} bytes")
    return key
