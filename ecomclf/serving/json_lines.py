"""Classify texts and format the predictions as lines of JSON."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

_BYTES_AT_ONCE = 2**16


def lines_as_they_come(descriptor: int) -> Iterator[list[str]]:
    """Yield lines of text from a file descriptor as soon as they are complete.

    Each list holds the lines of one read. A terminal or a program that writes to a pipe thus gets
    an answer to each line before it sends the next. Bytes that are not UTF-8 become U+FFFD.

    Args:
        descriptor: file descriptor, open for reading.

    """
    rest = b""
    while block := os.read(descriptor, _BYTES_AT_ONCE):
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield [line.decode(errors="replace").removesuffix("\r") for line in lines]
    if rest:
        yield [rest.decode(errors="replace").removesuffix("\r")]


def answers(classifier: "Classifier", texts: Sequence[str]) -> list[dict[str, Any]]:
    """Classify texts and return one dictionary of JSON values per text.

    Returns:
        `label`, `confidence`, `needs_review`, and `probabilities` by class name. Probabilities are
        rounded to six decimals.

    """
    from ecomclf.models.classifier import PROBABILITY

    predicted = classifier.predict(texts, with_probabilities=True).to_dict("records")
    return [
        {
            "label": row["label"],
            "confidence": round(float(row["confidence"]), 6),
            "needs_review": bool(row["needs_review"]),
            "probabilities": {
                name: round(float(row[f"{PROBABILITY}{name}"]), 6) for name in classifier.classes_
            },
        }
        for row in predicted
    ]


def json_lines(classifier: "Classifier", chunks: Iterable[Sequence[str]]) -> Iterator[str]:
    """Classify chunks of texts and yield one line of JSON per text, in their order."""
    for chunk in chunks:
        for answer in answers(classifier, chunk):
            yield json.dumps(answer, ensure_ascii=False)
