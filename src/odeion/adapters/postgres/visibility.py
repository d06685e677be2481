"""What a viewer's permissions let them see, as conditions for every query that answers content."""

from __future__ import annotations

from sqlalchemy import Column, ColumnElement, Table, and_, exists, or_, select, true

from odeion.adapters.postgres.tables.catalog import content_files, episodes, movies, series
from odeion.adapters.postgres.tables.libraries import media_files
from odeion.application.shared.viewer import Viewer


def sees_library(viewer: Viewer, library_id: Column[int]) -> ColumnElement[bool]:
    """Whether the viewer sees the library with this id."""
    limits = viewer.limits
    if limits is None or limits.library_ids is None:
        return true()
    return library_id.in_(sorted(limits.library_ids))


def sees_title(viewer: Viewer, table: Table) -> ColumnElement[bool]:
    """Whether the viewer sees a row of `movies` or `series`: by its library and its rating. The same rule as
    `Permissions.allow`."""
    limits = viewer.limits
    conditions = [sees_library(viewer, table.c.library_id)]
    if limits is not None and limits.max_rating_age is not None:
        young_enough = table.c.rating_age <= limits.max_rating_age
        conditions.append(or_(young_enough, table.c.rating_age.is_(None)) if limits.allow_unrated else young_enough)
    return and_(*conditions)


def sees_episode(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer sees a row of `episodes`: as its series."""
    return exists(select(series.c.id).where(series.c.id == episodes.c.series_id, sees_title(viewer, series)))


def sees_file(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer sees a row of `media_files`: some content in it."""
    library = sees_library(viewer, media_files.c.library_id)
    limits = viewer.limits
    if limits is None or limits.max_rating_age is None:
        return library
    titles = (
        select(content_files.c.id)
        .outerjoin(movies, movies.c.id == content_files.c.movie_id)
        .outerjoin(episodes, episodes.c.id == content_files.c.episode_id)
        .outerjoin(series, series.c.id.in_([content_files.c.series_id, episodes.c.series_id]))
        .where(
            content_files.c.file_id == media_files.c.id,
            or_(
                and_(movies.c.id.is_not(None), sees_title(viewer, movies)),
                and_(series.c.id.is_not(None), sees_title(viewer, series)),
            ),
        )
    )
    return and_(library, exists(titles))
