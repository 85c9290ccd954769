"""`DataConfig`: the section `data` of a config."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ecomclf.config.section import Section
from ecomclf.config.values import (
    FILL_WORD,
    Character,
    Column,
    Encoding,
    Files,
    Label,
    Quote,
    RowsPerClass,
)


class DataConfig(Section):
    """Where the rows come from, and how they are split.

    Attributes:
        source: `sample` (generated product texts, no download), `ecommerce` (a public data set,
            downloaded once into `data/`), or the path of a CSV, JSON lines, Parquet or Excel file,
            which may be gzipped or in a zip file; a pattern such as `2026/*.parquet`, or a list of
            paths and patterns, names several files with the same columns. By default `sample`.
        test_source: path, pattern or list of the files with the test rows, in columns like those of
            `source`, which must be a path too. Other rows that are near-duplicates of a test row
            are dropped, and `test_size` has no effect. By default the test rows are split from
            `source`.
        format: `csv`, `json-lines`, `json`, `parquet` or `excel`; by default detected.
        encoding: name of the text encoding, such as `cp1252`; by default detected. A byte-order
            mark in the file overrides it.
        separator: character between the cells of a CSV file, or `tab`; by default detected.
        quote: character around the cells of a CSV file, or `none` where quotes are characters as
            any other; by default detected.
        header: whether the first row of a CSV or Excel file names the columns: true, false or
            `auto`. With `auto`, the default, there is a header if a column is given by name;
            otherwise, if the label in the first row occurs in no other row while the other labels
            recur.
        text_columns: columns whose text is joined, in this order; each by its name, or by its
            position from 0. By default those of the sample, elsewhere `[1]`.
        label_column: column of the class, by name or by position from 0; by default that of the
            sample, elsewhere 0.
        rename_labels: new name of each label to rename, such as `{CPUs: CPU}`; two names become one
            class that way. Each label is renamed once. By default none.
        drop_labels: labels whose rows are dropped, such as `[NULL]`; by default none.
        min_rows_a_label: classes with fewer rows than that, duplicates aside, are dropped; by
            default 1, which keeps all.
        ordered_labels: whether the class names are numbers whose distance counts, such as stars;
            by default false. Reports then have the mean absolute error.
        fill_missing: word that replaces a missing text; by default rows without a text are dropped.
        validation_size: fraction of the rows for validation; by default 0.15.
        test_size: fraction of the rows for the test; by default 0.15. Together with
            `validation_size` it must be below 1.
        split: `groups`, the default, keeps near-duplicates in the same subset, so the split is
            leak-free. `random_rows` neither deduplicates nor groups: copies of a text may be in
            several subsets. It exists to reproduce published results.
        split_seed: random seed of the split; by default 0.
        resample: number of rows to draw from each class before the split, by class name, such as
            `{Books: 600}`, with repetition where a class has fewer; only with `split: random_rows`,
            since copies may end up in several subsets. `train.resample` avoids this. By default
            none; classes that are not named keep their rows.
        url: address that `source: ecommerce` is downloaded from; by default its Zenodo record.
        sample_rows: number of rows of `source: sample`; by default 6000, at least 100.
        sample_seed: random seed of `source: sample`; by default 0.

    Example:
        >>> config = DataConfig(source="reviews.csv", text_columns=("title", "body"))
        >>> config.header, config.validation_size, config.split
        ('auto', 0.15, 'groups')

    """

    source: Files = "sample"
    test_source: Files | None = None
    format: Literal["csv", "json-lines", "json", "parquet", "excel"] | None = None
    encoding: Encoding | None = None
    separator: Character = None
    quote: Quote = None
    header: Literal[True, False, "auto"] = "auto"
    text_columns: tuple[Column, ...] | None = Field(None, min_length=1)
    label_column: Column | None = None
    rename_labels: dict[Label, Label] = Field(default_factory=dict)
    drop_labels: tuple[Label, ...] = ()
    min_rows_a_label: int = Field(1, ge=1)
    ordered_labels: bool = False
    fill_missing: str = Field("", pattern=FILL_WORD)
    validation_size: float = Field(0.15, gt=0, lt=1)
    test_size: float = Field(0.15, gt=0, lt=1)
    split: Literal["groups", "random_rows"] = "groups"
    split_seed: int = Field(0, ge=0)
    resample: RowsPerClass = Field(default_factory=dict)
    url: str = "https://zenodo.org/records/3355823/files/ecommerceDataset.csv?download=1"
    sample_rows: int = Field(6000, ge=100)
    sample_seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _require_training_rows(self) -> Self:
        if self.test_source is None and self.validation_size + self.test_size >= 1:
            raise ValueError(
                "validation_size + test_size must be less than 1 but is "
                f"{self.validation_size + self.test_size:g}"
            )
        return self

    @model_validator(mode="after")
    def _require_labels_renamed_or_dropped(self) -> Self:
        both = [name for name in self.drop_labels if name in self.rename_labels]
        if both:
            raise ValueError(
                "a label must be in drop_labels or in rename_labels but both got "
                f"{both[0]!r}; remove it from one of them"
            )
        return self

    @model_validator(mode="after")
    def _require_random_rows_to_resample(self) -> Self:
        if self.resample and self.split != "random_rows":
            raise ValueError(
                "resample copies rows before the split and needs split: random_rows, but split is "
                f"{self.split!r}; use train.resample, which draws training rows only"
            )
        return self

    @model_validator(mode="after")
    def _require_one_place_of_test_rows(self) -> Self:
        if self.test_source is None:
            return self
        if self.source in ("sample", "ecommerce"):
            raise ValueError(
                "test_source needs a source that is a path but source is "
                f"{self.source!r}; name a file there, or remove test_source"
            )
        if self.split == "random_rows":
            raise ValueError(
                f"split must be groups when test_source is given but is {self.split!r}, which "
                "draws test rows itself; remove one of the two"
            )
        return self
