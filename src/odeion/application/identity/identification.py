"""Telling who is asking."""

from __future__ import annotations

from odeion.application.identity.ports import TokenCodec, ViewerQueries
from odeion.application.shared.clock import Clock
from odeion.application.shared.secrets import secret_hash
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import PREFIX, is_well_formed
from odeion.domain.shared.errors import Unauthorized


class Identification:
    def __init__(self, viewers: ViewerQueries, tokens: TokenCodec, clock: Clock) -> None:
        self._viewers = viewers
        self._tokens = tokens
        self._clock = clock

    async def by_token(self, token: str, address: str) -> Viewer:
        """Who holds this session token or API key. Raises Unauthorized."""
        now = self._clock.now()
        if token.startswith(PREFIX):
            viewer = await self._viewers.find_by_api_key(secret_hash(token)) if is_well_formed(token) else None
            if viewer is None or viewer.api_key_id is None:
                raise Unauthorized("this API key is not known, or its owner may not use keys now")
            await self._viewers.api_key_used(viewer.api_key_id, address, at=now)
            return viewer
        claims = self._tokens.read(token, at=now)
        viewer = await self._viewers.find_viewer(claims.user_id, claims.session_id, at=now)
        if viewer is None:
            raise Unauthorized("this session has ended; sign in again")
        return viewer

    async def recheck(self, viewer: Viewer) -> Viewer:
        """The viewer as they are now, for connections that outlive their token. Raises Unauthorized."""
        current = None
        if viewer.api_key_id is not None:
            current = await self._viewers.find_by_api_key_id(viewer.api_key_id)
        elif viewer.session_id is not None:
            current = await self._viewers.find_viewer(viewer.id, viewer.session_id, at=self._clock.now())
        if current is None:
            raise Unauthorized("this session has ended; sign in again")
        return current
