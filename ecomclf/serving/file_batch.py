"""`classify_file`: copy a file of any format, adding a prediction to each row."""

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

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ecomclf.data.class_names import list_names
from ecomclf.data.file_format import DETECTED, FileOptions
from ecomclf.data.row import Row
from ecomclf.data.table_file import TableFile, open_table
from ecomclf.errors import DataError, JobError, RequestError
from ecomclf.runtime.atomic_file import atomic_write
from ecomclf.runtime.terminal import has_live_view, print_line
from ecomclf.serving.answer_writers import (
    ANSWERS,
    AnswerWriter,
    Header,
    open_writer,
    output_encoding,
    output_kind,
    require_openpyxl,
)

# A chunk is limited in bytes too, because a text may have a megabyte.
_CHUNK_BYTES = 8 * 2**20


class Predictor(Protocol):
    """The part of `Classifier` that `classify_file` needs."""

    text_columns: tuple[str, ...]

    def predict(self, texts: Sequence[str], /) -> pd.DataFrame:
        """Return one row per text: `label`, `confidence` and `needs_review`."""


@dataclass(frozen=True)
class Columns:
    """Which columns hold the text, and how the added columns are named.

    Attributes:
        text: names of the text columns, which are joined in this order; without a header, their
            positions from 0, as digits. If empty, they are the columns that the classifier was
            trained on, else `text`, else the only column.
        header: whether the first row holds column names.
        prefix: put before the names `label`, `confidence` and `needs_review`.

    """

    text: tuple[str, ...] = ()
    header: bool = True
    prefix: str = ""


@dataclass(frozen=True)
class Summary:
    """The result of `classify_file`.

    Attributes:
        rows: number of classified rows.
        rejected: number of malformed rows written to the file of rejects.
        review: number of classified rows that need a review.
        seconds: duration.

    """

    rows: int
    rejected: int
    review: int
    seconds: float


def check_request(source: Path, target: Path, rejects: Path | None, *, force: bool) -> None:
    """Check the paths of `classify_file` before a model is loaded; files are not read or written.

    Args:
        source: input file.
        target: output file.
        rejects: file for malformed rows, if any.
        force: allow `target` and `rejects` to exist.

    Raises:
        DataError: the input is not a file.
        RequestError: the output or the file of rejects cannot be written, exists (without `force`),
            or is the same file as another of the three.

    """
    if os.path.isdir(source):
        raise DataError(f"{source} is a folder; the input must be a file")
    if not os.path.exists(source):
        raise DataError(f"no file at {source}")
    if output_kind(target, "csv") == "excel":
        require_openpyxl()
    taken = {"input": source}
    outputs = {"output": target} | ({"file of rejects": rejects} if rejects else {})
    for role, path in outputs.items():
        same = [other for other, used in taken.items() if _same_file(path, used)]
        problem = f"is also the {same[0]}; name another file" if same else _problem(path, force)
        if problem:
            raise RequestError(f"the {role} {path} {problem}")
        taken[role] = path


def classify_file(
    classifier: Predictor,
    source: Path,
    target: Path,
    columns: Columns,
    *,
    options: FileOptions = DETECTED,
    rejects: Path | None = None,
    console: Console,
    chunk_rows: int = 8192,
    threads: int = 1,
) -> Summary:
    """Copy a CSV, JSON, Parquet or Excel file, adding three columns to each row.

    These are `label`, `confidence` and `needs_review`. A file may have any size (but for Excel and
    a JSON array): it is read in chunks. Rows keep their order, and in the same text format the
    bytes of their own columns, the dialect and the encoding; a file in an encoding that lacks
    characters, such as cp1252, is written in UTF-8. Blank lines are dropped, except in a file with
    one column, where they are empty texts. `target` and `rejects` appear, or replace existing
    files, once they are complete.

    Args:
        classifier: makes the predictions.
        source: input file, also gzipped or in a zip file.
        target: output file, in the format that its ending says (.csv, .tsv, .jsonl, .json,
            .parquet or .xlsx), else in that of the input; gzipped if its name ends in .gz.
        columns: the text columns, and the names of the added ones.
        options: what is given of the input's format; the rest is detected.
        rejects: file for malformed rows, such as rows with missing cells or unclosed quotes;
            without it, the first malformed row is an error.
        console: for a progress bar and a line with the result.
        chunk_rows: rows that are classified at once; chunks of long texts have fewer.
        threads: number of chunks that are classified in parallel.

    Returns:
        The numbers of classified, rejected and uncertain rows, and the duration.

    Raises:
        DataError: the input is not a table with these columns, has no rows, or has a malformed
            row without `rejects`.
        JobError: the output cannot be written.

    """
    try:
        with (
            open_table(source, options, columns.text if columns.header else ()) as table,
            _open_output(target) as output,
            _open_output(rejects) if rejects else nullcontext() as rejected,
            open_writer(target, output, table) as writer,
            _progress(console) as progress,
        ):
            job = _Job(classifier, source, table, writer, rejected)
            task = progress.add_task("", total=table.size, job=job)
            chunks = _chunks(job.begin(columns), chunk_rows)
            for chunk, answers in _map_chunks(job.predict, chunks, threads):
                job.write(chunk, answers)
                progress.update(task, completed=table.position())
            job.end()
    except OSError as error:
        files = " or ".join(str(path) for path in (target, rejects) if path)
        raise JobError(f"cannot write {files}: {error.strerror or error}") from error
    print_line(console, job.result_line(target, rejects))
    return job.summary()


class _Job:
    """Reads the rows of one file, writes them with their predictions, and counts them.

    Malformed rows are written to `rejected`; without it the first one raises an error.
    """

    def __init__(
        self,
        classifier: Predictor,
        source: Path,
        table: TableFile,
        writer: AnswerWriter,
        rejected: BinaryIO | None,
    ) -> None:
        self._classifier, self._source, self._table = classifier, source, table
        self._writer, self._rejected = writer, rejected
        self._started = time.perf_counter()
        self.rows = self.rejected = self.rejected_lines = self.review = 0

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._started
        return f"{self.rows:,} rows in {seconds:.1f} s ({self.rows / seconds:,.0f} rows/s)"

    def result_line(self, target: Path, rejects: Path | None) -> str:
        """Return the line that is printed at the end."""
        line = f"{target}: {self}; to review: {self.review:,}"
        encoding = self._table.format.encoding
        if encoding is not None and output_encoding(self._table).codec != encoding.codec:
            line += f"; read as {encoding}, written as UTF-8"
        if rejects:
            # With the number of lines, because an unclosed quote takes many lines into one row.
            count = f"{self.rejected:,} (lines: {self.rejected_lines:,})"
            line += f"; malformed rows written to {rejects}: {count}"
        return line

    def summary(self) -> Summary:
        seconds = time.perf_counter() - self._started
        return Summary(self.rows, self.rejected, self.review, seconds)

    def begin(self, columns: Columns) -> Iterator[Row]:
        """Find the text columns, write the header, yield the rows to classify."""
        rows, first = self._table.rows, None
        if self._table.names is None:
            first = next((row for row in rows if row.cells or row.wrong), None)
            if first is None:
                raise DataError(f"{self._source} is empty; it needs rows to classify")
            if first.wrong:
                raise DataError(f"{self._source}, line {first.line}: {first.wrong}; {first.remedy}")
        named = columns.header or first is None
        found = self._table.names or (first.cells if first else ())
        names = [cell.strip() for cell in found]
        added = [columns.prefix + name for name in ANSWERS]
        if named:
            _require_new(added, names, self._source)
        else:
            names = [str(position) for position in range(len(names))]
        self._at = _text_positions(names, columns, self._classifier, self._source)
        self._writer.begin(Header(names, added, named, first))
        if first is not None and not named:
            rows = chain([first], rows)
        return self._well_formed(rows, len(names))

    def predict(self, chunk: Sequence[Row]) -> pd.DataFrame:
        """Return the predictions of a chunk's rows; duplicate texts are predicted once."""
        texts = [_text(row.cells, self._at) for row in chunk]
        # Catalogues repeat texts: a third of the rows of the public data set are duplicates.
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        answers = self._classifier.predict(list(places))
        return answers.iloc[[places[text] for text in texts]]

    def write(self, chunk: Sequence[Row], answers: pd.DataFrame) -> None:
        """Write rows with their predictions."""
        self._writer.write(chunk, answers)
        self.rows += len(chunk)
        self.review += int(answers["needs_review"].sum())

    def end(self) -> None:
        """Finish the output; raise an error if there was no row below the header."""
        if not self.rows + self.rejected:
            raise DataError(f"{self._source} has no rows; it needs at least one below the header")
        self._writer.end()

    def _well_formed(self, rows: Iterable[Row], width: int) -> Iterator[Row]:
        for row in rows:
            if row.wrong:
                self._reject(row, row.wrong, row.remedy)
            elif len(row.cells) == width:
                yield row
            elif row.cells and self._table.format.kind == "excel":
                # A sheet has no cells at the end of a short row.
                yield row._replace(cells=[*row.cells, *[""] * (width - len(row.cells))][:width])
            elif row.cells:
                wrong = f"{len(row.cells)} cells, but {width} in the first row"
                self._reject(row, wrong, "fix the row")
            elif width == 1:
                yield row._replace(cells=[""])

    def _reject(self, row: Row, wrong: str, remedy: str) -> None:
        if self._rejected is None:
            raise DataError(
                f"{self._source}, line {row.line}: {wrong}; {remedy}, or pass --rejects FILE to "
                "write malformed rows there"
            )
        codec = self._table.format.encoding.codec if self._table.format.encoding else "utf-8"
        self._rejected.write(row.raw.encode(codec, "surrogateescape"))
        self.rejected += 1
        self.rejected_lines += len(row.raw.splitlines())


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


def _map_chunks(
    predict: Callable[[list[Row]], pd.DataFrame], chunks: Iterable[list[Row]], threads: int
) -> Iterator[tuple[list[Row], pd.DataFrame]]:
    """Yield each chunk with its predictions, in order, without reading far ahead."""
    pending: deque[tuple[list[Row], Future[pd.DataFrame]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for chunk in chunks:
            pending.append((chunk, pool.submit(predict, chunk)))
            # One chunk more than there are threads, so that no thread idles while rows are written.
            if len(pending) > threads:
                rows, answers = pending.popleft()
                yield rows, answers.result()
        for rows, answers in pending:
            yield rows, answers.result()


def _text_positions(
    names: list[str], columns: Columns, classifier: Predictor, source: Path
) -> list[int]:
    """Return the positions of the text columns; without a header, `names` are positions."""
    own = classifier.text_columns if columns.header else ()
    guesses = (own, ("text",), tuple(names) if len(names) == 1 else ())
    wanted = columns.text or next((some for some in guesses if some and {*some} <= {*names}), ())
    kind = "column" if columns.header else "column (counted from 0, there is no header)"
    found = list_names(map(repr, names))
    if not wanted:
        remedy = "name the text columns with --text-column"
        raise DataError(f"{source} has no {kind} 'text', it has {found}; {remedy}")
    for name in wanted:
        if names.count(name) != 1:
            problem = "no" if name not in names else "more than one"
            remedy = "name another with --text-column"
            raise DataError(f"{source} has {problem} {kind} {name!r}, it has {found}; {remedy}")
    return [names.index(name) for name in wanted]


def _require_new(added: Sequence[str], names: Sequence[str], source: Path) -> None:
    present = ", ".join(repr(name) for name in added if name in names)
    if present:
        remedy = "rename the added columns, for example with --prefix predicted_"
        raise DataError(
            f"the added columns must have new names, but {source} already has {present}; {remedy}"
        )


def _text(cells: Sequence[str], at: Sequence[int]) -> str:
    """Join the text columns as for training: stripped, with one space, without empty cells."""
    return " ".join(filter(None, [cells[position].strip() for position in at]))


def _same_file(path: Path, other: Path) -> bool:
    if os.path.exists(path) and os.path.exists(other):
        return os.path.samefile(path, other)
    return os.path.realpath(path) == os.path.realpath(other)


def _problem(path: Path, force: bool) -> str | None:
    """Return why a file cannot be written, and the remedy; None if it can."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        return "is a folder or a device; name a file"
    if os.path.exists(path) and not force:
        return "already exists; pass --force to replace it"
    if not os.path.isdir(folder):
        return f"cannot be written: there is no folder {folder}; create it first"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"cannot be written: you may not write to {folder}; name another folder"
    return None


@contextmanager
def _open_output(path: Path) -> Iterator[BinaryIO]:
    """Open an output that appears as a whole or not at all, gzipped if its name says so."""
    with atomic_write(path) as file:
        # Level 6 takes a third of the time of level 9, the default.
        opened = gzip.GzipFile("", "wb", 6, file) if path.suffix == ".gz" else nullcontext(file)
        with opened as stream:
            yield cast(BinaryIO, stream)


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[job]}, left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not has_live_view(console),
    )
