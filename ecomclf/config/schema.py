"""The sections of a config: their keys, defaults and limits.

Sizes that are learned from the data (vocabulary, number of classes) are arguments elsewhere, not
config.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ecomclf.config.search_space import Dimension
from ecomclf.config.section import NAME, Section

CleaningStep = Literal[
    "lowercase", "links", "digits", "punctuation", "stopwords", "porter", "snowball", "lemmas"
]


def _class_name(name: Any) -> str:
    """Take a number for the class of that name; YAML makes of `no` what nobody means."""
    if isinstance(name, bool):
        raise ValueError(f"a class name must be quoted where YAML reads it as {name}")
    return str(name)


def _column(column: Any) -> Any:
    """Refuse a column that YAML reads as a truth."""
    if isinstance(column, bool):
        raise ValueError(
            "a column must be a position, or a name, in quotes where YAML reads it as a truth, but "
            f"got {column}"
        )
    return column


# By name, or by position from 0.
Column = Annotated[int | str, BeforeValidator(_column)]
# How many rows of a class are wanted.
RowsAClass = dict[
    Annotated[str, BeforeValidator(_class_name)], Annotated[int, Field(ge=1, strict=True)]
]


class DataConfig(Section):
    """Where the rows come from and how they are split.

    `source` is `sample`, `ecommerce` or the path of a CSV file. Columns are given by name, or by
    position from 0; not given, they are the sample's own, elsewhere 1 and 0. `header: auto` expects
    a header when a column is given by name; otherwise it takes the first row for one when its label
    occurs in no other row, while the others recur.

    `test_source` is the path of a CSV file that holds the test rows, in columns like those of
    `source`; `test_size` is not used then. A missing text is taken for the word `fill_missing`;
    without one the row is dropped.

    `split: random_rows` is there to repeat published figures: no text is deduplicated, its copies
    may stand on two sides. Only then may `resample` draw so many rows of each class it names, some
    several times where there are fewer, before the split; `train.resample` is the honest way.
    """

    source: str = Field("sample", min_length=1)
    test_source: str | None = Field(None, min_length=1)
    header: Literal[True, False, "auto"] = "auto"
    text_columns: tuple[Column, ...] | None = Field(None, min_length=1)
    label_column: Column | None = None
    fill_missing: str = Field("", pattern=r"^(\S.*)?$")
    validation_size: float = Field(0.15, gt=0, lt=1)
    test_size: float = Field(0.15, gt=0, lt=1)
    split: Literal["groups", "random_rows"] = "groups"
    split_seed: int = Field(0, ge=0)
    resample: RowsAClass = Field(default_factory=dict)
    url: str = "https://zenodo.org/records/3355823/files/ecommerceDataset.csv?download=1"
    sample_rows: int = Field(6000, ge=100)
    sample_seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> Self:
        if self.test_source is None and self.validation_size + self.test_size >= 1:
            raise ValueError(
                "validation_size + test_size must be less than 1 but is "
                f"{self.validation_size + self.test_size:g}"
            )
        return self

    @model_validator(mode="after")
    def _resample_before_a_random_split_only(self) -> Self:
        if self.resample and self.split != "random_rows":
            raise ValueError(
                "resample puts copies of a row on two sides, and is for split random_rows but "
                f"split is {self.split!r}; use train.resample, which leaves other sides alone"
            )
        return self

    @model_validator(mode="after")
    def _take_test_rows_from_one_place(self) -> Self:
        if self.test_source is None:
            return self
        if self.source in ("sample", "ecommerce"):
            raise ValueError(
                "test_source must stand beside a source that is a path but source is "
                f"{self.source!r}; name a CSV file, or leave test_source out"
            )
        if self.split == "random_rows":
            raise ValueError(
                f"split must be groups when test_source is given but is {self.split!r}, which "
                "draws the test rows itself; leave one of the two out"
            )
        return self


class TextConfig(Section):
    """Cleaning steps in their order, and the size of what is kept.

    `max_tokens` counts the padding and the unknown token; `max_length` is in tokens.
    """

    steps: tuple[CleaningStep, ...] = ("lowercase", "punctuation")
    max_tokens: int = Field(20_000, ge=3)
    max_length: int = Field(250, ge=1)


class ModelConfig(Section):
    """Embedding → convolution or none → encoder layers → pooling → dense ReLU or none → softmax.

    `embeddings: word2vec` starts the embedding from vectors learned on the training texts; any
    other value but `random` is the path of a file of vectors as GloVe or fastText write it, a word
    and `embedding_dim` numbers a line. `filters` makes a convolution (ReLU) over `filter_width`
    words, of which each `filter_pool` become one. `units` are per direction; a `transformer` has no
    direction, and `heads` of attention in each layer.

    `padding: none` reads each text by its own length. Many published networks read every text with
    padding behind it (`end`) or before it (`start`), as long as the longest one allowed, for words.

    While training, `word_dropout` is the share of words that are dropped, `embedding_dropout` that
    of the embedding's dimensions (not given: `dropout`), and `dropout` stands between the encoder's
    layers, behind both parts of a transformer's, before the softmax, and before a dense layer where
    `pooled_dropout` is not given.
    """

    embedding_dim: int = Field(96, ge=1)
    embeddings: str = Field("word2vec", min_length=1)
    padding: Literal["none", "end", "start"] = "none"
    filters: int | None = Field(128, ge=1)
    filter_width: int = Field(3, ge=1)
    filter_pool: int = Field(2, ge=1)
    encoder: Literal["lstm", "gru", "transformer"] = "lstm"
    units: int = Field(64, ge=1)
    heads: int = Field(4, ge=1)
    layers: int = Field(1, ge=1)
    bidirectional: bool = True
    pooling: Literal["last", "max", "mean_max", "attention"] = "mean_max"
    dense_units: int | None = Field(None, ge=1)
    pooled_dropout: float | None = Field(None, ge=0, lt=1)
    word_dropout: float = Field(0.15, ge=0, lt=1)
    embedding_dropout: float | None = Field(0.3, ge=0, lt=1)
    dropout: float = Field(0.4, ge=0, lt=1)

    @model_validator(mode="after")
    def _share_units_among_heads(self) -> Self:
        if self.encoder == "transformer" and self.units % (2 * self.heads):
            raise ValueError(
                f"units must be a multiple of 2 x heads, {2 * self.heads}, for a transformer but "
                f"is {self.units}"
            )
        return self


class TrainConfig(Section):
    """How one model is fitted.

    `monitor` is the one figure on validation rows by which the epoch, the pruned trials and the
    best trials are chosen. Training ends when `stop_on`, not given `monitor`, has not improved for
    `patience` epochs, and the weights of its best epoch are kept, or those of the `last`.

    With `schedule: plateau` the learning rate is multiplied by `reduce_factor` when `val_loss` has
    not improved for `reduce_patience` epochs; with `cosine` it rises for the share `warmup` of all
    steps, then falls along a cosine to 0 at the end of `epochs`.

    `resample` draws so many training rows of each class it names, some several times where there
    are fewer. `word_swap` is the share of a text's words that change places, anew in each epoch.
    """

    learning_rate: float = Field(0.002, gt=0)
    schedule: Literal["constant", "plateau", "cosine"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    reduce_factor: float = Field(0.5, gt=0, lt=1)
    reduce_patience: int = Field(1, ge=1)
    batch_size: int = Field(64, ge=1)
    epochs: int = Field(10, ge=1)
    patience: int = Field(3, ge=1)
    monitor: Literal["val_f1_macro", "val_f1_weighted", "val_accuracy"] = "val_f1_macro"
    stop_on: Literal["val_loss"] | None = None
    keep: Literal["best", "last"] = "best"
    resample: RowsAClass = Field(default_factory=dict)
    word_swap: float = Field(0.0, ge=0, le=1)


class SweepConfig(Section):
    """The search: how many trials, by how many workers, over which space.

    `workers` defaults to the number of cores. A worker process is replaced after
    `trials_per_worker` trials, before its memory grows. `keep_models` best trials keep their
    model after the sweep. `startup_trials` are drawn at random, the others with the sampler; the
    `median` pruner compares once so many are complete. No pruner ends a trial before
    `warmup_epochs`. A new study tries the values of `first` before others: a list of
    mappings from searched keys to values known to work; what one does not name is drawn.
    """

    trials: int = Field(10, ge=1)
    workers: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    pruner: Literal["median", "hyperband", "none"] = "median"
    first: tuple[dict[str, Any], ...] = ()
    startup_trials: int = Field(4, ge=0)
    warmup_epochs: int = Field(2, ge=0)
    keep_models: int = Field(4, ge=1)
    trials_per_worker: int = Field(8, ge=1)
    space: dict[str, Dimension] = Field(default_factory=dict)


class WinnerConfig(Section):
    """What the winner is made of, and when it is sure.

    An average of at most `members` of the best trials that keep their model and share one text
    config, with a wide path (TF-IDF and a linear SVM) where `wide`; how many and how much of it is
    chosen on validation rows. Predictions need a review below the confidence from which on
    `target_precision` of the validation rows are right. `test_errors` lists the errors on test rows
    too.
    """

    members: int = Field(4, ge=1)
    wide: bool = True
    target_precision: float = Field(0.99, gt=0, le=1)
    test_errors: bool = False


class TrackingConfig(Section):
    """Where runs and models are recorded, unless MLflow's own variables say otherwise."""

    experiment: str = Field("ecomclf", min_length=1)


class RegistryConfig(Section):
    """The registered model, and what a new version must reach.

    `min_accuracy`, not given, is the share of the largest class among the test rows;
    `min_f1_macro`, not given, is no floor. A version that clears them, is not worse than the
    baseline (unless `allow_below_baseline`) and not worse than the champion goes to `stage`; with
    fewer than `min_common_rows` test rows that neither saw, the last two are not compared, and the
    version goes to Staging at most.
    """

    model: str = Field("ecomclf", pattern=NAME)
    min_accuracy: float | None = Field(None, ge=0, le=1)
    min_f1_macro: float | None = Field(None, ge=0, le=1)
    stage: Literal["Staging", "Production"] = "Staging"
    min_common_rows: int = Field(100, ge=1)
    allow_below_baseline: bool = False
