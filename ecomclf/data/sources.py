"""Read the source that a config names: the sample, the public data set, or files."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecomclf.config.data_section import DataConfig
from ecomclf.data.class_names import list_names
from ecomclf.data.file_format import FileOptions
from ecomclf.data.tables import Columns, Table, read_file_columns, read_frame_columns
from ecomclf.errors import DataError, DownloadError

if TYPE_CHECKING:
    import pandas as pd

DOWNLOADS = Path("data")
ECOMMERCE_FILE = "ecommerceDataset.csv"
# Rows per class of the public file, 50,425 in all: a download is checked by its contents.
ECOMMERCE_ROWS = {
    "Household": 19_313,
    "Books": 11_820,
    "Electronics": 10_621,
    "Clothing & Accessories": 8_671,
}
_SAMPLE_COLUMNS = Columns(("title", "description"), "category")
_DEFAULT_COLUMNS = Columns((1,), 0)


def read_table(config: DataConfig, frame: "pd.DataFrame | None" = None) -> Table:
    """Read the texts and labels of a DataFrame, or of the source that the config names.

    Args:
        config: the source and its columns, by name or by position. The default columns are the
            sample's own; elsewhere column 1 is the text and column 0 the label.
        frame: read instead of `config.source`, and left unchanged. Missing values (NaN, None, NA)
            become "", other cells `str(cell)`. `config.header` does not apply to it.

    Raises:
        DataError: the source cannot be read, or lacks the columns.
        DownloadError: the public file is missing and the download failed.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"kind": ["Books", "Toys"], "title": ["A novel", None]})
    >>> table = read_table(DataConfig(), frame)
    >>> table.texts, table.labels, table.source
    (['A novel', ''], ['Books', 'Toys'], 'DataFrame (2 rows)')

    """
    if frame is not None:
        return read_frame_columns(frame, _columns(config, _DEFAULT_COLUMNS))
    if config.source == "sample":
        from ecomclf.data import sample

        products = sample.generate(rows=config.sample_rows, seed=config.sample_seed)
        columns = _columns(config, _SAMPLE_COLUMNS)
        return read_frame_columns(products, columns, f"sample ({config.sample_rows} rows)")
    if config.source == "ecommerce":
        return read_file(fetch_ecommerce(config.url), config)
    return read_files(config.source, config, "data.source")


def read_test_table(config: DataConfig, *, header: bool) -> Table | None:
    """Read the file of test rows, if the config names one.

    Args:
        config: its path; its columns are those of the source.
        header: whether the source has a header. Unless `config.header` says otherwise, so has the
            test file, which may be too short to tell.

    Raises:
        DataError: it cannot be read, or lacks the columns.

    """
    given = config.test_source
    if given is None:
        return None
    if config.header == "auto":
        config = config.model_copy(update={"header": header})
    return read_files(given, config, "data.test_source")


def read_files(given: str | Sequence[str], config: DataConfig, key: str) -> Table:
    """Read the columns that the config names from one or more files, one after the other.

    Args:
        given: a path, a pattern such as `2026/*.parquet`, or several of these.
        config: the columns, and what is given of the files' format.
        key: the config key that names the files, for errors.

    Raises:
        DataError: there is no such file, one is no regular table, or one lacks a column.

    """
    paths = find_files([given] if isinstance(given, str) else given, key)
    first = read_file(paths[0], config)
    if len(paths) == 1:
        return first
    if config.header == "auto":
        config = config.model_copy(update={"header": first.header is not None})
    tables = [first, *(read_file(path, config) for path in paths[1:])]
    for path, table in zip(paths, tables, strict=True):
        if table.text_columns != first.text_columns:
            raise DataError(
                f"{path} has the text columns {list_names(map(repr, table.text_columns))}, but "
                f"{paths[0]} has {list_names(map(repr, first.text_columns))}; name the columns "
                "with data.text_columns"
            )
    return Table(
        texts=[text for table in tables for text in table.texts],
        labels=[label for table in tables for label in table.labels],
        source=f"{len(paths)} files: {list_names(map(str, paths), 3)}",
        sha256=hashlib.sha256("".join(table.sha256 for table in tables).encode()).hexdigest(),
        header=first.header,
        text_columns=first.text_columns,
        read_as="; ".join(dict.fromkeys(table.read_as for table in tables)),
    )


def read_file(path: Path, config: DataConfig) -> Table:
    """Read the columns that the config names from one file.

    Raises:
        DataError: it is no regular table, or lacks the columns.

    """
    columns = _columns(config, _DEFAULT_COLUMNS)
    options = FileOptions.of(config)
    return read_file_columns(path, columns, config.header, options)


def _columns(config: DataConfig, default: Columns) -> Columns:
    label = default.label if config.label_column is None else config.label_column
    return Columns(config.text_columns or default.text, label)


def find_files(given: Sequence[str], key: str) -> list[Path]:
    """Return the files that paths and patterns name, each once, those of a pattern sorted.

    Args:
        given: paths and patterns such as `2026/*.parquet`.
        key: the config key that they come from, for errors.

    Raises:
        DataError: there is no such file, or one is a folder.

    """
    found: dict[Path, None] = {}
    for each in given:
        # `os.path` accepts a path of any length; `Path.exists` raises for a long one.
        if os.path.isdir(each):
            raise DataError(f"{each} is a folder; name files in it with {key}: {each}/*.csv")
        if os.path.exists(each):
            found[Path(each)] = None
            continue
        if not glob.has_magic(each):
            takes = "sample, ecommerce or a path" if key == "data.source" else "a path"
            raise DataError(f"no file at {each}; {key} takes {takes}")
        matches = [path for path in sorted(glob.glob(each, recursive=True)) if os.path.isfile(path)]
        if not matches:
            raise DataError(f"no file matches the pattern {each} of {key}")
        found |= dict.fromkeys(map(Path, matches))
    return list(found)


def fetch_ecommerce(url: str) -> Path:
    """Return the path of the public data set; download it if it is missing, and check its rows.

    Raises:
        DownloadError: it cannot be downloaded, or something else arrived, which is removed.
        DataError: another file is at its path already, which is kept.

    """
    path = DOWNLOADS / ECOMMERCE_FILE
    if path.exists():
        difference = _compare_ecommerce(path)
        if difference:
            raise DataError(
                f"{path} is not the public file: {difference}; remove it to download it again, or "
                "pass --set data.source=PATH to use it as it is"
            )
        return path
    by_hand = "download it by hand and pass --set data.source=PATH (doi 10.5281/zenodo.3355823)"
    try:
        _download(url, path)
    # The exceptions of requests are OSErrors.
    except (OSError, ValueError) as error:
        # requests wraps the error of urllib3, which has the short reason.
        cause = getattr(error.args[0] if error.args else error, "reason", error)
        reason = " ".join(str(cause).split())
        raise DownloadError(f"cannot download {url}: {reason}; {by_hand}") from error
    difference = _compare_ecommerce(path)
    if difference:
        path.unlink()
        raise DownloadError(f"{url} is not the public file: {difference}; removed it; {by_hand}")
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


def _compare_ecommerce(path: Path) -> str | None:
    """Return how a file differs from the public one; None if it does not."""
    try:
        table = read_file(path, DataConfig(source=str(path), header=False))
    except DataError as error:
        return str(error)
    found = Counter(table.labels)
    if found == ECOMMERCE_ROWS:
        return None
    return f"rows per class {dict(found.most_common(5))}, expected {ECOMMERCE_ROWS}"
