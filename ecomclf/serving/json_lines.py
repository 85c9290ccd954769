"""Texts in, a line of JSON each out."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

_BYTES_AT_ONCE = 2**16


def lines_as_they_come(descriptor: int) -> Iterator[list[str]]:
    """Read lines of UTF-8 from an open file; some at a time, but none that is there is held back.

    So a person at a terminal has an answer to each line, and a program at the end of a pipe too.
    """
    rest = b""
    while block := os.read(descriptor, _BYTES_AT_ONCE):
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield [line.decode(errors="replace").removesuffix("\r") for line in lines]
    if rest:
        yield [rest.decode(errors="replace").removesuffix("\r")]


def json_lines(classifier: "Classifier", chunks: Iterable[Sequence[str]]) -> Iterator[str]:
    """Classify some texts after the other; a line of JSON each, in their order."""
    for chunk in chunks:
        for row in classifier.predict_proba(chunk):
            best = int(row.argmax())
            answer = {
                "label": classifier.classes[best],
                "confidence": round(float(row[best]), 6),
                "needs_review": bool(row[best] < classifier.threshold),
                "probabilities": {
                    name: round(float(value), 6)
                    for name, value in zip(classifier.classes, row, strict=True)
                },
            }
            yield json.dumps(answer, ensure_ascii=False)
