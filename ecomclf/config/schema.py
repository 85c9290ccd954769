"""The sections of a config: keys, defaults, and limits.

Sizes that are learned from the data, such as the number of classes, are no config keys.
"""

import codecs
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ecomclf.config.duration import parse_duration
from ecomclf.config.languages import LANGUAGES, STEMMED, WITH_STOP_WORDS
from ecomclf.config.search_space import Dimension
from ecomclf.config.section import NAME, Section

CleaningStep = Literal[
    "html",
    "lowercase",
    "links",
    "digits",
    "punctuation",
    "stopwords",
    "porter",
    "snowball",
    "lemmas",
]
# Empty, or text that does not begin with a space.
FILL_WORD = r"^(\S.*)?$"
NOT_BLANK = r"\S"
# The loss is computed in float32, where larger weights could overflow.
_MAX_WEIGHT = 1_000_000


def _class_name(name: Any) -> str:
    """Convert a number to a class name; refuse what YAML reads as true or false, such as `no`."""
    if isinstance(name, bool):
        raise ValueError(
            f"a class name must be text or a number but got {name}; quote a name that YAML reads "
            "as true or false"
        )
    return str(name)


def _label(name: Any) -> str:
    """Convert a number, or what YAML reads as null, to the name of a label."""
    # The spelling is lost; an error about another one, such as `null`, names that.
    return "NULL" if name is None else _class_name(name)


def _column(column: Any) -> Any:
    """Refuse a column that YAML reads as true or false, such as `on`."""
    if isinstance(column, bool):
        raise ValueError(
            f"a column must be a name or a position but got {column}; quote a name that YAML reads "
            "as true or false"
        )
    return column


def _class_weight(given: Any) -> Any:
    """Convert class names; refuse what is no known word and no mapping of classes to weights."""
    if given in ("none", "balanced"):
        return given
    if not isinstance(given, dict):
        raise ValueError(
            "must be none, balanced or a weight for each class, such as {Books: 2}, but got "
            f"{given!r}"
        )
    return {_class_name(name): _weight(name, weight) for name, weight in given.items()}


def _weight(name: Any, weight: Any) -> Any:
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not 0 < weight <= _MAX_WEIGHT:
        raise ValueError(
            f"the weight of the class {name!r} must be a number above 0, at most {_MAX_WEIGHT:,}, "
            f"but got {weight!r}"
        )
    return weight


def _codec(name: str) -> str:
    """Refuse an encoding that Python does not know."""
    try:
        codecs.lookup(name)
    except LookupError as error:
        raise ValueError(
            f"no encoding is called {name!r}; common ones are utf-8, utf-16, cp1252, iso8859-2, "
            "cp1251, gb18030, big5 and shift_jis"
        ) from error
    return name


def _character(given: Any) -> Any:
    """Return one character; `tab` is a name for one."""
    character = "\t" if given in ("tab", "\\t") else given
    if character is not None and (not isinstance(character, str) or len(character) != 1):
        raise ValueError(f"must be one character, or tab, but got {given!r}")
    return character


def _quote(given: Any) -> Any:
    return "" if given in ("none", "") else _character(given)


Character = Annotated[str | None, BeforeValidator(_character)]


def _files(given: Any) -> Any:
    """Refuse what is neither a path nor a list of paths."""
    paths = [given] if isinstance(given, str) else given
    valid = isinstance(paths, list | tuple) and paths
    if not valid or not all(isinstance(path, str) and path for path in paths):
        raise ValueError(
            f"must be a path, a pattern such as '2026/*.csv', or a list of these, but got {given!r}"
        )
    return given if isinstance(given, str) else tuple(paths)


# One or more paths or patterns.
Files = Annotated[str | tuple[str, ...], BeforeValidator(_files)]
# A column by its name, or by its position from 0.
Column = Annotated[int | str, BeforeValidator(_column)]
# A label as the data has it; an unquoted NULL is a name here.
Label = Annotated[str, BeforeValidator(_label), Field(pattern=NOT_BLANK)]
# How rows are weighted by their class; numbers by class name.
ClassWeight = Annotated[
    Literal["none", "balanced"] | dict[str, float], BeforeValidator(_class_weight)
]
# A number of rows for each class.
RowsPerClass = dict[
    Annotated[str, BeforeValidator(_class_name)], Annotated[int, Field(ge=1, strict=True)]
]


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
    encoding: Annotated[str, AfterValidator(_codec)] | None = None
    separator: Character = None
    quote: Annotated[str | None, BeforeValidator(_quote)] = None
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


def _language(name: str) -> str:
    if name not in LANGUAGES:
        raise ValueError(f"{name!r} is not supported; choose one of {', '.join(LANGUAGES)}")
    return name


class TextConfig(Section):
    """How texts are cleaned, and how much of them is kept.

    Attributes:
        steps: cleaning steps in their order; by default `[lowercase, punctuation]`. `html` removes
            tags and decodes entities; `links`, `digits` and `punctuation` are replaced by spaces,
            `stopwords` removed; `porter` (English) and `snowball` are stemmers; `lemmas` (English)
            needs NLTK's corpus `wordnet`. Before all steps texts are brought into Unicode's form
            NFC; after them, characters of scripts without spaces between words, such as Han, are
            separated.
        language: language of lower case (Turkish and Azeri have a dotless i), stop words and
            Snowball stems, such as `german`; by default `english`.
        max_tokens: largest vocabulary, including padding and the unknown token; by default 20,000.
            It holds the most frequent words of the training rows.
        max_length: number of tokens kept of each text, from its beginning; by default 250.

    Example:
        >>> TextConfig(steps=("lowercase", "snowball"), language="german").max_length
        250

    """

    steps: tuple[CleaningStep, ...] = ("lowercase", "punctuation")
    language: Annotated[str, AfterValidator(_language)] = "english"
    max_tokens: int = Field(20_000, ge=3)
    max_length: int = Field(250, ge=1)

    @model_validator(mode="after")
    def _require_steps_of_the_language(self) -> Self:
        for step, languages in (
            ("snowball", STEMMED),
            ("stopwords", WITH_STOP_WORDS),
            ("porter", ("english",)),
            ("lemmas", ("english",)),
        ):
            if step in self.steps and self.language not in languages:
                raise ValueError(
                    f"the step {step} exists for {', '.join(languages)}, but language is "
                    f"{self.language!r}; remove the step"
                )
        return self


class ModelConfig(Section):
    """The network: embedding, convolution, encoder, pooling, dense layer, softmax.

    Convolution and dense layer are optional. Dropout applies in training only.

    Attributes:
        embedding_dim: size of the word vectors; by default 96.
        embeddings: initial word vectors: `word2vec` (the default) learns them on the training
            texts, `random` draws them, and anything else is the path of a text file, plain or
            gzipped, in the format of GloVe or fastText: on each line a word followed by
            `embedding_dim` space-separated numbers.
        subwords: `none` (the default) or `ngrams`: add to each word vector the mean of the vectors
            of the word's character n-grams, which are trained too. A word that was never seen
            gets a vector from its letters.
        padding: `none`, the default, reads each text by its own length. `end` and `start` pad
            every text to `text.max_length` there and read the padding like words, as many
            published networks do.
        filters: number of filters of the convolution (ReLU) over neighbouring words; by default
            128; null for no convolution.
        filter_width: number of words that a filter covers; by default 3.
        filter_pool: number of neighbouring positions that max pooling after the convolution reduces
            to one; by default 2; 1 keeps all.
        encoder: type of the encoder layers: `lstm` (the default), `gru` or `transformer`.
        units: size of an encoder layer, per direction; by default 64. For a transformer, which has
            no direction, it must be a multiple of 2 x `heads`.
        heads: number of attention heads in each transformer layer; by default 4.
        layers: number of encoder layers; by default 1.
        bidirectional: read each text in both directions; by default true. Has no effect on a
            transformer.
        pooling: how the encoder's states become one vector: the `last` state, the maximum (`max`),
            mean and maximum (`mean_max`, the default), or a learned weighted mean (`attention`).
        dense_units: size of a dense layer (ReLU) after pooling; by default there is none.
        pooled_dropout: dropout rate before the dense layer; by default that of `dropout`.
        word_dropout: fraction of words dropped; by default 0.15.
        embedding_dropout: fraction of embedding dimensions dropped from a whole text; by default
            0.3; null for the value of `dropout`.
        dropout: dropout rate between encoder layers, after attention and feed-forward part of each
            transformer layer, and before the softmax; by default 0.4.

    """

    embedding_dim: int = Field(96, ge=1)
    embeddings: str = Field("word2vec", min_length=1)
    subwords: Literal["none", "ngrams"] = "none"
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
    def _require_units_that_heads_can_share(self) -> Self:
        # Divisible by the heads, and by 2 for the sines and cosines that encode the positions.
        if self.encoder == "transformer" and self.units % (2 * self.heads):
            raise ValueError(
                f"units must be a multiple of 2 x heads, {2 * self.heads}, for a transformer but "
                f"is {self.units}"
            )
        return self


class TrainConfig(Section):
    """How one network is trained.

    Attributes:
        learning_rate: learning rate of Adam, the highest one where `schedule` varies it; by default
            0.002.
        schedule: `constant`; `plateau`, which multiplies the rate by `reduce_factor` when
            `val_loss` has not improved for `reduce_patience` epochs; or `cosine`, the default,
            which rises linearly during `warmup`, then falls along a cosine to 0 at the end of
            `epochs`.
        warmup: fraction of all training steps in which the `cosine` schedule rises; by default 0.1.
        reduce_factor: factor of the `plateau` schedule; by default 0.5.
        reduce_patience: number of epochs of the `plateau` schedule; by default 1.
        batch_size: number of texts per training step; by default 64.
        epochs: largest number of epochs; by default 10.
        patience: number of epochs without improvement of `stop_on` after which training stops; by
            default 3.
        monitor: metric on the validation rows that decides which epoch is kept, which trials are
            pruned and which are best: `val_f1_macro` (the default), `val_f1_weighted` or
            `val_accuracy`.
        stop_on: metric of early stopping: by default the one of `monitor`; `val_loss` stops by
            the validation loss, which then also decides which epoch is kept.
        keep: which weights are kept: those of the `best` epoch (the default) or of the `last`.
        resample: number of training rows to draw from each class, by class name, such as
            `{Books: 600}`, with repetition where a class has fewer. By default none; classes that
            are not named keep their rows.
        class_weight: weight of each class in the loss, of the linear path and the baselines too:
            `none` (the default), by which every row weighs the same; `balanced`, by which every
            class does; or weights by class name, such as `{Books: 2}`, where other classes
            weigh 1.
        word_swap: fraction of words swapped in each training text, resampled every epoch; by
            default 0.
        suspects: what becomes of training rows whose label the predictions of models fitted on
            other rows contradict: `keep` (the default), `weigh`, which lowers their weight in the
            loss, or `drop`. Rows of classes with fewer than 10 groups of near-duplicates are kept.

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
    resample: RowsPerClass = Field(default_factory=dict)
    class_weight: ClassWeight = "none"
    word_swap: float = Field(0.0, ge=0, le=1)
    suspects: Literal["keep", "weigh", "drop"] = "keep"


class SweepConfig(Section):
    """The search: number of trials, worker processes, sampler, pruner, search space.

    Attributes:
        trials: total number of trials of the study, those of earlier calls included; by default 10.
        workers: number of worker processes; by default one per core that this process may use.
        seed: random seed of the sampler; by default 0.
        sampler: how values are drawn, never the same ones twice: Optuna's `tpe` (the default) or
            `gp`, which needs the package torch; `random`; or `grid`, every combination of a finite
            space in random order.
        time_limit: time that one call of the sweep may take, such as `10m` or `1h30m`, the winner's
            evaluation and registration included; the next call goes on. By default none.
        stop_after: number of trials in a row without a new best one after which the sweep ends; by
            default none.
        pruner: Optuna's `median` (the default) or `hyperband`, or `none`. The median pruner stops a
            trial whose best epoch so far is worse than the median of the complete trials at the
            same epoch.
        first: trials that a new study runs before any other: a list of mappings from searched keys
            to values in `space`. Keys that a mapping leaves out are sampled. By default none.
        startup_trials: number of trials sampled at random before Optuna's TPE sampler takes over;
            by default 4. The `median` pruner compares once this many trials are complete.
        warmup_epochs: number of epochs before which no trial is pruned; by default 2.
        keep_models: number of best trials whose models are kept after the sweep; by default 4.
        trials_per_worker: number of trials after which a worker process is replaced, since its
            memory use grows; by default 8.
        space: what is searched: a mapping from dotted keys of `text`, `model` and `train` (but
            `train.monitor`), or `seed`, to a `Choice`, an `IntRange` or a `FloatRange`. A sweep
            needs at least one.

    Example:
        >>> space = {"model.units": {"type": "int", "low": 16, "high": 64, "step": 16}}
        >>> config = SweepConfig(trials=6, space=space)
        >>> config.space["model.units"]
        IntRange(type='int', low=16, high=64, step=16, log=False)

    """

    trials: int = Field(10, ge=1)
    workers: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    sampler: Literal["tpe", "random", "grid", "gp"] = "tpe"
    time_limit: Annotated[float, BeforeValidator(parse_duration)] | None = None
    stop_after: int | None = Field(None, ge=1)
    pruner: Literal["median", "hyperband", "none"] = "median"
    first: tuple[dict[str, Any], ...] = ()
    startup_trials: int = Field(4, ge=0)
    warmup_epochs: int = Field(2, ge=0)
    keep_models: int = Field(4, ge=1)
    trials_per_worker: int = Field(8, ge=1)
    space: dict[str, Dimension] = Field(default_factory=dict)


class WinnerConfig(Section):
    """What the winner consists of, and which of its predictions need a review.

    The winner averages the best trials that have a model and the same `text` section, and may blend
    them with a linear path. How many trials, and with which weight, is decided on validation rows.

    Attributes:
        members: largest number of trials that are averaged; by default 4.
        wide: try a blend with the linear path, a linear SVM on TF-IDF features; by default true.
        target_precision: required fraction of correct predictions among those that need no review;
            by default 0.99. The confidence threshold that reaches it is chosen on validation rows.
        test_errors: log the table of errors for test rows too; by default false, so that nobody
            tunes on them.

    """

    members: int = Field(4, ge=1)
    wide: bool = True
    target_precision: float = Field(0.99, gt=0, le=1)
    test_errors: bool = False


class TrackingConfig(Section):
    """Where runs are logged.

    Attributes:
        experiment: name of the MLflow experiment; by default `ecomclf`. MLflow's own environment
            variables go before it.

    """

    experiment: str = Field("ecomclf", min_length=1)


class RegistryConfig(Section):
    """The registered model, and the promotion gate that a new version must pass.

    A version passes if it reaches the minimum metrics on the test rows, is not worse than the
    baseline and not worse than the champion (the version in Production); it then gets `stage`. With
    `data.split: random_rows` no version passes.

    Attributes:
        model: name of the registered model; by default `ecomclf`.
        min_accuracy: minimum accuracy on test rows; by default the share of the largest class among
            them.
        min_f1_macro: minimum macro F1 on test rows; by default there is none.
        stage: stage of a version that passes, `Staging` (the default) or `Production`.
        min_common_rows: number of test rows, seen by neither version, that a comparison with the
            champion needs; by default 100. With fewer they are not compared, and the new version
            gets Staging at most.
        allow_below_baseline: let a version pass that is worse than the baseline; by default false.

    """

    model: str = Field("ecomclf", pattern=NAME)
    min_accuracy: float | None = Field(None, ge=0, le=1)
    min_f1_macro: float | None = Field(None, ge=0, le=1)
    stage: Literal["Staging", "Production"] = "Staging"
    min_common_rows: int = Field(100, ge=1)
    allow_below_baseline: bool = False
