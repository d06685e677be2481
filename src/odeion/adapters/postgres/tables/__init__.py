"""The schema. `metadata` holds every table; the migrations are checked against it."""

from odeion.adapters.postgres.tables import catalog, identity, libraries, media_indexes, playback, transcoding, work
from odeion.adapters.postgres.tables.base import metadata

__all__ = ["catalog", "identity", "libraries", "media_indexes", "metadata", "playback", "transcoding", "work"]
