"""A few damaged files, as many as there is time for each time; `script/fuzz-media` takes thousands."""

from __future__ import annotations

from pathlib import Path

from tests.integration.media.fuzz import fuzz


async def test_damaged_files_are_refused_or_played(tmp_path: Path) -> None:
    outcome = await fuzz(tmp_path, 60, 2, lambda line: None)
    assert outcome.faults == []
    assert outcome.counts["played"] > 5
    assert outcome.counts.total() == 60
