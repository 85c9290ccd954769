"""The linear path: TF-IDF over words, word pairs and characters, and a linear SVM.

A linear model is hard to beat, and a network adds word order. Combining the two follows "Wide &
Deep Learning" (Cheng et al., 2016, arXiv:1606.07792), except that they are fitted separately and
their probabilities are averaged. Saved models and configs call this path `wide`.

Its features are those of scikit-learn's `TfidfVectorizer` for word 1- and 2-grams and for character
2- to 5-grams within words, with one difference: a block of features is divided by
sqrt(Σ count · idf²) instead of sqrt(Σ count² · idf²). So everything is a sum over the words of a
text, and the n-grams of a word are looked up only once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from scipy import sparse

from ecomclf.models.linear_svm import fit_linear_svm
from ecomclf.text.character_ngrams import MAX_BUCKETS, CharacterNgrams
from ecomclf.text.token_ids import UNKNOWN_ID, TokenIds
from ecomclf.text.vectorizer import UNKNOWN
from ecomclf.text.word_pairs import NO_PAIR, pair_buckets

# Smaller than the squared norm of any text with features; avoids division by 0 for others.
MIN_SQUARED_NORM = 1e-12
# A table has a row per bucket and a column per class. With hundreds of classes it has fewer
# buckets, so that it stays below 128 MiB.
_MAX_TABLE, _MIN_BUCKETS = 2**25, 2**10
# Numbers other than 0 in the features of the training texts. Of longer data, random rows are used.
_MAX_ENTRIES = 40_000_000
_FILE = "linear_path.npz"
# A word, the pair with its next one, and the character n-grams of an average word.
_ENTRIES_PER_WORD = 22


@dataclass(frozen=True)
class LinearPath:
    """A fitted linear path.

    Each table holds, for a word or a bucket, coefficient · idf of each class, and idf² in its last
    column. Rows of padding, of the unknown token and of bucket 0 are 0.

    Attributes:
        vocabulary: words by id.
        words: float32 [vocabulary size, classes + 1].
        pairs: float32 [buckets, classes + 1], pairs of neighbouring words of the vocabulary.
        intercept: float32 [classes].
        ngrams: hashes character n-grams.
        characters: float32 [`ngrams.buckets`, classes + 1], character n-grams.

    """

    vocabulary: tuple[str, ...]
    words: np.ndarray
    pairs: np.ndarray
    intercept: np.ndarray
    ngrams: CharacterNgrams
    characters: np.ndarray

    def decide(self, ids: TokenIds) -> np.ndarray:
        """Return decision values of encoded texts; float32 [texts, classes]."""
        counts = _count(ids.values, ids.offsets, len(self.words))
        pairs = _count(pair_buckets(ids, len(self.pairs)), ids.offsets, len(self.pairs))
        decisions = _normalized(counts @ self.words + pairs @ self.pairs) + self.intercept
        characters = counts @ self._characters_of_words
        if ids.unknown is not None and ids.unknown.words:
            ngrams = _count_ngrams(self.ngrams, ids.unknown.words)
            characters += _count_unknown(ids) @ (ngrams @ self.characters)
        return np.asarray(decisions + _normalized(characters))

    def save(self, folder: Path) -> None:
        """Write everything but the vocabulary to a folder."""
        np.savez(
            folder / _FILE,
            words=self.words,
            pairs=self.pairs,
            intercept=self.intercept,
            characters=self.characters,
            alphabet=np.array(self.ngrams.alphabet),
        )

    @classmethod
    def load(cls, folder: Path, vocabulary: tuple[str, ...]) -> Self | None:
        """Read what `save` wrote; None if there is nothing."""
        if not (folder / _FILE).exists():
            return None
        with np.load(folder / _FILE, allow_pickle=False) as file:
            arrays = dict(file)
        ngrams = CharacterNgrams(str(arrays.pop("alphabet")), buckets=len(arrays["characters"]))
        return cls(vocabulary=vocabulary, ngrams=ngrams, **arrays)

    @cached_property
    def _characters_of_words(self) -> np.ndarray:
        """Return the sum over the n-grams of each word of the vocabulary."""
        return np.asarray(_count_ngrams(self.ngrams, self.vocabulary) @ self.characters)


def fit_linear_path(
    vocabulary: Sequence[str],
    ids: TokenIds,
    labels: np.ndarray,
    *,
    classes: int,
    weights: np.ndarray | None = None,
) -> LinearPath:
    """Fit the features and the linear SVM on training texts.

    With more than 40 million features in all texts together, random texts are fitted on.

    Args:
        vocabulary: words by id, the first two being padding and the unknown token.
        ids: token ids of the training texts, with their unknown words.
        labels: int32 [texts].
        classes: number of classes.
        weights: float [classes], as `fit_linear_svm` takes them.

    """
    buckets = _bucket_count(classes)
    unknown = ids.unknown.words if ids.unknown is not None else ()
    ngrams = CharacterNgrams.of_words(vocabulary, ids, buckets=buckets)
    rows = _draw_texts(ids)
    words = _count(ids.values, ids.offsets, len(vocabulary), ignored=UNKNOWN_ID)[rows]
    pairs = _count(pair_buckets(ids, buckets), ids.offsets, buckets, ignored=NO_PAIR)[rows]
    of_known, of_unknown = (_count_ngrams(ngrams, each) for each in (vocabulary, unknown))
    characters = words @ of_known + _count_unknown(ids)[rows] @ of_unknown
    counts = [words, pairs, characters]
    idf = [_inverse_document_frequency(each) for each in counts]
    blocks = [_weigh(counts[:2], idf[:2]), _weigh(counts[2:], idf[2:])]
    features = sparse.hstack(blocks, format="csr")
    svm = fit_linear_svm(features, labels[rows], classes=classes, weights=weights)
    ends = np.cumsum([len(each) for each in idf])[:-1]
    tables = [
        _table(coefficients, each)
        for coefficients, each in zip(np.split(svm.coefficients, ends, axis=1), idf, strict=True)
    ]
    return LinearPath(
        tuple(vocabulary), tables[0], tables[1], svm.intercepts, ngrams, characters=tables[2]
    )


def _bucket_count(classes: int) -> int:
    """Return the number of buckets that keeps a table within its limit; a power of two."""
    fitting: int = 1 << ((_MAX_TABLE // (classes + 1)).bit_length() - 1)
    return min(MAX_BUCKETS, max(_MIN_BUCKETS, fitting))


def _draw_texts(ids: TokenIds) -> np.ndarray:
    """Return which texts to fit on, ascending; int64 [drawn texts]."""
    entries = max(1, len(ids.values) * _ENTRIES_PER_WORD)
    count = min(len(ids), len(ids) * _MAX_ENTRIES // entries)
    return np.sort(np.random.default_rng(0).permutation(len(ids))[:count])


def _count(
    values: np.ndarray, offsets: np.ndarray, columns: int, *, ignored: int = -1
) -> sparse.csr_matrix:
    """Count the values of each text, those above `ignored`; float32 [texts, columns].

    A value that occurs several times has as many entries, unless some are ignored.
    """
    # Copied, because SciPy may sort the values of each text in place.
    counts = sparse.csr_matrix(
        ((values > ignored).astype(np.float32), values.copy(), offsets),
        (len(offsets) - 1, columns),
    )
    if ignored >= 0:
        counts.eliminate_zeros()
        counts.sum_duplicates()
    return counts


def _count_ngrams(ngrams: CharacterNgrams, words: Sequence[str]) -> sparse.csr_matrix:
    """Count the character n-grams of words, by bucket; float32 [words, buckets].

    The first two rows of a vocabulary, padding and the unknown token, are no words.
    """
    named = [word if word != UNKNOWN else "" for word in words]
    buckets = ngrams.encode(named)
    return _count(buckets.values, buckets.offsets, ngrams.buckets)


def _count_unknown(ids: TokenIds) -> sparse.csr_matrix:
    """Count the unknown words of each text; float32 [texts, unknown words]."""
    if ids.unknown is None:
        return sparse.csr_matrix((len(ids), 0), dtype=np.float32)
    rows = np.searchsorted(ids.offsets, ids.unknown.positions, side="right") - 1
    counts = np.ones(len(rows), np.float32)
    shape = (len(ids), len(ids.unknown.words))
    return sparse.csr_matrix((counts, (rows, ids.unknown.which)), shape)


def _inverse_document_frequency(counts: sparse.csr_matrix) -> np.ndarray:
    """Return ln((1 + texts) / (1 + texts with the feature)) + 1, as scikit-learn smooths it.

    Features that occur in no text get 0; float64 [features].
    """
    counts.sum_duplicates()
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log((1 + counts.shape[0]) / (1 + frequency)) + 1
    return np.where(frequency > 0, idf, 0.0)


def _weigh(counts: list[sparse.csr_matrix], idf: list[np.ndarray]) -> sparse.csr_matrix:
    """Return count · idf of some blocks of features side by side, normalized together."""
    beside, weights = sparse.hstack(counts, format="csr"), np.concatenate(idf)
    norm = np.sqrt(np.maximum(beside @ weights**2, MIN_SQUARED_NORM))
    return (sparse.diags(1 / norm) @ beside @ sparse.diags(weights)).tocsr()


def _table(coefficients: np.ndarray, idf: np.ndarray) -> np.ndarray:
    """Return coefficient · idf of each class, and idf²; float32 [features, classes + 1]."""
    weights = idf.astype(np.float32)
    return np.ascontiguousarray(np.concatenate([coefficients * weights, [weights**2]]).T)


def _normalized(sums: np.ndarray) -> np.ndarray:
    """Divide sums over the rows of a table by the norm that is in the last column."""
    norm = np.sqrt(np.maximum(sums[:, -1:], MIN_SQUARED_NORM))
    return np.asarray(sums[:, :-1] / norm)
