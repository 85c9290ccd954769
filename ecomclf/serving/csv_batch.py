"""A CSV in, a CSV out, in chunks: the bytes of each row are kept, its answer is added to them."""

import gzip
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from ecomclf.data.csv_rows import Row, open_rows
from ecomclf.errors import DataError, JobError, RequestError

ANSWERS = ("label", "confidence", "needs_review")

# Rows may be texts of a megabyte each: a chunk is bounded in bytes too.
_CHUNK_BYTES = 8 * 2**20
_LINE_END = b"\r\n"
_OTHER_SEPARATORS = ";\t|"


class Predictor(Protocol):
    """What a classifier must have; `predict_proba` gives float32 [texts, classes]."""

    classes: tuple[str, ...]
    threshold: float
    text_columns: tuple[str, ...]

    def predict_proba(self, texts: Sequence[str], /) -> np.ndarray:
        """Classify texts, "" included, in their order."""


@dataclass(frozen=True)
class Columns:
    """How to read the input and name the answers.

    `text` holds names, or positions from 0 as digits when there is no header; () takes the
    classifier's own columns, else `text`, else the only column.
    """

    text: tuple[str, ...] = ()
    header: bool = True
    prefix: str = ""


@dataclass(frozen=True)
class Summary:
    """What was done: rows classified, broken rows set aside, rows needing review, seconds."""

    rows: int
    rejected: int
    review: int
    seconds: float


def check_request(source: Path, target: Path, rejects: Path | None, *, force: bool) -> None:
    """Check the files of a job before anything is read or loaded.

    Raises:
        DataError: the input is no file.
        RequestError: the output or the file of rejects cannot be written, is there already (and
            not `force`), or is another file of the job.

    """
    if os.path.isdir(source):
        raise DataError(f"{source} is a folder; the input must be a CSV file")
    if not os.path.exists(source):
        raise DataError(f"no file at {source}; the input must be a CSV file")
    taken = {"input": source}
    outputs = {"output": target} | ({"file of rejects": rejects} if rejects else {})
    for role, path in outputs.items():
        same = [other for other, there in taken.items() if _same_file(path, there)]
        problem = f"is the {same[0]} itself; name another" if same else _problem(path, force)
        if problem:
            raise RequestError(f"the {role} {path} {problem}")
        taken[role] = path


def classify_csv(
    classifier: Predictor,
    source: Path,
    target: Path,
    columns: Columns,
    *,
    rejects: Path | None = None,
    console: Console,
    chunk_rows: int = 8192,
    threads: int = 1,
) -> Summary:
    """Copy a CSV file, adding `label`, `confidence` and `needs_review` to each row.

    Names that end in .gz are packed files. An empty line is no row, except in a file of one column,
    where it is an empty text. After a quote in the wrong place, reading goes on at the next line.
    `target` and `rejects` replace what is there, once they are complete. So many `threads` classify
    a chunk each; the rows keep their order.

    Raises:
        DataError: the input is no CSV with such columns, or has no rows, or has a broken row and
            there is no file of `rejects`.
        JobError: the output cannot be written.

    """
    try:
        with (
            open_rows(source) as rows,
            _written_whole(target) as output,
            _written_whole(rejects) if rejects else nullcontext() as aside,
            _progress(console) as progress,
        ):
            job = _Job(classifier, source, output, aside)
            task = progress.add_task("", total=rows.size, job=job)
            chunks = _chunks(job.begin(rows, columns), chunk_rows)
            for chunk, probabilities in _answered(chunks, job.predict, threads):
                job.write(chunk, probabilities)
                progress.update(task, completed=rows.position())
            if not job.rows + job.rejected:
                raise DataError(f"{source} has no rows; it needs at least one below the header")
    except OSError as error:
        files = " or ".join(str(path) for path in (target, rejects) if path)
        raise JobError(f"cannot write {files}: {error.strerror or error}") from error
    # The lines too: a quote that is never closed takes many with it.
    broken = f"; set aside in {rejects}: {job.rejected:,} ({job.lines_aside:,} lines)"
    line = f"{target}: {job}; to review: {job.review:,}{broken if rejects else ''}"
    console.print(Text(line), soft_wrap=True)
    return job.summary()


class _Job:
    """Takes the rows of one file, writes them with their answers, and counts.

    Broken rows go to `aside`; without it the first one stops the job.
    """

    def __init__(
        self, classifier: Predictor, source: Path, output: BinaryIO, aside: BinaryIO | None
    ) -> None:
        self._classifier, self._source = classifier, source
        self._output, self._aside = output, aside
        self._labels = [_quoted(name) for name in classifier.classes]
        self._started = time.perf_counter()
        self.rows = self.rejected = self.lines_aside = self.review = 0

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._started
        return f"{self.rows:,} rows in {seconds:.1f} s ({self.rows / seconds:,.0f} a second)"

    def summary(self) -> Summary:
        seconds = time.perf_counter() - self._started
        return Summary(self.rows, self.rejected, self.review, seconds)

    def begin(self, rows: Iterator[Row], columns: Columns) -> Iterator[Row]:
        """Learn the columns from the first row, and give the rows to classify."""
        first = next((row for row in rows if row.cells or row.wrong), None)
        if first is None:
            raise DataError(f"{self._source} is empty; it needs rows to classify")
        if first.wrong:
            problem = f"{self._source}, line {first.line}: {first.wrong}"
            raise DataError(f"{problem}; the first row must be right, in a CSV file in UTF-8")
        self._line_end = _LINE_END if first.raw.endswith(_LINE_END) else b"\n"
        names = [cell.strip() for cell in first.cells]
        if columns.header:
            answers = _answer_names(names, columns.prefix, self._source)
            cells = (first.raw.rstrip(_LINE_END), *map(_quoted, answers))
            self._output.write(b",".join(cells) + self._line_end)
        else:
            names, rows = [str(position) for position in range(len(names))], chain([first], rows)
        self._at = _text_positions(names, columns, self._classifier, self._source)
        return self._sound(rows, len(names))

    def predict(self, chunk: Sequence[Row]) -> np.ndarray:
        """Classify rows, equal texts once; float32 [rows, classes]."""
        texts = [_text(row.cells, self._at) for row in chunk]
        # Catalogues hold the same text in many rows: a third of the public set's are copies.
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        answers = self._classifier.predict_proba(list(places))
        return answers[[places[text] for text in texts]]

    def write(self, chunk: Sequence[Row], probabilities: np.ndarray) -> None:
        """Write rows as they were read, with their answers."""
        best, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        review = confidence < self._classifier.threshold
        for row, label, sure, unsure in zip(chunk, best, confidence.tolist(), review, strict=True):
            raw = row.raw.rstrip(_LINE_END)
            flag = b"true" if unsure else b"false"
            answer = b"%b,%b,%.4f,%b%b" % (raw, self._labels[label], sure, flag, self._line_end)
            self._output.write(answer)
        self.rows += len(chunk)
        self.review += int(review.sum())

    def _sound(self, rows: Iterable[Row], width: int) -> Iterator[Row]:
        for row in rows:
            if row.wrong:
                self._set_aside(row, row.wrong)
            elif len(row.cells) == width:
                yield row
            elif row.cells:
                self._set_aside(row, f"{len(row.cells)} cells, but {width} in the first row")
            elif width == 1:
                yield row._replace(cells=[""])

    def _set_aside(self, row: Row, wrong: str) -> None:
        if self._aside is None:
            raise DataError(
                f"{self._source}, line {row.line}: {wrong}; mend the row, or pass --rejects FILE "
                "to set broken rows aside"
            )
        self._aside.write(row.raw)
        self.rejected += 1
        self.lines_aside += len(row.raw.splitlines())


def _chunks(rows: Iterable[Row], chunk_rows: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.raw)
        if len(chunk) == chunk_rows or size >= _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _answered(
    chunks: Iterable[list[Row]], predict: Callable[[list[Row]], np.ndarray], threads: int
) -> Iterator[tuple[list[Row], np.ndarray]]:
    """Give each chunk with its probabilities, in order, and take few chunks ahead."""
    waiting: deque[tuple[list[Row], Future[np.ndarray]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(predict, chunk)))
            # One more than there are threads, so that none waits while answers are written.
            if len(waiting) > threads:
                rows, answers = waiting.popleft()
                yield rows, answers.result()
        for rows, answers in waiting:
            yield rows, answers.result()


def _text_positions(
    names: list[str], columns: Columns, classifier: Predictor, source: Path
) -> list[int]:
    """Choose the columns of the text; without a header the names are positions."""
    if not columns.text and len(names) == 1 and {*names[0]} & {*_OTHER_SEPARATORS}:
        raise DataError(
            f"{source} has one column, {names[0]!r}; cells must be parted by commas: convert the "
            "file, or name the column with --text-column"
        )
    own = classifier.text_columns if columns.header else ()
    guesses = (own, ("text",), tuple(names) if len(names) == 1 else ())
    wanted = columns.text or next((some for some in guesses if some and {*some} <= {*names}), ())
    kind = "column" if columns.header else "column (counted from 0, there is no header)"
    found = ", ".join(repr(name) for name in names)
    if not wanted:
        remedy = "name the columns of the text with --text-column"
        raise DataError(f"{source} has no {kind} 'text', it has {found}; {remedy}")
    for name in wanted:
        if names.count(name) != 1:
            problem = "no" if name not in names else "more than one"
            remedy = "name another with --text-column"
            raise DataError(f"{source} has {problem} {kind} {name!r}, it has {found}; {remedy}")
    return [names.index(name) for name in wanted]


def _answer_names(names: list[str], prefix: str, source: Path) -> list[str]:
    added = [prefix + name for name in ANSWERS]
    there = ", ".join(repr(name) for name in added if name in names)
    if there:
        remedy = "choose other names for the answers, for example with --prefix predicted_"
        raise DataError(f"{source} has {there} among its columns already; {remedy}")
    return added


def _text(cells: list[str], at: Sequence[int]) -> str:
    """Join the text columns as training does."""
    return " ".join(filter(None, [cells[position].strip() for position in at]))


def _quoted(cell: str) -> bytes:
    escaped = cell.replace('"', '""')
    return (f'"{escaped}"' if {*cell} & {*',"\r\n'} else cell).encode()


def _same_file(path: Path, other: Path) -> bool:
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.realpath(path) == os.path.realpath(other)


def _problem(path: Path, force: bool) -> str | None:
    """Say why a file cannot be written, and the remedy."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        return "is a folder or a device; name a file"
    if os.path.exists(path) and not force:
        return "is there already; pass --force to replace it"
    if not os.path.isdir(folder):
        return f"cannot be written: there is no folder {folder}; make it first"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"cannot be written: {folder} is not writable for you; name another folder"
    return None


@contextmanager
def _written_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that gets its name, replacing another, only when all went well."""
    final = Path(os.path.realpath(path))
    part = final.with_name(f".{final.name}.{os.getpid()}.part")
    # Level 6 takes a third of the time of 9.
    try:
        with part.open("wb") as file:
            packed = gzip.GzipFile("", "wb", 6, file) if path.suffix == ".gz" else nullcontext(file)
            with packed as stream:
                yield cast(BinaryIO, stream)
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[job]}, left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
