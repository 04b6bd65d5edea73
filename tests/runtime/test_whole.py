"""What appears under its name is whole; what fails leaves the one before, and nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from magno.runtime.whole import aside, put_in_place, whole_file


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_takes_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and names(tmp_path) == ["figures.json"]


def test_a_file_that_fails_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="half"), whole_file(path) as part:
        part.write_text("ne")
        raise ValueError("half written")
    with pytest.raises(FileNotFoundError), whole_file(path):
        pass  # nothing written
    assert path.read_text() == "old" and names(tmp_path) == ["figures.json"]


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    assert aside(tmp_path / "a") != aside(tmp_path / "a")
    assert aside(tmp_path / "a").parent == tmp_path


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    out, part = tmp_path / "bundle", aside(tmp_path / "bundle")
    for folder, text in ((out, "old"), (part, "new")):
        folder.mkdir()
        (folder / "file").write_text(text)
    put_in_place(part, out)
    assert (out / "file").read_text() == "new" and names(tmp_path) == ["bundle"]


def test_a_folder_that_cannot_be_renamed_gives_the_old_one_back(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "file").write_text("old")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "was-never-made", out)
    assert (out / "file").read_text() == "old" and names(tmp_path) == ["bundle"]
