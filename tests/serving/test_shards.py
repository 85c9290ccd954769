import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from ecomclf import api
from ecomclf.data.file_format import DETECTED
from ecomclf.errors import DataError, JobError, RequestError
from ecomclf.serving.file_batch import Columns, Summary
from ecomclf.serving.shards import (
    RECORD,
    Shard,
    ShardOptions,
    ShardResult,
    classify_shard,
    classify_shards,
    find_shards,
)
from tests.serving.test_file_batch import ByLength


class Place:
    """A folder of shards and their outputs; counts which shards are classified."""

    def __init__(self, folder: Path) -> None:
        self.inputs = folder / "in"
        self.outputs = folder / "out"
        self.rejects: Path | None = None
        self.inputs.mkdir()
        self.classified: list[str] = []
        self.printed = ""

    def put(self, **contents: str) -> None:
        """Write shards by their names without `.csv`."""
        for name, content in contents.items():
            (self.inputs / f"{name}.csv").write_text(content)

    def classify(self, *, stop_after: int = 99, force: bool = False, **request: Any) -> Summary:
        """Classify all shards; after some, stop as a killed process does."""
        options = ShardOptions(Columns(), DETECTED, 1)
        output = io.StringIO()
        self.classified = []

        def classify(shards: Sequence[Shard]) -> Iterator[ShardResult]:
            for shard in shards:
                if len(self.classified) == stop_after:
                    raise KeyboardInterrupt
                self.classified.append(Path(shard.source).stem)
                yield classify_shard(ByLength(), shard, options)

        shards = find_shards(f"{self.inputs}/*.csv", self.outputs, self.rejects)
        try:
            return classify_shards(
                shards, classify, {"version": "1", **request}, Console(file=output), force=force
            )
        finally:
            self.printed = output.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Three shards of five rows in all, two of which need a review."""
    place = Place(tmp_path)
    place.put(a="text\nmug\na steel mug\n", b="text\ncup\n", c="text\na glass\na teapot\n")
    return place


def test_each_shard_has_an_output_and_the_counts_add_up(place: Place) -> None:
    """The outputs keep the names of their inputs."""
    summary = place.classify()
    assert (summary.rows, summary.review) == (5, 2)
    lines = {path.stem: path.read_text().splitlines() for path in place.outputs.glob("*.csv")}
    assert {name: len(rows) - 1 for name, rows in lines.items()} == {"a": 2, "b": 1, "c": 2}
    assert lines["b"] == ["text,label,confidence,needs_review", 'cup,"short, or none",0.6250,true']
    assert ": 5 rows in 3 of 3 files, 0 of them finished before; 5 rows in" in place.printed
    assert place.printed.endswith("; to review: 2\n")


def test_finished_shards_are_kept_and_skipped(place: Place) -> None:
    """The same call after a kill classifies the rest, and counts all."""
    with pytest.raises(KeyboardInterrupt):
        place.classify(stop_after=1)
    assert place.classified == ["a"]
    assert place.classify().rows == 5
    assert place.classified == ["b", "c"]
    assert place.classify().rows == 5
    assert place.classified == []
    assert "5 rows in 3 of 3 files, 3 of them finished before; 0 rows" in place.printed


def test_what_is_not_recorded_or_has_changed_is_classified_again(place: Place) -> None:
    """A kill before the record, half a line in it, a changed input, a lost output."""
    place.classify()
    record = place.outputs / RECORD
    whole = record.read_text()
    record.write_text(whole[: whole.rindex('"rows"')])
    (place.outputs / ".c.csv.0123456789ab.part").write_text("half")
    assert place.classify().rows == 5
    assert place.classified == ["c"]
    assert record.read_text() == whole
    assert not list(place.outputs.glob(".*.part"))
    place.put(b="text\ncup\nmug\n")
    assert place.classify().rows == 6
    assert place.classified == ["b"]
    (place.outputs / "a.csv").unlink()
    assert place.classify().rows == 6
    assert place.classified == ["a"]


def test_a_folder_has_outputs_of_one_request(place: Place) -> None:
    """Another version does not mix with the first; --force classifies all again."""
    place.classify()
    with pytest.raises(RequestError, match=r"version was 1, is 2; name another folder, or pass"):
        place.classify(version="2")
    assert place.classified == []
    place.classify(version="2", force=True)
    assert place.classified == ["a", "b", "c"]
    assert place.classify(version="2").rows == 5
    assert place.classified == []


def test_files_of_others_are_not_replaced(place: Place) -> None:
    """A folder without a record is not ours."""
    place.outputs.mkdir()
    (place.outputs / "b.csv").write_text("precious")
    with pytest.raises(RequestError, match=r"b\.csv already exists; pass --force to replace it"):
        place.classify()
    assert (place.outputs / "b.csv").read_text() == "precious"
    assert not (place.outputs / RECORD).exists()


def test_a_shard_that_cannot_be_read_does_not_stop_the_others(place: Place) -> None:
    """The error names it and its fault; once it is corrected the same call does the rest."""
    place.put(b="text,price\ncup,1,2\n")
    with pytest.raises(JobError, match=r"1 of 3 files could not .*b\.csv, line 2: 3 cells"):
        place.classify()
    assert "b.csv, line 2: 3 cells" in place.printed
    assert place.classified == ["a", "b", "c"]
    assert not (place.outputs / "b.csv").exists()
    place.put(b="text,price\ncup,1\n")
    assert place.classify().rows == 5
    assert place.classified == ["b"]


def test_malformed_rows_go_to_a_folder_of_their_own(place: Place) -> None:
    """Rows that are classified and rows that are not add up to those of the inputs."""
    place.rejects = place.inputs.parent / "rejects"
    place.put(b="text,price\ncup,1,2\nmug,1\n")
    summary = place.classify()
    assert (summary.rows, summary.rejected) == (5, 1)
    assert (place.rejects / "b.csv").read_text() == "cup,1,2\n"
    assert "; malformed rows: 1, in " in place.printed
    again = place.classify()
    assert (again.rows, again.rejected, place.classified) == (5, 1, [])


def test_two_processes_do_not_write_to_one_folder(place: Place) -> None:
    """The second one says so and ends."""
    place.outputs.mkdir()
    from ecomclf.runtime.locks import locked

    with (
        locked(place.outputs / ".ecomclf.lock"),
        pytest.raises(RequestError, match="another process is classifying into"),
    ):
        place.classify()


def test_shards_are_told_apart_by_their_names(tmp_path: Path) -> None:
    """Two of one name have no two outputs; none at all is an error; an output is no input."""
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("text\nmug\n")
    with pytest.raises(RequestError, match=r"x/a\.csv and .*y/a\.csv would both be written to"):
        find_shards(f"{tmp_path}/*/a.csv", tmp_path / "out")
    with pytest.raises(DataError, match="no file matches"):
        find_shards(f"{tmp_path}/z*", tmp_path / "out")
    with pytest.raises(RequestError, match="is the folder of the input"):
        find_shards(f"{tmp_path}/x/*", tmp_path / "x")
    (found,) = find_shards(str(tmp_path / "x"), tmp_path / "out")
    assert found == Shard(f"{tmp_path}/x/a.csv", f"{tmp_path}/out/a.csv")


@pytest.mark.slow
def test_a_cluster_gives_the_answers_of_one_machine(shop: Any, workplace: Path) -> None:
    """Every format keeps its bytes; broken rows are aside; the counts are the same."""
    texts = ["case for a phone", "phone", "", "CASE with a phone"] * 50
    (workplace / "shards").mkdir()
    pd.DataFrame({"text": texts}).to_parquet("shards/a.parquet")
    (workplace / "shards" / "b.csv").write_text("text,price\ncase,1\nphone,2,3\nphone,4\n")
    (workplace / "shards" / "c.jsonl").write_text(json.dumps({"text": "phone case"}) + "\n")
    summaries = {}
    for engine in ("local", "ray"):
        summaries[engine] = api.classify(
            "shards",
            Path(engine),
            model="shop",
            rejects=Path(f"{engine}-rejects"),
            engine=engine,
            address="local" if engine == "ray" else None,
        )
    here, there = summaries["local"], summaries["ray"]
    assert (here.rows, here.rejected, here.review) == (there.rows, there.rejected, there.review)
    assert (here.rows, here.rejected) == (203, 1)
    for name in ("a.parquet", "b.csv", "c.jsonl"):
        assert Path("local", name).read_bytes() == Path("ray", name).read_bytes()
        assert Path("local-rejects", name).read_bytes() == Path("ray-rejects", name).read_bytes()
    assert os.listdir("ray-rejects")
