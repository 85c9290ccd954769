"""`ModelConfig`: the section `model` of a config."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ecomclf.config.section import Section


class ModelConfig(Section):
    """The network: embedding, convolution, encoder, pooling, dense layer, softmax.

    Convolution and dense layer are optional. Dropout applies in training only.

    """

    embedding_dim: int = Field(96, ge=1, description="Size of the word vectors.")
    embeddings: str = Field(
        "word2vec",
        min_length=1,
        description="Initial word vectors: `word2vec` learns them on the training texts, `random` "
        "draws them, and anything else is the path of a text file, plain or gzipped, in the "
        "format of GloVe or fastText: on each line a word followed by `embedding_dim` "
        "space-separated numbers. With a file, the run logs how many words it covers.",
    )
    subwords: Literal["none", "ngrams"] = Field(
        "none",
        description="`ngrams` adds to each word vector the mean of the vectors of the word's "
        "character n-grams (2 to 5 characters, hashed), trained with the network: a word that was "
        "never seen gets a vector from its letters.",
    )
    padding: Literal["none", "end", "start"] = Field(
        "none",
        description="`none` reads each text by its own length. `end` and `start` pad every text "
        "to `text.max_length` there and read the padding like words, as many published networks "
        "do.",
    )
    filters: int | None = Field(
        128,
        ge=1,
        description="Number of filters of the convolution (ReLU) over neighbouring words; null "
        "for no convolution.",
    )
    filter_width: int = Field(3, ge=1, description="Number of words that a filter covers.")
    filter_pool: int = Field(
        2,
        ge=1,
        description="Number of neighbouring positions that max pooling after the convolution "
        "reduces to one; 1 keeps all.",
    )
    encoder: Literal["lstm", "gru", "transformer"] = Field(
        "lstm", description="Type of the encoder layers."
    )
    units: int = Field(
        64,
        ge=1,
        description="Size of an encoder layer, per direction. For a transformer, which has no "
        "direction, it must be a multiple of 2 × `heads`.",
    )
    heads: int = Field(4, ge=1, description="Number of attention heads in each transformer layer.")
    layers: int = Field(1, ge=1, description="Number of encoder layers.")
    bidirectional: bool = Field(
        True, description="Read each text in both directions. Has no effect on a transformer."
    )
    pooling: Literal["last", "max", "mean_max", "attention"] = Field(
        "mean_max",
        description="How the encoder's states become one vector: the last state, the maximum, "
        "mean and maximum, or a learned weighted mean (`attention`).",
    )
    dense_units: int | None = Field(
        None,
        ge=1,
        description="Size of a dense layer (ReLU) after pooling; by default there is none.",
    )
    pooled_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Dropout rate before the dense layer; by default that of `dropout`.",
    )
    word_dropout: float = Field(
        0.15, ge=0, lt=1, description="Fraction of words dropped in training."
    )
    embedding_dropout: float | None = Field(
        0.3,
        ge=0,
        lt=1,
        description="Fraction of embedding dimensions dropped from a whole text in training; null "
        "for the value of `dropout`.",
    )
    dropout: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="Dropout rate between encoder layers, after attention and feed-forward part "
        "of each transformer layer, and before the softmax.",
    )

    @model_validator(mode="after")
    def _require_units_that_heads_can_share(self) -> Self:
        # Divisible by the heads, and by 2 for the sines and cosines that encode the positions.
        if self.encoder == "transformer" and self.units % (2 * self.heads):
            raise ValueError(
                f"units must be a multiple of 2 x heads, {2 * self.heads}, for a transformer but "
                f"is {self.units}"
            )
        return self
