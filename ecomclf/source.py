"""Where rows come from: the sample, the public file, a CSV. Read as they are, nothing dropped."""

import csv
import gzip
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ecomclf import sample
from ecomclf.config import DataConfig
from ecomclf.errors import DataError, DownloadError

DOWNLOADS = Path("data")
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
    """What a source holds, as read: `texts` and `labels` [rows], "" where missing."""

    texts: list[str]
    labels: list[str]
    source: str
    sha256: str
    header: tuple[str, ...] | None


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


def read_csv(path: Path, config: DataConfig) -> Table:
    """Read a CSV file, gzipped when its name ends in .gz; every cell as text.

    Raises:
        DataError: there is no such file, or it is no CSV with the columns asked for.

    """
    _require_file(path)
    _require_utf8(path)
    try:
        cells = pd.read_csv(
            path,
            header=None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            quoting=csv.QUOTE_MINIMAL,
        )
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path} is empty; it needs rows of texts with labels") from error
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path} is not a regular CSV: {reason}; mend or quote it") from error
    cells = cells.fillna("")
    header = _header(cells, config, path)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return _table(cells if header is None else cells[1:], config, str(path), sha256, header)


def fetch_ecommerce(url: str) -> Path:
    """Give the path of the public file, downloaded once, checked by the rows of each class.

    Raises:
        DownloadError: it is not there and cannot be fetched, or something else arrived.

    """
    path = DOWNLOADS / ECOMMERCE_FILE
    by_hand = "download it by hand and pass --set data.source=PATH (doi 10.5281/zenodo.3355823)"
    if not path.exists():
        import pooch
        import requests

        pooch.get_logger().setLevel("WARNING")
        try:
            pooch.retrieve(
                url,
                known_hash=None,
                fname=path.name,
                path=path.parent,
                downloader=pooch.HTTPDownloader(progressbar=True),
            )
        except (requests.RequestException, OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DownloadError(f"cannot download {url}: {reason}; {by_hand}") from error
    try:
        table = read_csv(path, DataConfig(source=str(path), header=False))
        found: Counter[str] | str = Counter(table.labels)
    except DataError as error:
        found = str(error)
    if found != ECOMMERCE_ROWS:
        path.unlink()
        summary = found if isinstance(found, str) else dict(found.most_common(5))
        raise DownloadError(
            f"{url} is not the public file: rows a class {summary}, expected {ECOMMERCE_ROWS}; "
            f"removed it; {by_hand}"
        )
    return path


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder; data.source must be a CSV file")
    if not path.exists():
        raise DataError(
            f"no file at {path}; data.source takes sample, ecommerce or the path of a CSV file"
        )


def _require_utf8(path: Path) -> None:
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                line.decode("utf-8")
                if b"\0" in line:
                    raise DataError(
                        f"{path} holds a zero byte in line {number}; it is no text file"
                    )
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8: byte 0x{error.object[error.start]:02x} in line {number}; "
            "convert it, for example with iconv"
        ) from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}; compress it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _header(cells: pd.DataFrame, config: DataConfig, path: Path) -> tuple[str, ...] | None:
    """Give the names of the columns where the first row holds them."""
    by_name = [c for c in (*config.text_columns, config.label_column) if isinstance(c, str)]
    if by_name and config.header is False:
        raise DataError(
            f"data.header is false but the column {by_name[0]!r} is given by name; "
            "give its position from 0"
        )
    first = tuple(cells.iloc[0])
    if by_name or config.header is True:
        return first
    if config.header == "auto" and isinstance(config.label_column, int):
        position = _position(config.label_column, None, cells.shape[1], str(path))
        labels = cells[position]
        # Shorter files say too little: in one row each, any label occurs once.
        if labels.nunique() < len(labels) / 2 and (labels == labels.iloc[0]).sum() == 1:
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
    at = [_position(column, header, width, source) for column in config.text_columns]
    label_at = _position(config.label_column, header, width, source)
    if label_at in at:
        raise DataError(f"{source}: the column {config.label_column!r} is both text and label")
    texts = cells[at[0]].str.strip()
    for position in at[1:]:
        texts = (texts + " " + cells[position].str.strip()).str.strip()
    return Table(texts.tolist(), cells[label_at].str.strip().tolist(), source, sha256, header)


def _position(column: int | str, header: tuple[str, ...] | None, width: int, source: str) -> int:
    if isinstance(column, str):
        names = [name.strip() for name in header or ()]
        if names.count(column) != 1:
            found = ", ".join(repr(name) for name in names)
            problem = "no" if column not in names else "more than one"
            raise DataError(f"{source} has {problem} column {column!r}; it has {found}")
        return names.index(column)
    if not 0 <= column < width:
        raise DataError(
            f"{source} has no column at position {column}; it has {width}, counted from 0"
        )
    return column
