"""The texts of a split as token ids, cached for all trials that share a text config."""

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ecomclf.config.loading import Config
from ecomclf.config.schema import ModelConfig, TextConfig
from ecomclf.config.search_space import IntRange
from ecomclf.data.splitting import Split
from ecomclf.runtime.disk_cache import cached_folder, digest_of
from ecomclf.text.character_ngrams import CharacterNgrams
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds
from ecomclf.text.vectorizer import Vectorizer, require_words
from ecomclf.text.word_vectors import (
    MAX_LEARNED_SIZE,
    file_vectors,
    learned_vectors,
    vector_files,
)

# Weights of the embedding layer, None for random ones, and metrics about them.
InitialEmbeddings = tuple[np.ndarray | None, dict[str, float]]

# Learned vectors of more sizes than these do not travel with the texts.
_MOST_SIZES = 8
_WORDS_FILE = "words.json"
# The modules that turn texts into ids. Their source is part of the cache key, so that a change to
# one of them invalidates the cache.
ENCODING_CODE = (
    Path(__file__),
    *(Path(__file__).with_name(name) for name in ("cleaning.py", "token_ids.py", "vectorizer.py")),
    # What cleaning takes from other wings.
    *(Path(__file__).parents[1] / name for name in ("config/languages.py", "data/scripts.py")),
)


@dataclass(frozen=True)
class EncodedTexts:
    """Training and validation texts as token ids, with the cleaner and vectorizer that made them.

    Attributes:
        cleaner: applies the steps of the text config.
        vectorizer: holds the vocabulary of the training texts.
        train: ids of the training texts, in the order of the split.
        validation: ids of the validation texts.
        embeddings: what `initial_embeddings` returns, by `model.embeddings` and size, as far as
            `portable_texts` has computed it; the rest comes from the cache on disk.

    Example:
        texts = encode_texts(split, config.text)
        vectors, coverage = texts.initial_embeddings(config.model)

    """

    cleaner: Cleaner
    vectorizer: Vectorizer
    train: TokenIds
    validation: TokenIds
    embeddings: Mapping[tuple[str, int], InitialEmbeddings] = field(default_factory=dict)

    def initial_embeddings(self, config: ModelConfig) -> InitialEmbeddings:
        """Return the initial weights of the embedding layer, and metrics about them.

        Returns:
            float32 [vocabulary_size, embedding_dim], or None for random initialisation; and for
            vectors from a file, the fractions of the vocabulary (`vectors/vocabulary_coverage`) and
            of the training tokens (`vectors/token_coverage`) that the file covers.

        Raises:
            RequestError: the file of vectors cannot be read.

        """
        size = config.embedding_dim
        if config.embeddings == "random":
            return None, {}
        if (config.embeddings, size) in self.embeddings:
            return self.embeddings[config.embeddings, size]
        if config.embeddings == "word2vec":
            count = self.vectorizer.vocabulary_size
            return learned_vectors(self.train, vocabulary_size=count, size=size), {}
        words = self.vectorizer.words
        vectors, known = file_vectors(Path(config.embeddings), words, size)
        return vectors, {
            "vectors/vocabulary_coverage": float(known[UNKNOWN_ID + 1 :].mean()),
            "vectors/token_coverage": float(known[self.train.values].mean()),
        }

    def ngrams(self, buckets: int) -> CharacterNgrams:
        """Return a hash of character n-grams, with the alphabet of the training texts."""
        return CharacterNgrams.of_words(self.vectorizer.words, self.train, buckets=buckets)


def encode_texts(split: Split, config: TextConfig) -> EncodedTexts:
    """Clean and encode the training and validation texts; learn the vocabulary from training only.

    The ids are cached on disk, under a key of the texts, the text config and the encoding code.

    Raises:
        DataError: cleaning leaves no word in any training text.

    """
    cleaner = Cleaner(config.steps, split.fill_missing, config.language)
    # Stemmers come from NLTK, stop words from two packages, so their versions count as code.
    code: list[str | bytes] = [
        *(path.read_bytes() for path in ENCODING_CODE),
        version("nltk"),
        version("scikit-learn"),
        version("stop-words"),
        unicodedata.unidata_version,
    ]
    settings = [config.model_dump_json(), split.fill_missing]
    digest = digest_of(code, settings, split.train.texts, split.validation.texts)

    def encode(folder: Path) -> None:
        subsets = {"train": split.train, "validation": split.validation}
        texts = {name: cleaner.clean(rows.texts) for name, rows in subsets.items()}
        vectorizer = Vectorizer.fit(
            texts["train"], max_tokens=config.max_tokens, max_length=config.max_length
        )
        for name, cleaned in texts.items():
            vectorizer.encode(cleaned).save(folder, name)
        words = json.dumps(vectorizer.words, ensure_ascii=False)
        (folder / _WORDS_FILE).write_text(words, encoding="utf-8")

    folder = cached_folder(f"texts-{digest}", encode)
    words = json.loads((folder / _WORDS_FILE).read_text(encoding="utf-8"))
    vectorizer = Vectorizer(words, config.max_length)
    return EncodedTexts(
        cleaner, vectorizer, TokenIds.load(folder, "train"), TokenIds.load(folder, "validation")
    )


def check_encodable(split: Split, config: Config) -> None:
    """Detect errors of encoding, and of reading vector files, before a run is created.

    If the search space contains keys of the text config, each trial has its own vocabulary, and
    vector files are read in the trials only.

    Raises:
        DataError: some steps that the config allows leave no word in any training text.
        RequestError: a file of vectors contains a malformed line.

    """
    for steps in config.possible_values("text.steps"):
        cleaner = Cleaner(steps, split.fill_missing, config.text.language)
        require_words(map(cleaner, split.train.texts))
    files = vector_files(config.possible_values("model.embeddings"))
    if files and not searches_texts(config):
        texts = encode_texts(split, config.text)
        for file in files:
            _cache_vectors(texts, config, file, config.possible_values("model.embedding_dim"))


def precompute_encodings(split: Split, config: Config) -> None:
    """Cache the ids, and the learned word vectors, that the trials of a sweep share.

    Vectors are learned in every size that trials choose from. Otherwise all workers whose first
    trials need the same size would wait for one of them, leaving cores idle. From a range of sizes
    it is unknown which ones will be drawn, so only the learned dimensions that all larger sizes
    share are computed.
    """
    if searches_texts(config):
        return
    texts = encode_texts(split, config.text)
    if "word2vec" in config.possible_values("model.embeddings"):
        sizes = config.possible_values("model.embedding_dim")
        if isinstance(config.sweep.space.get("model.embedding_dim"), IntRange):
            sizes = (max(sizes),) if max(sizes) >= MAX_LEARNED_SIZE else ()
        _cache_vectors(texts, config, "word2vec", sizes)


def portable_texts(split: Split, config: Config) -> dict[str, EncodedTexts]:
    """Return the encoded texts of a sweep, by text config, with all that workers elsewhere need.

    That includes the initial embeddings in the sizes that trials choose from, so that they are
    computed once, and vector files are read on this machine only. From more than eight learned
    sizes only the largest one is computed, which all larger embeddings share.

    Returns:
        One item, or none if the search space contains keys of the text config: trials then have a
        vocabulary each.

    """
    if searches_texts(config):
        return {}
    texts = encode_texts(split, config.text)
    sizes = config.possible_values("model.embedding_dim")
    if len({min(size, MAX_LEARNED_SIZE) for size in sizes}) > _MOST_SIZES:
        sizes = tuple(size for size in sizes if size >= MAX_LEARNED_SIZE)
    embeddings = {
        (source, size): texts.initial_embeddings(_with_embeddings(config, source, size))
        for source in config.possible_values("model.embeddings")
        for size in sizes
    }
    return {config.text.model_dump_json(): replace(texts, embeddings=embeddings)}


def searches_texts(config: Config) -> bool:
    """Return whether the search space contains keys of the text config.

    Then trials share no encoding.
    """
    return any(key.startswith("text.") for key in config.sweep.space)


def _cache_vectors(texts: EncodedTexts, config: Config, source: str, sizes: Iterable[int]) -> None:
    """Compute initial embeddings in each size, so that trials find them in the cache."""
    for size in sizes:
        texts.initial_embeddings(_with_embeddings(config, source, size))


def _with_embeddings(config: Config, source: str, size: int) -> ModelConfig:
    """Return the model section with other embeddings."""
    return config.with_values({"model.embeddings": source, "model.embedding_dim": size}).model
