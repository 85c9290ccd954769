"""The sections of a config but for `data`: keys, defaults, and limits.

The longer ones have a module of their own. Sizes that are learned from the data, such as the number
of classes, are no config keys.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ecomclf.config.languages import LANGUAGES, STEMMED, WITH_STOP_WORDS
from ecomclf.config.model_section import ModelConfig
from ecomclf.config.section import NAME, Section
from ecomclf.config.sweep_section import SweepConfig
from ecomclf.config.train_section import TrainConfig

__all__ = [
    "CleaningStep",
    "ModelConfig",
    "RegistryConfig",
    "SweepConfig",
    "TextConfig",
    "TrackingConfig",
    "TrainConfig",
    "WinnerConfig",
]

# The registered model, where nothing names another.
DEFAULT_MODEL = "ecomclf"

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

    Example:
        >>> TextConfig(steps=("lowercase", "snowball"), language="german").max_length
        250

    """

    steps: tuple[CleaningStep, ...] = Field(
        ("lowercase", "punctuation"),
        description="Cleaning steps in their order. `html` removes tags and decodes entities; "
        "`links`, `digits` and `punctuation` are replaced by spaces, `stopwords` removed; "
        "`porter` (English) and `snowball` are stemmers; `lemmas` (English) needs NLTK's corpus: "
        "`python -m nltk.downloader wordnet`.",
    )
    language: Annotated[str, AfterValidator(_language)] = Field(
        "english",
        json_schema_extra={"enum": [*LANGUAGES]},
        description="Language of lower case (Turkish and Azeri have a dotless i), stop words and "
        "Snowball stems, such as `german`.",
    )
    max_tokens: int = Field(
        20_000,
        ge=3,
        description="Vocabulary size, including padding and the unknown token. The vocabulary "
        "holds the most frequent words of the training rows.",
    )
    max_length: int = Field(
        250, ge=1, description="Number of tokens kept of each text, from its beginning."
    )

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


class WinnerConfig(Section):
    """What the winner consists of, and which of its predictions need a review.

    The winner averages the best trials that have a model and the same `text` section, and may blend
    them with a linear path. How many trials, and with which weight, is decided on validation rows.

    """

    members: int = Field(
        4,
        ge=1,
        description="Largest number of trials that are averaged; they share one `text` section. "
        "One is taken unless the average of more is clearly better on validation rows.",
    )
    wide: bool = Field(
        True,
        description="Try a blend with the linear path: a linear SVM on TF-IDF of words, word "
        "pairs and character n-grams.",
    )
    target_precision: float = Field(
        0.99,
        gt=0,
        le=1,
        description="Required fraction of correct predictions among those that need no review. "
        "The confidence threshold that reaches it is chosen on validation rows; a text without a "
        "known word always needs a review.",
    )
    test_errors: bool = Field(
        False,
        description="Log the table of errors for test rows too. Off by default, so that nobody "
        "tunes on them.",
    )


class TrackingConfig(Section):
    """Where runs are logged."""

    experiment: str = Field(
        "ecomclf",
        min_length=1,
        description="Name of the MLflow experiment. MLflow's own environment variables override "
        "it.",
    )


class RegistryConfig(Section):
    """The registered model, and the promotion gate that a new version must pass.

    A version passes if it reaches the minimum metrics on the test rows, is not worse than the
    baseline and not worse than the champion (the version in Production); it then gets `stage`. With
    `data.split: random_rows` no version passes.

    """

    model: str = Field(DEFAULT_MODEL, pattern=NAME, description="Name of the registered model.")
    min_accuracy: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Minimum accuracy on test rows; by default the share of the largest class "
        "among them.",
    )
    min_f1_macro: float | None = Field(
        None, ge=0, le=1, description="Minimum macro F1 on test rows."
    )
    stage: Literal["Staging", "Production"] = Field(
        "Staging", description="Stage of a version that passes."
    )
    min_common_rows: int = Field(
        100,
        ge=1,
        description="Number of test rows, seen by neither version, that a comparison with the "
        "champion needs. With fewer they are not compared, and the new version gets Staging at "
        "most.",
    )
    allow_below_baseline: bool = Field(
        False, description="Let a version pass that is worse than the baseline."
    )
