"""Placing files into the catalog: films, series, seasons, episodes and their links, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Table, delete, exists, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.tables.catalog import content_files, episodes, movies, seasons, series
from odeion.adapters.postgres.tables.playback import watch_progress
from odeion.application.libraries.repositories import PlacedFile
from odeion.domain.catalog import EpisodeIdentity, Placement, TitleIdentity, season_title
from odeion.domain.shared.ids import LibraryId


class PostgresCatalog:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def place_files(self, library_id: LibraryId, placed: Sequence[PlacedFile]) -> None:
        file_ids = [entry.file.id for entry in placed]
        former = await self._links(file_ids)
        for entry in placed:
            if entry.renamed and entry.placement is not None:
                await self._carry_over(library_id, former.get(entry.file.id or 0, []), entry.placement)

        shown = [(entry, entry.placement) for entry in placed if entry.placement is not None]
        movie_ids = await self._titles(movies, library_id, [(p.movie, e.file.added_at) for e, p in shown if p.movie])
        series_ids = await self._titles(series, library_id, [(p.series, e.file.added_at) for e, p in shown if p.series])
        episode_ids = await self._episodes(
            [(series_ids[p.series.match_key], p.episode, e.file.added_at) for e, p in shown if p.series and p.episode]
        )

        await self._connection.execute(delete(content_files).where(content_files.c.file_id.in_(file_ids)))
        links = [
            {
                "file_id": entry.file.id,
                "role": p.role.value,
                "edition": p.edition,
                "version_label": p.version_label,
                "part": p.part,
                "extra_kind": p.extra_kind.value if p.extra_kind else None,
                "extra_title": p.extra_title,
                "movie_id": movie_ids[p.movie.match_key] if p.movie else None,
                "series_id": series_ids[p.series.match_key] if p.series and not p.episode else None,
                "episode_id": episode_ids[series_ids[p.series.match_key], p.episode.match_key]
                if p.series and p.episode
                else None,
            }
            for entry, p in shown
        ]
        if links:
            await self._connection.execute(insert(content_files), links)
        await self._drop_empty(link for links in former.values() for link in links)

    async def _links(self, file_ids: Iterable[int | None]) -> dict[int, list[Mapping[str, Any]]]:
        query = select(content_files).where(content_files.c.file_id.in_(list(file_ids)))
        links: dict[int, list[Mapping[str, Any]]] = {}
        for row in (await self._connection.execute(query)).mappings():
            links.setdefault(row["file_id"], []).append(dict(row))
        return links

    async def _titles(
        self, table: Table, library_id: LibraryId, wanted: Sequence[tuple[TitleIdentity, Any]]
    ) -> dict[str, int]:
        """Ids by match key; makes what is not there yet."""
        if not wanted:
            return {}
        rows = {
            identity.match_key: {
                "library_id": library_id,
                "match_key": identity.match_key,
                "title": identity.title,
                "sort_title": identity.sort_title,
                "search_text": identity.search_text,
                "year": identity.year,
                "provider_ids": dict(identity.provider_ids),
                "added_at": added_at,
            }
            for identity, added_at in wanted
        }
        # Two workers may scan side by side: rows are taken in one order, so that they cannot wait for each other.
        await self._connection.execute(upsert(table).on_conflict_do_nothing(), [rows[key] for key in sorted(rows)])
        found = await self._connection.execute(
            select(table.c.match_key, table.c.id).where(
                table.c.library_id == library_id, table.c.match_key.in_(list(rows))
            )
        )
        return {row.match_key: row.id for row in found}

    async def _episodes(self, wanted: Sequence[tuple[int, EpisodeIdentity, Any]]) -> dict[tuple[int, str], int]:
        """Ids by series and match key; makes seasons and episodes that are not there yet."""
        if not wanted:
            return {}
        season_keys = sorted({(series_id, episode.season_number) for series_id, episode, _ in wanted})
        await self._connection.execute(
            upsert(seasons).on_conflict_do_nothing(),
            [{"series_id": s, "season_number": n, "title": season_title(n)} for s, n in season_keys],
        )
        season_rows = await self._connection.execute(
            select(seasons.c.series_id, seasons.c.season_number, seasons.c.id).where(
                tuple_(seasons.c.series_id, seasons.c.season_number).in_(season_keys)
            )
        )
        season_ids = {(row.series_id, row.season_number): row.id for row in season_rows}
        rows = {
            (series_id, episode.match_key): {
                "series_id": series_id,
                "season_id": season_ids[series_id, episode.season_number],
                "match_key": episode.match_key,
                "season_number": episode.season_number,
                "episode_number": episode.episode_number,
                "last_episode_number": episode.last_episode_number,
                "absolute_number": episode.absolute_number,
                "title": episode.title,
                "air_date": episode.air_date,
                "position": episode.position,
                "added_at": added_at,
            }
            for series_id, episode, added_at in wanted
        }
        await self._connection.execute(upsert(episodes).on_conflict_do_nothing(), [rows[key] for key in sorted(rows)])
        found = await self._connection.execute(
            select(episodes.c.series_id, episodes.c.match_key, episodes.c.id).where(
                tuple_(episodes.c.series_id, episodes.c.match_key).in_(list(rows))
            )
        )
        return {(row.series_id, row.match_key): row.id for row in found}

    async def _carry_over(
        self, library_id: LibraryId, former: Sequence[Mapping[str, Any]], placement: Placement
    ) -> None:
        """The same bytes got another name. Content that consisted of this file alone takes the new name, or hands
        its progress to what already has that name."""
        for link in former:
            if link["movie_id"] and placement.movie and not await self._has_other_files(link, "movie_id"):
                await self._rename(movies, "movie_id", link["movie_id"], library_id, placement.movie)
            if link["episode_id"] and placement.series and placement.episode:
                await self._carry_over_episode(link["episode_id"], library_id, placement.series, placement.episode)

    async def _has_other_files(self, link: Mapping[str, Any], column: str) -> bool:
        query = select(
            exists().where(
                content_files.c[column] == link[column],
                content_files.c.file_id != link["file_id"],
                content_files.c.role == "main",
            )
        )
        return bool((await self._connection.execute(query)).scalar_one())

    async def _rename(
        self, table: Table, progress_column: str, content_id: int, library_id: LibraryId, identity: TitleIdentity
    ) -> None:
        target = (
            await self._connection.execute(
                select(table.c.id).where(table.c.library_id == library_id, table.c.match_key == identity.match_key)
            )
        ).scalar_one_or_none()
        if target == content_id:
            return
        if target is not None:
            await self._move_progress(watch_progress.c[progress_column], content_id, target)
            return
        locked = (
            await self._connection.execute(select(table.c.locked_fields).where(table.c.id == content_id))
        ).scalar_one()
        values: dict[str, Any] = {"match_key": identity.match_key, "library_id": library_id}
        if "title" not in locked:
            values |= {"title": identity.title, "search_text": identity.search_text}
        if "sort_title" not in locked:
            values["sort_title"] = identity.sort_title
        if "year" not in locked:
            values["year"] = identity.year
        await self._connection.execute(update(table).where(table.c.id == content_id).values(**values))

    async def _carry_over_episode(
        self, episode_id: int, library_id: LibraryId, to_series: TitleIdentity, to_episode: EpisodeIdentity
    ) -> None:
        """Move the progress of an episode that was known by another name, if it differs."""
        row = (
            await self._connection.execute(
                select(
                    episodes.c.match_key,
                    episodes.c.series_id,
                    series.c.match_key.label("series_key"),
                    series.c.added_at,
                )
                .join(series, series.c.id == episodes.c.series_id)
                .where(episodes.c.id == episode_id)
            )
        ).one()
        if (row.series_key, row.match_key) == (to_series.match_key, to_episode.match_key):
            return
        series_ids = await self._titles(series, library_id, [(to_series, row.added_at)])
        series_id = series_ids[to_series.match_key]
        targets = await self._episodes([(series_id, to_episode, row.added_at)])
        target = targets[series_id, to_episode.match_key]
        await self._move_progress(watch_progress.c.episode_id, episode_id, target)

    async def _move_progress(self, column: Column[Any], source: int, target: int) -> None:
        """Hand each user's progress over, unless they already have some there."""
        theirs = watch_progress.alias()
        already = exists().where(theirs.c.user_id == watch_progress.c.user_id, theirs.c[column.name] == target)
        await self._connection.execute(
            update(watch_progress).where(column == source, ~already).values({column.name: target})
        )

    async def _drop_empty(self, former: Iterable[Mapping[str, Any]]) -> None:
        """Content that lost its last file to a better reading of its name goes, unless somebody watched it."""
        links = list(former)
        for table, column in ((movies, "movie_id"), (episodes, "episode_id")):
            ids = [link[column] for link in links if link[column]]
            if ids:
                await self._connection.execute(
                    delete(table).where(
                        table.c.id.in_(ids),
                        ~exists().where(content_files.c[column] == table.c.id),
                        ~exists().where(watch_progress.c[column] == table.c.id),
                    )
                )
        if any(link["episode_id"] or link["series_id"] for link in links):
            await self._connection.execute(delete(seasons).where(~exists().where(episodes.c.season_id == seasons.c.id)))
            await self._connection.execute(
                delete(series).where(
                    ~exists().where(episodes.c.series_id == series.c.id),
                    ~exists().where(content_files.c.series_id == series.c.id),
                )
            )
