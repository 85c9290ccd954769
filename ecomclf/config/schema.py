"""The sections of a config but for `data`: keys, defaults, and limits.

Sizes that are learned from the data, such as the number of classes, are no config keys.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ecomclf.config.duration import parse_duration
from ecomclf.config.languages import LANGUAGES, STEMMED, WITH_STOP_WORDS
from ecomclf.config.search_space import Dimension
from ecomclf.config.section import NAME, Section
from ecomclf.config.values import ClassWeight, RowsPerClass

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
        engine: where trials run: in processes on this machine (`local`, the default), or on a `ray`
            cluster, which needs the extra `ecomclf[ray]`.
        workers: number of worker processes; by default as many as this machine, or the Ray cluster,
            has room for.
        cpus: CPUs of a worker, and threads of its TensorFlow; by default 1 on a Ray cluster, and
            this machine's cores divided among its workers.
        gpus: GPUs of a worker on a Ray cluster, which may be less than one; by default 0. On this
            machine all workers share those that there are.
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
    engine: Literal["local", "ray"] = "local"
    workers: int | None = Field(None, ge=1)
    cpus: int | None = Field(None, ge=1)
    gpus: float = Field(0.0, ge=0)
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
