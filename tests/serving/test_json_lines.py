"""`ecomclf predict` as a user runs it, on a registered model."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ecomclf.models.classifier import Classifier
from ecomclf.serving.json_lines import lines_as_they_come

PREDICT = [sys.executable, "-m", "ecomclf", "predict", "--model", "shop"]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe; the test closes the second."""
    read, write = os.pipe()
    yield read, write
    os.close(read)


def test_lines_are_yielded_as_soon_as_they_are_complete(pipe: tuple[int, int]) -> None:
    """A line may arrive in parts, end with CRLF, or hold bytes that are not UTF-8."""
    read, write = pipe
    lines = lines_as_they_come(read)
    os.write(write, b"one\ntwo\r\nthr")
    assert next(lines) == ["one", "two"]
    os.write(write, b"ee\n\n")
    assert next(lines) == ["three", ""]
    os.write(write, b"caf\xe9")
    os.close(write)
    assert list(lines) == [["caf\ufffd"]]


@pytest.mark.slow
def test_predict_prints_a_line_of_json_per_text(shop: Classifier) -> None:
    """Empty texts get a prediction too; stderr names the version that was used."""
    texts = ["Case for phone", "", "caf\u00e9"]
    done = subprocess.run([*PREDICT, *texts], capture_output=True, text=True, check=True)
    assert "version 1" in done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for answer, row in zip(answers, shop.predict_proba(texts), strict=True):
        assert answer["label"] == shop.classes_[row.argmax()]
        assert answer["confidence"] == pytest.approx(row.max(), abs=1e-5)
        assert list(answer["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-5)
    # Of two classes one has at least the threshold of 0.5; only the first text has known words.
    assert [answer["needs_review"] for answer in answers] == [False, True, True]


@pytest.mark.slow
def test_predict_answers_each_line_of_a_pipe_at_once(shop: Classifier) -> None:
    """A program that writes one line gets its prediction before it writes the next."""
    with subprocess.Popen(
        PREDICT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in ("phone", "case with phone"):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            (row,) = shop.predict_proba([text])
            assert answer["confidence"] == pytest.approx(row.max(), abs=1e-5)
        process.stdin.close()
        assert process.wait(timeout=30) == 0
