"""A split's texts as ids, made once a sweep for all trials that share a text config."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ecomclf.config.loading import Config
from ecomclf.config.schema import ModelConfig, TextConfig
from ecomclf.config.search_space import IntRange
from ecomclf.data.splitting import Split
from ecomclf.runtime.disk_cache import cached_folder, digest_of
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds
from ecomclf.text.vectorizer import Vectorizer, require_words
from ecomclf.text.word_vectors import (
    MOST_LEARNED,
    file_vectors,
    learned_vectors,
    vector_files,
)

_WORDS_FILE = "words.json"
# The modules that turn a text into ids: cached ids are keyed by their source, so that a change to
# one of them invalidates the cache.
ENCODING_CODE = tuple(
    Path(__file__).with_name(name) for name in ("cleaning.py", "token_ids.py", "vectorizer.py")
)


@dataclass(frozen=True)
class EncodedTexts:
    """Training and validation texts as ids, mapped from disk, and what made them so."""

    cleaner: Cleaner
    vectorizer: Vectorizer
    train: TokenIds
    validation: TokenIds

    def initial_embeddings(self, config: ModelConfig) -> tuple[np.ndarray | None, dict[str, float]]:
        """Give what the embedding starts from, None for random numbers, and figures about it."""
        size = config.embedding_dim
        if config.embeddings == "random":
            return None, {}
        if config.embeddings == "word2vec":
            count = self.vectorizer.vocabulary_size
            return learned_vectors(self.train, vocabulary_size=count, size=size), {}
        words = self.vectorizer.words
        vectors, known = file_vectors(Path(config.embeddings), words, size)
        return vectors, {
            "vectors_vocabulary_coverage": float(known[UNKNOWN_ID + 1 :].mean()),
            "vectors_token_coverage": float(known[self.train.values].mean()),
        }


def encode_texts(split: Split, config: TextConfig) -> EncodedTexts:
    """Clean and encode; the vocabulary is learned from training rows only."""
    cleaner = Cleaner(config.steps, fill_missing=split.fill_missing)
    # Other code or word lists give other ids.
    code: list[str | bytes] = [
        *(path.read_bytes() for path in ENCODING_CODE),
        version("nltk"),
        version("scikit-learn"),
    ]
    about = [config.model_dump_json(), split.fill_missing]
    digest = digest_of(code, about, split.train.texts, split.validation.texts)

    def encode(folder: Path) -> None:
        sides = {"train": split.train, "validation": split.validation}
        texts = {side: cleaner.clean(rows.texts) for side, rows in sides.items()}
        vectorizer = Vectorizer.fit(
            texts["train"], max_tokens=config.max_tokens, max_length=config.max_length
        )
        for side, cleaned in texts.items():
            vectorizer.encode(cleaned).save(folder, side)
        words = json.dumps(vectorizer.words, ensure_ascii=False)
        (folder / _WORDS_FILE).write_text(words, encoding="utf-8")

    folder = cached_folder(f"texts-{digest}", encode)
    words = json.loads((folder / _WORDS_FILE).read_text(encoding="utf-8"))
    vectorizer = Vectorizer(words, config.max_length)
    return EncodedTexts(
        cleaner, vectorizer, TokenIds.load(folder, "train"), TokenIds.load(folder, "validation")
    )


def check_encodable(split: Split, config: Config) -> None:
    """Check before there is a run what encoding, and reading vectors from a file, would refuse.

    Where trials choose their text config too, what a file has for their words is seen by each.

    Raises:
        DataError: cleaning leaves no word of the training texts.
        RequestError: a line of a file of vectors is none.

    """
    for steps in config.possible_values("text.steps"):
        cleaner = Cleaner(steps, fill_missing=split.fill_missing)
        require_words(map(cleaner, split.train.texts))
    files = vector_files(config.possible_values("model.embeddings"))
    if files and not _searches_texts(config):
        texts = encode_texts(split, config.text)
        for file in files:
            _make_vectors(texts, config, file, config.possible_values("model.embedding_dim"))


def precompute_encodings(split: Split, config: Config) -> None:
    """Make what many trials of a sweep will share before they ask for it.

    That is the texts as ids, and vectors learned from them in each size that trials choose from:
    the workers that want those of one size wait for it, and a core would idle. Which sizes of
    a range will be drawn nobody knows, but the larger ones share what is learned.
    """
    if _searches_texts(config):
        return
    texts = encode_texts(split, config.text)
    if "word2vec" in config.possible_values("model.embeddings"):
        sizes = config.possible_values("model.embedding_dim")
        if isinstance(config.sweep.space.get("model.embedding_dim"), IntRange):
            sizes = (max(sizes),) if max(sizes) >= MOST_LEARNED else ()
        _make_vectors(texts, config, "word2vec", sizes)


def _searches_texts(config: Config) -> bool:
    """Say whether trials choose their text config too, so that no encoding is that of all."""
    return any(key.startswith("text.") for key in config.sweep.space)


def _make_vectors(texts: EncodedTexts, config: Config, source: str, sizes: Iterable[int]) -> None:
    """Make vectors in some sizes, for trials to find."""
    for size in sizes:
        chosen = {"model.embeddings": source, "model.embedding_dim": size}
        texts.initial_embeddings(config.with_values(chosen).model)
