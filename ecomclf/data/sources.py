"""Where rows come from: the sample, the public file, a CSV. Read as they are, nothing dropped."""

import hashlib
import os
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import requests

from ecomclf.config.schema import DataConfig
from ecomclf.data import sample
from ecomclf.data.csv_rows import open_rows
from ecomclf.errors import DataError, DownloadError

DOWNLOADS = Path("data")
_PARTED = "; cells must be parted by commas"
ECOMMERCE_FILE = "ecommerceDataset.csv"
# Rows a class of the public file, all 50,425: what arrived is checked by its contents.
ECOMMERCE_ROWS = {
    "Household": 19_313,
    "Books": 11_820,
    "Electronics": 10_621,
    "Clothing & Accessories": 8_671,
}


@dataclass(frozen=True)
class Table:
    """What a source holds, as read: `texts` and `labels` [rows], "" where missing.

    `text_columns` are the names of the columns that the texts were joined from; empty without a
    header.
    """

    texts: list[str]
    labels: list[str]
    source: str
    sha256: str
    header: tuple[str, ...] | None
    text_columns: tuple[str, ...]


def read_table(config: DataConfig) -> Table:
    """Read the source that the config names.

    Raises:
        DataError: the source cannot be read, or has not the columns asked for.
        DownloadError: the public file is not there and could not be fetched.

    """
    if config.source == "sample":
        frame = sample.generate(rows=config.sample_rows, seed=config.sample_seed)
        raw = frame.to_csv(index=False).encode()
        sha256 = hashlib.sha256(raw).hexdigest()
        header = tuple(frame.columns)
        cells = frame.set_axis(range(frame.shape[1]), axis=1)
        return _table(cells, config, f"sample ({config.sample_rows} rows)", sha256, header)
    if config.source == "ecommerce":
        return read_csv(fetch_ecommerce(config.url), config)
    return read_csv(Path(config.source), config)


def read_test_table(config: DataConfig, *, header: bool) -> Table | None:
    """Read the file of test rows, where the config names one.

    Args:
        config: where it is; its columns are those of the source.
        header: whether the source has one, and so this.

    Raises:
        DataError: it cannot be read, or has not the columns asked for.

    """
    if config.test_source is None:
        return None
    path = Path(config.test_source)
    _require_file(path, "data.test_source", "the path of a CSV file")
    return read_csv(path, config.model_copy(update={"header": header}))


def read_csv(path: Path, config: DataConfig) -> Table:
    """Read a CSV file, gzipped when its name ends in .gz; every cell as text.

    Raises:
        DataError: there is no such file, or it is no CSV with the columns asked for.

    """
    _require_file(path)
    cause: Exception | None = None
    try:
        cells = pd.read_csv(
            path,
            header=None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8",
            compression="gzip" if path.suffix == ".gz" else None,
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; it needs rows of texts with labels") from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        cells, cause = pd.DataFrame(), error
    _require_regular(path, len(cells), cause)
    header = _header(cells, config, path)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return _table(cells if header is None else cells[1:], config, str(path), sha256, header)


def fetch_ecommerce(url: str) -> Path:
    """Give the path of the public file, downloaded once, checked by the rows of each class.

    Raises:
        DownloadError: it is not there and cannot be fetched, or something else arrived.
        DataError: the file that is there already is another one.

    """
    path = DOWNLOADS / ECOMMERCE_FILE
    if path.exists():
        wrong = _not_ecommerce(path)
        if wrong:
            raise DataError(
                f"{path} is not the public file: {wrong}; remove it to download it again, or name "
                "it with --set data.source=PATH to use it as it is"
            )
        return path
    by_hand = "download it by hand and pass --set data.source=PATH (doi 10.5281/zenodo.3355823)"
    try:
        _download(url, path)
    except (requests.RequestException, OSError, ValueError) as error:
        # requests wraps what urllib3 found, which alone says it in a few words.
        cause = getattr(error.args[0] if error.args else error, "reason", error)
        reason = " ".join(str(cause).split())
        raise DownloadError(f"cannot download {url}: {reason}; {by_hand}") from error
    wrong = _not_ecommerce(path)
    if wrong:
        path.unlink()
        raise DownloadError(f"{url} is not the public file: {wrong}; removed it; {by_hand}")
    return path


def _download(url: str, path: Path) -> None:
    import pooch

    pooch.get_logger().setLevel("WARNING")
    pooch.retrieve(
        url,
        known_hash=None,
        fname=path.name,
        path=path.parent,
        downloader=pooch.HTTPDownloader(progressbar=True),
    )


def _not_ecommerce(path: Path) -> str | None:
    """Say in what a file differs from the public one."""
    try:
        table = read_csv(path, DataConfig(source=str(path), header=False))
    except DataError as error:
        return str(error)
    found = Counter(table.labels)
    if found == ECOMMERCE_ROWS:
        return None
    return f"rows a class {dict(found.most_common(5))}, expected {ECOMMERCE_ROWS}"


def _columns(config: DataConfig) -> tuple[tuple[int | str, ...], int | str]:
    """Give the text columns and the label column, where not given those of the source."""
    texts, label = config.text_columns, config.label_column
    if config.source == "sample":
        return texts or ("title", "description"), "category" if label is None else label
    return texts or (1,), 0 if label is None else label


def _require_file(
    path: Path, key: str = "data.source", takes: str = "sample, ecommerce or the path of a CSV file"
) -> None:
    # `os.path` answers for a path of any length; `Path.exists` raises.
    if os.path.isdir(path):
        raise DataError(f"{path} is a folder; {key} must be a CSV file")
    if not os.path.exists(path):
        raise DataError(f"no file at {path}; {key} takes {takes}")


def _require_regular(path: Path, count: int, cause: Exception | None) -> None:
    """Look at a CSV by the lines of the file, which pandas does not count.

    Args:
        path: the file.
        count: the rows that pandas has found. It takes a quote that is closed lines later for one
            of the cell, and says nothing.
        cause: why it found none, if it did not.

    Raises:
        DataError: pandas could not read it, or has taken rows for a part of another.

    """
    width, found, fault = 0, 0, ""
    with open_rows(path) as rows:
        for row in rows:
            width = width or len(row.cells)
            # Lines of nothing but spaces are no rows to pandas.
            found += bool(row.raw.strip())
            here, is_damage = "", False
            if row.wrong:
                here = f"in the row that begins in line {row.line}, {row.wrong}"
                is_damage = b"\0" in row.raw or b"\n" in row.raw.rstrip()
            elif len(row.cells) > width:
                here = f"line {row.line} has {len(row.cells)} cells, the first {width}"
            if is_damage or (here and cause):
                raise _irregular(path, here, width) from cause
            fault = fault or here
    if cause or found != count:
        raise _irregular(path, fault or "its rows differ", width) from cause


def _irregular(path: Path, fault: str, width: int) -> DataError:
    parted = _PARTED if width == 1 else ""
    return DataError(
        f"{path} is not a regular CSV: {fault}; mend the row, quote its cells, or convert the "
        f"file to UTF-8{parted}"
    )


def _header(cells: pd.DataFrame, config: DataConfig, path: Path) -> tuple[str, ...] | None:
    """Give the names of the columns where the first row holds them."""
    text_columns, label_column = _columns(config)
    by_name = [column for column in (*text_columns, label_column) if isinstance(column, str)]
    if by_name and config.header is False:
        raise DataError(
            f"data.header is false but the column {by_name[0]!r} is given by name; "
            "give its position from 0"
        )
    first = tuple(cells.iloc[0])
    if by_name or config.header is True:
        return first
    if config.header == "auto":
        labels = cells[_position(label_column, None, cells.shape[1], str(path))].str.strip()
        # Shorter files say too little: in one row each, any label occurs once.
        once = labels.iloc[0] != "" and (labels == labels.iloc[0]).sum() == 1
        if once and labels.nunique() < len(labels) / 2:
            return first
    return None


def _table(
    cells: pd.DataFrame,
    config: DataConfig,
    source: str,
    sha256: str,
    header: tuple[str, ...] | None,
) -> Table:
    """Join the text columns, in order, and pick the label column."""
    width = cells.shape[1]
    text_columns, label_column = _columns(config)
    at = [_position(column, header, width, source) for column in text_columns]
    label_at = _position(label_column, header, width, source)
    if label_at in at:
        raise DataError(f"{source}: the column {label_column!r} is both text and label")
    texts = cells[at[0]].str.strip()
    for position in at[1:]:
        texts = (texts + " " + cells[position].str.strip()).str.strip()
    return Table(
        texts=texts.tolist(),
        labels=cells[label_at].str.strip().tolist(),
        source=source,
        sha256=sha256,
        header=header,
        text_columns=tuple(header[position].strip() for position in at) if header else (),
    )


def _position(column: int | str, header: tuple[str, ...] | None, width: int, source: str) -> int:
    parted = _PARTED if width == 1 else ""
    if isinstance(column, str):
        names = [name.strip() for name in header or ()]
        if names.count(column) != 1:
            found = ", ".join(repr(name) for name in names)
            problem = "no" if column not in names else "more than one"
            raise DataError(f"{source} has {problem} column {column!r}; it has {found}{parted}")
        return names.index(column)
    if not 0 <= column < width:
        raise DataError(
            f"{source} has no column at position {column}; it has {width}, counted from 0{parted}"
        )
    return column
