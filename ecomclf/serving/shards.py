"""`classify_shards`: classify many files into a folder, and go on where an earlier call ended.

A shard is finished once its output has its name and the record in the folder says so; only then is
it skipped. All outputs of a folder are of one version and one set of options.
"""

import contextlib
import glob
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ecomclf.data.file_format import FileOptions
from ecomclf.errors import DataError, EcomclfError, JobError, RequestError
from ecomclf.runtime.atomic_file import discard_parts
from ecomclf.runtime.locks import locked
from ecomclf.runtime.terminal import print_line
from ecomclf.serving.file_batch import (
    Columns,
    Predictor,
    Summary,
    check_request,
    classify_file,
)

# In the output's folder: first what was asked for, then a line for each finished shard.
RECORD = ".ecomclf.jsonl"


@dataclass(frozen=True)
class Shard:
    """A file to classify, its output, and the file for its malformed rows, if there is one."""

    source: str
    target: str
    rejects: str | None = None


@dataclass(frozen=True)
class ShardOptions:
    """What all shards have in common; see `classify_file`."""

    columns: Columns
    options: FileOptions
    threads: int


@dataclass(frozen=True)
class ShardResult:
    """What became of a shard: its counts, or the error that stopped it."""

    source: str
    rows: int = 0
    rejected: int = 0
    review: int = 0
    error: str | None = None


# Classifies shards, and yields each result as soon as it is there, in any order.
Classify = Callable[[Sequence[Shard]], Iterable[ShardResult]]


def is_many(source: str) -> bool:
    """Return whether an input names several files: a pattern or a folder.

    >>> is_many("shards/*.parquet"), is_many("rows.csv")
    (True, False)
    """
    return not os.path.isfile(source) and (glob.has_magic(source) or os.path.isdir(source))


def find_shards(source: str, folder: Path, rejects: Path | None = None) -> list[Shard]:
    """Return the shards that a pattern or a folder names, sorted by name.

    Args:
        source: a pattern such as `shards/*.parquet`, or a folder, whose files are meant.
        folder: folder for the outputs, which keep the names of their inputs.
        rejects: folder for malformed rows.

    Raises:
        DataError: there is none.
        RequestError: two have one name, or an output would replace an input.

    """
    pattern = os.path.join(glob.escape(source), "*") if os.path.isdir(source) else source
    found = [path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
    if not found:
        raise DataError(f"no file matches {pattern}; the input must be files to classify")
    by_name: dict[str, str] = {}
    for path in found:
        name = os.path.basename(path)
        if name in by_name:
            raise RequestError(
                f"{by_name[name]} and {path} would both be written to {folder / name}; classify "
                "them into two folders"
            )
        by_name[name] = path
    for output in filter(None, (folder, rejects)):
        if any(os.path.realpath(output) == os.path.realpath(Path(path).parent) for path in found):
            raise RequestError(f"{output} is the folder of the input; name another folder")
    return [
        Shard(path, str(folder / name), str(rejects / name) if rejects else None)
        for name, path in by_name.items()
    ]


def classify_shard(classifier: Predictor, shard: Shard, options: ShardOptions) -> ShardResult:
    """Classify one shard; an expected error is part of the result, so that others go on."""
    rejects = Path(shard.rejects) if shard.rejects else None
    try:
        check_request(Path(shard.source), Path(shard.target), rejects, force=True)
        summary = classify_file(
            classifier,
            Path(shard.source),
            Path(shard.target),
            options.columns,
            options=options.options,
            rejects=rejects,
            console=Console(quiet=True),
            threads=options.threads,
        )
    except EcomclfError as error:
        return ShardResult(shard.source, error=str(error))
    return ShardResult(shard.source, summary.rows, summary.rejected, summary.review)


def classify_shards(
    shards: Sequence[Shard],
    classify: Classify,
    request: Mapping[str, Any],
    console: Console,
    *,
    force: bool = False,
) -> Summary:
    """Classify the shards that no earlier call has finished.

    Args:
        shards: all shards; their outputs are in one folder, which is made if it is missing.
        classify: classifies those that are missing.
        request: what the outputs depend on besides their inputs, as JSON: version, columns. A
            folder has outputs of one request.
        console: where the result is printed.
        force: classify all of them again.

    Returns:
        The counts of all shards, earlier ones included, and the seconds of this call.

    Raises:
        RequestError: another process writes to the folder, or it has outputs of another request or
            of something else.
        JobError: some shards could not be classified; the others are finished.

    """
    started = time.perf_counter()
    folder = Path(shards[0].target).parent
    for each in {Path(path).parent for shard in shards for path in _outputs(shard)}:
        each.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        record = _Record.open(folder, request, shards, force=force)
        finished = {shard.source: record.result(shard) for shard in shards}
        missing = [shard for shard in shards if finished[shard.source] is None]
        for path in (Path(path) for shard in missing for path in _outputs(shard)):
            discard_parts(path)
        by_source = {shard.source: shard for shard in missing}
        results = [result for result in finished.values() if result is not None]
        skipped = len(results)
        failed = []
        for result in classify(missing):
            if result.error is not None:
                failed.append(result)
                continue
            record.add(by_source[result.source], result)
            results.append(result)
    summary = Summary(
        sum(result.rows for result in results),
        sum(result.rejected for result in results),
        sum(result.review for result in results),
        time.perf_counter() - started,
    )
    new = sum(result.rows for result in results[skipped:])
    line = (
        f"{folder}: {summary.rows:,} rows in {len(results):,} of {len(shards):,} files, "
        f"{skipped:,} of them finished before; {new:,} rows in {summary.seconds:.1f} s "
        f"({new / summary.seconds:,.0f} rows/s); to review: {summary.review:,}"
    )
    if shards[0].rejects is not None:
        line += f"; malformed rows: {summary.rejected:,}, in {Path(shards[0].rejects).parent}"
    print_line(console, line)
    if failed:
        for result in failed:
            print_line(console, str(result.error))
        raise JobError(
            f"{len(failed)} of {len(shards)} files could not be classified, the others are "
            f"finished: {failed[0].error}; then run the same command again"
        )
    return summary


def _outputs(shard: Shard) -> Iterator[str]:
    yield shard.target
    if shard.rejects is not None:
        yield shard.rejects


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Exclude other processes that would classify into a folder."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / ".ecomclf.lock", wait=False))
        except BlockingIOError as error:
            raise RequestError(
                f"another process is classifying into {folder}; wait for it to end, or name "
                "another folder"
            ) from error
        except OSError as error:
            raise RequestError(
                f"cannot write to {folder}: {error.strerror}; name another folder"
            ) from error
        yield


class _Record:
    """The finished shards of a folder, in a file that is only appended to."""

    def __init__(self, path: Path, finished: Mapping[str, Mapping[str, Any]]) -> None:
        self._path = path
        self._finished = finished

    @classmethod
    def open(
        cls, folder: Path, request: Mapping[str, Any], shards: Sequence[Shard], *, force: bool
    ) -> "_Record":
        """Read the record, or begin a new one."""
        path = folder / RECORD
        lines = [] if force or not path.exists() else _complete_lines(path)
        if lines:
            before = lines[0]
            changed = [key for key in request if before.get(key) != request[key]]
            if changed:
                changes = "; ".join(
                    f"{key} was {before.get(key)}, is {request[key]}" for key in changed
                )
                raise RequestError(
                    f"{folder} has files of another request: {changes}; name another folder, or "
                    "pass --force to classify all files again"
                )
            return cls(path, {line["source"]: line for line in lines[1:]})
        taken = [path for each in shards for path in _outputs(each) if os.path.exists(path)]
        if taken and not force:
            raise RequestError(f"{taken[0]} already exists; pass --force to replace it")
        path.write_text(json.dumps(dict(request)) + "\n", encoding="utf-8")
        return cls(path, {})

    def result(self, shard: Shard) -> ShardResult | None:
        """Return the result of a shard; None if it is not finished, or has changed since."""
        line = self._finished.get(shard.source)
        if line is None or line["input"] != _state(shard.source):
            return None
        if not all(os.path.isfile(path) for path in _outputs(shard)):
            return None
        return ShardResult(shard.source, line["rows"], line["rejected"], line["review"])

    def add(self, shard: Shard, result: ShardResult) -> None:
        """Record that a shard is finished."""
        line = asdict(result) | {"input": _state(shard.source)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _state(path: str) -> list[int]:
    """Return what changes with a file's contents: its size, and when it was last written."""
    stat = os.stat(path)
    return [stat.st_size, stat.st_mtime_ns]


def _complete_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a record; what a killed process wrote in part is cut off."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]
