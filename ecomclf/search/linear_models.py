"""What is fitted beside the trials of a sweep: baselines, the linear path, suspicious labels."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from ecomclf.config.loading import Config
from ecomclf.config.values import ClassWeight
from ecomclf.data.splitting import Split
from ecomclf.evaluation.error_tables import label_suspects
from ecomclf.models.baseline import Evaluated, fit_baselines
from ecomclf.models.linear_path import LinearPath
from ecomclf.search.blending import fit_weighted_path
from ecomclf.text.encoded_texts import encode_texts, precompute_encodings, searches_texts

Result = TypeVar("Result")


@dataclass(frozen=True)
class LinearModels:
    """What is fitted beside the trials; without a path if the trials search text settings."""

    baselines: dict[str, Evaluated]
    suspects: pd.DataFrame
    path: LinearPath | None


def start_linear_models(
    split: Split, config: Config, wait_for_a_trial: Callable[[], object]
) -> "Future[LinearModels]":
    """Encode the texts, then fit what is linear and find suspicious labels, in a thread.

    A failed encoding is reported by the trials, which need it too.

    Args:
        split: the rows.
        config: of the sweep.
        wait_for_a_trial: returns when the cores may be shared.

    """
    encoded = _start_thread(lambda: precompute_encodings(split, config))

    def fit() -> LinearModels:
        wait([encoded])
        wait_for_a_trial()
        return LinearModels(
            fit_baselines(split, config.train.monitor, _fixed_class_weight(config)),
            label_suspects(split.train, split.classes),
            _fit_linear_path(split, config),
        )

    return _start_thread(fit)


def _fit_linear_path(split: Split, config: Config) -> LinearPath | None:
    """Fit the linear path that all trials share, if they share a vocabulary."""
    if not config.winner.wide or searches_texts(config):
        return None
    texts = encode_texts(split, config.text)
    return fit_weighted_path(config, split, texts.vectorizer.words, texts.train)


def _fixed_class_weight(config: Config) -> ClassWeight:
    """Return the class weights that all trials share; `none` where they are searched."""
    return "none" if "train.class_weight" in config.sweep.space else config.train.class_weight


def _start_thread(work: Callable[[], Result]) -> "Future[Result]":
    """Start work in a daemon thread, which does not keep an interrupted process alive."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
