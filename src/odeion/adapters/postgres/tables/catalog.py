"""Films, series, seasons, episodes, and which files hold them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from odeion.adapters.postgres.tables.base import id_column, metadata, moment, version_column


def _library() -> Column[int]:
    return Column("library_id", BigInteger, ForeignKey("libraries.id", ondelete="CASCADE"), nullable=False)


def _texts(name: str) -> Column[list[str]]:
    return Column(name, ARRAY(Text), nullable=False, server_default="{}")


movies = Table(
    "movies",
    metadata,
    id_column(),
    _library(),
    # What a name must say to mean this film: the folded title and the year.
    Column("match_key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("original_title", Text),
    Column("sort_title", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("year", Integer),
    Column("release_date", Date),
    Column("overview", Text),
    Column("tagline", Text),
    Column("content_rating", Text),
    # The least age the rating is for; null for none, or one that is not understood.
    Column("rating_age", Integer),
    Column("poster_path", Text),
    _texts("genres"),
    Column("credits", JSONB, nullable=False, server_default="[]"),
    Column("provider_ids", JSONB, nullable=False, server_default="{}"),
    _texts("locked_fields"),
    moment("added_at"),
    version_column(),
    UniqueConstraint("library_id", "match_key"),
    Index("ix_movies_library_id_sort_title_id", "library_id", "sort_title", "id"),
    Index("ix_movies_sort_title_id", "sort_title", "id"),
    Index("ix_movies_added_at_id", "added_at", "id"),
)

series = Table(
    "series",
    metadata,
    id_column(),
    _library(),
    Column("match_key", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("original_title", Text),
    Column("sort_title", Text, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("year", Integer),
    Column("overview", Text),
    Column("content_rating", Text),
    # The least age the rating is for; null for none, or one that is not understood.
    Column("rating_age", Integer),
    Column("poster_path", Text),
    _texts("genres"),
    Column("credits", JSONB, nullable=False, server_default="[]"),
    Column("provider_ids", JSONB, nullable=False, server_default="{}"),
    _texts("locked_fields"),
    moment("added_at"),
    version_column(),
    UniqueConstraint("library_id", "match_key"),
    Index("ix_series_library_id_sort_title_id", "library_id", "sort_title", "id"),
    Index("ix_series_sort_title_id", "sort_title", "id"),
    Index("ix_series_added_at_id", "added_at", "id"),
)

seasons = Table(
    "seasons",
    metadata,
    id_column(),
    Column("series_id", BigInteger, ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    Column("season_number", Integer, nullable=False),
    Column("title", Text, nullable=False),
    UniqueConstraint("series_id", "season_number"),
)

episodes = Table(
    "episodes",
    metadata,
    id_column(),
    Column("series_id", BigInteger, ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    Column("season_id", BigInteger, ForeignKey("seasons.id", ondelete="CASCADE"), nullable=False, index=True),
    # Which episode a name means: `s1e2`, `abs153`, `date2024-03-15`; unique within the series.
    Column("match_key", Text, nullable=False),
    Column("season_number", Integer, nullable=False),
    Column("episode_number", Integer),
    Column("last_episode_number", Integer),
    Column("absolute_number", Integer),
    Column("title", Text, nullable=False),
    Column("air_date", Date),
    Column("overview", Text),
    Column("still_path", Text),
    # Order within the series, made from numbers and dates: see domain.catalog.
    Column("position", BigInteger, nullable=False),
    moment("added_at"),
    UniqueConstraint("series_id", "match_key"),
    Index("ix_episodes_series_id_position", "series_id", "position"),
)

content_files = Table(
    "content_files",
    metadata,
    id_column(),
    Column("file_id", BigInteger, ForeignKey("media_files.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("movie_id", BigInteger, ForeignKey("movies.id", ondelete="CASCADE"), index=True),
    Column("series_id", BigInteger, ForeignKey("series.id", ondelete="CASCADE"), index=True),
    Column("episode_id", BigInteger, ForeignKey("episodes.id", ondelete="CASCADE"), index=True),
    Column("role", Text, nullable=False),
    Column("edition", Text),
    Column("version_label", Text),
    Column("part", Integer),
    Column("extra_kind", Text),
    Column("extra_title", Text),
    CheckConstraint("num_nonnulls(movie_id, series_id, episode_id) = 1", name="one_content"),
    Index(
        "uq_content_files_file_id_content",
        "file_id",
        text("coalesce(movie_id, 0)"),
        text("coalesce(series_id, 0)"),
        text("coalesce(episode_id, 0)"),
        unique=True,
    ),
)
