from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecomclf.runtime.disk_cache import CACHE, cached_folder, digest_of


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def test_a_folder_is_filled_once() -> None:
    """Concurrent callers wait for the first; later callers find the folder."""
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "file").write_text("here")

    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: cached_folder("thing", make), range(4)))
    assert len(made) == 1
    assert {folder.joinpath("file").read_text() for folder in folders} == {"here"}
    assert cached_folder("thing", make) == CACHE / "thing"
    assert len(made) == 1


def test_an_incomplete_folder_is_not_used() -> None:
    """If filling fails, nothing is kept under the name and the next caller starts over."""

    def fail(folder: Path) -> None:
        (folder / "file").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cached_folder("thing", fail)
    assert not (CACHE / "thing").exists()
    folder = cached_folder("thing", lambda folder: (folder / "other").write_text("whole") and None)
    assert [path.name for path in folder.iterdir()] == ["other"]


def test_a_digest_depends_on_items_and_parts() -> None:
    """Only the same texts in the same parts have the same digest."""
    assert digest_of(["a", "b"], ["c"]) == digest_of(["a", b"b"], ["c"])
    others = [(["a"], ["b", "c"]), (["ab"], ["c"]), (["a", "b", "c"],), (["a", "b"], ["c"], [])]
    assert len({digest_of(["a", "b"], ["c"]), *(digest_of(*parts) for parts in others)}) == 5
