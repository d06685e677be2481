from __future__ import annotations

from pathlib import Path

from odeion.entrypoints import demo


def _ignore(_: str, __: float) -> None:
    pass


class TestMakeDemoLibrary:
    def test_leaves_what_exists_alone_and_brings_the_filmed_clips(self, tmp_path: Path) -> None:
        drawn = [*demo._films(None, tmp_path), *demo._episodes(None)]
        for encode in drawn:
            path = tmp_path / encode.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("kept")
        said: list[float] = []
        demo.make_demo_library(tmp_path, lambda _, part: said.append(part))
        demo.make_demo_library(tmp_path, _ignore)
        assert said == [1.0]
        assert all((tmp_path / encode.path).read_text() == "kept" for encode in drawn)
        assert (tmp_path / "Films/Big Buck Bunny (2008)/Big Buck Bunny (2008).mp4").stat().st_size > 1_000_000
        assert (tmp_path / "Films/The Glass Mountain (2021)/The Glass Mountain (2021).en.srt").exists()

    def test_leaves_no_half_file_under_a_real_name(self, tmp_path: Path) -> None:
        broken = demo._Encode(path="Films/Broken.mp4", container="mp4", arguments=("-i", "file:/nowhere"), cost=1)
        try:
            demo._encode(broken, tmp_path / broken.path, tmp_path)
        except demo.DemoFailed as failure:
            assert "No such file" in str(failure)
        assert list((tmp_path / "Films").iterdir()) == []
