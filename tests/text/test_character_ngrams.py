import numpy as np

from ecomclf.text.character_ngrams import MAX_BUCKETS, SIZES, CharacterNgrams
from ecomclf.text.token_ids import TokenIds
from ecomclf.text.word_pairs import NO_PAIR, pair_buckets


def buckets_of(ngrams: CharacterNgrams, *words: str) -> list[list[int]]:
    """Return the sorted buckets of each word."""
    found = ngrams.encode(words)
    return [
        sorted(found.values[found.offsets[row] : found.offsets[row + 1]].tolist())
        for row in range(len(words))
    ]


def test_a_word_has_its_n_grams_whatever_stands_beside_it() -> None:
    """Also with empty words, and with characters that the alphabet lacks."""
    ngrams = CharacterNgrams.fit(["red shoe", "naïve 日本"], buckets=MAX_BUCKETS)
    words = ("shoe", "", "日本", "x", "naïve", "\ud83d")
    together = buckets_of(ngrams, *words)
    assert together == [buckets_of(ngrams, word)[0] for word in words]
    # A word of n letters has n + 3 - size n-grams of each size.
    expected = [sum(max(0, len(word) + 3 - size) for size in SIZES if word) for word in words]
    assert [len(each) for each in together] == expected
    assert all(0 < bucket < MAX_BUCKETS for each in together for bucket in each)


def test_half_an_emoji_is_not_in_the_alphabet() -> None:
    """A saved model could not hold it."""
    ngrams = CharacterNgrams.fit(["a\ud83d", "b\U0001f600"], buckets=64)
    assert ngrams.alphabet == " ab\U0001f600"
    assert len(ngrams.encode(["\ud83d"]).values) > 0


def test_a_string_that_is_no_word_has_few_n_grams() -> None:
    """An image in base64 has no more than those that begin at the first 200 positions."""
    ngrams = CharacterNgrams.fit(["shoe"], buckets=MAX_BUCKETS)
    (image, longer) = ngrams.encode(["shoe" * 250_000, "shoe" * 250_000 + "x"]).lengths
    assert image == longer == 200 * len(SIZES)
    (whole,) = ngrams.encode(["s" * 198]).lengths
    assert whole == sum(198 + 3 - size for size in SIZES)


def test_different_n_grams_rarely_share_a_bucket() -> None:
    """About as many buckets are used as random numbers would use."""
    generator = np.random.default_rng(0)
    letters = np.array([*"abcdefghijklmnopqrstuvwxyz0123456789"])
    words = ["".join(generator.choice(letters, 6)) for _ in range(10_000)]
    ngrams = CharacterNgrams.fit(words, buckets=MAX_BUCKETS)
    distinct = {
        f" {word} "[start : start + size]
        for word in words
        for size in SIZES
        for start in range(len(word) + 3 - size)
    }
    used = len(np.unique(ngrams.encode(words).values))
    expected = MAX_BUCKETS * (1 - np.exp(-len(distinct) / MAX_BUCKETS))
    assert abs(used - expected) < 0.02 * expected


def test_pairs_end_with_their_text() -> None:
    """The last word of a text, a text of one word and an empty text have no pair."""
    ids = TokenIds(np.array([2, 3, 2, 3, 2, 1, 2], np.int32), np.array([0, 2, 2, 3, 7]))
    first, *others = pair_buckets(ids, 1024).tolist()
    assert first not in (NO_PAIR, others[3])
    assert others == [NO_PAIR, NO_PAIR, others[2], NO_PAIR, NO_PAIR, NO_PAIR]
    assert pair_buckets(TokenIds(np.zeros(0, np.int32), np.array([0, 0])), 64).tolist() == []
