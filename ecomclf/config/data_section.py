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

    Example:
        >>> config = DataConfig(source="reviews.csv", text_columns=("title", "body"))
        >>> config.header, config.validation_size, config.split
        ('auto', 0.15, 'groups')

    """

    source: Files = Field(
        "sample",
        description="`sample` (generated product texts, no download), `ecommerce` (the public "
        "set, downloaded once into `data/`), the path of a file, a pattern such as "
        "`2026/*.parquet`, or a list of paths and patterns with the same columns.",
    )
    test_source: Files | None = Field(
        None,
        description="File or files with the test rows, in columns like those of `source`, which "
        "must be a path too. Training rows that are near-duplicates of a test row are dropped and "
        "counted; `test_size` has no effect. By default the test rows are split from `source`.",
    )
    format: Literal["csv", "json-lines", "json", "parquet", "excel"] | None = Field(
        None, description="Format of the files; detected if not given."
    )
    encoding: Encoding | None = Field(
        None,
        description="Text encoding, such as `cp1252`; detected if not given. A byte-order mark in "
        "the file overrides it.",
    )
    separator: Character = Field(
        None,
        description="Character between the cells of a CSV file, or `tab`; detected if not given.",
    )
    quote: Quote = Field(
        None,
        description="Character around the cells of a CSV file, or `none` where quotes are "
        "characters like any other; detected if not given.",
    )
    header: Literal[True, False, "auto"] = Field(
        "auto",
        description="Whether the first row of a CSV or Excel file names the columns. With `auto` "
        "it does if a column is given by name; otherwise, if its label occurs in no other row "
        "while the other labels recur.",
    )
    text_columns: tuple[Column, ...] | None = Field(
        None,
        min_length=1,
        description="Columns whose text is joined, in this order; each by its name, or by its "
        "position from 0. By default those of the sample, elsewhere `[1]`.",
    )
    label_column: Column | None = Field(
        None,
        description="Column of the class, by name or by position from 0. By default that of the "
        "sample, elsewhere 0.",
    )
    rename_labels: dict[Label, Label] = Field(
        default_factory=dict,
        description="New names of labels, such as `{CPUs: CPU}`; two names become one class that "
        "way. Each label is renamed once.",
    )
    drop_labels: tuple[Label, ...] = Field(
        (), description="Labels whose rows are dropped and counted, such as `[NULL]`."
    )
    min_rows_a_label: int = Field(
        1, ge=1, description="Classes with fewer rows, duplicates aside, are dropped and counted."
    )
    ordered_labels: bool = Field(
        False,
        description="Whether the class names are numbers in an order, such as stars. Reports then "
        "have the mean absolute error.",
    )
    fill_missing: str = Field(
        "",
        pattern=FILL_WORD,
        description="Word that replaces a missing text; by default rows without a text are "
        "dropped.",
    )
    validation_size: float = Field(
        0.15, gt=0, lt=1, description="Fraction of the rows for validation."
    )
    test_size: float = Field(
        0.15,
        gt=0,
        lt=1,
        description="Fraction of the rows for the test. Together with `validation_size` it must "
        "be below 1.",
    )
    split: Literal["groups", "random_rows"] = Field(
        "groups",
        description="`groups` keeps near-duplicates in the same subset, so the split is "
        "leak-free. `random_rows` neither deduplicates nor groups: copies of a text may be in "
        "several subsets. It exists to reproduce published results.",
    )
    split_seed: int = Field(0, ge=0, description="Random seed of the split.")
    resample: RowsPerClass = Field(
        default_factory=dict,
        description="Number of rows to draw from each class before the split, such as `{Books: "
        "600}`, with repetition where a class has fewer; only with `split: random_rows`, since "
        "copies may end up in several subsets. `train.resample` avoids this. Classes that are not "
        "named keep their rows.",
    )
    url: str = Field(
        "https://zenodo.org/records/3355823/files/ecommerceDataset.csv?download=1",
        description="Address that `source: ecommerce` is downloaded from.",
    )
    sample_rows: int = Field(6000, ge=100, description="Number of rows of `source: sample`.")
    sample_seed: int = Field(0, ge=0, description="Random seed of `source: sample`.")

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
