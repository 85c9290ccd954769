"""`suggest`: a config that runs, from the rows of a file, with the reason for each guess."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from ecomclf.config.data_section import DataConfig
from ecomclf.config.loading import Config, parse_config
from ecomclf.data.class_names import join_names
from ecomclf.data.guessed_columns import guess_columns
from ecomclf.data.scripts import find_scripts
from ecomclf.data.similar_labels import find_missing_labels
from ecomclf.data.sources import read_table
from ecomclf.data.tables import Table
from ecomclf.errors import DataError, RequestError
from ecomclf.search.training_time import estimate_seconds
from ecomclf.text.cleaning import Cleaner
from ecomclf.text.language_fit import find_language

if TYPE_CHECKING:
    import pandas as pd

# Texts that are looked at, evenly spaced over all of them.
_SAMPLE_ROWS = 5_000
_FRACTION_WITH = 0.05
_TAG = re.compile(r"</?[a-z][^<>]*>|&[a-z]+;|&#\d+;", re.IGNORECASE)
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)
# Of the largest class to the smallest.
_UNEVEN, _VERY_UNEVEN = 3, 10
_FEWEST_ROWS = 5
_TRAINING_SHARE = 0.7
# More tokens in the training texts than this are read by a network that pools more.
_MANY_TOKENS = 500_000
_NUMBERS_IN_ORDER = re.compile(r"\d{1,2}(\.0)?")
_ORDERED_NAMES = frozenset({"stars", "star", "rating", "ratings", "score", "scores", "grade"})


@dataclass(frozen=True)
class Suggestion:
    """A config, and why it is as it is.

    Attributes:
        config: the checked config.
        yaml: the same as a short, commented file.
        reasons: a line for each guess.
        seconds: how long a sweep with it takes on this machine, roughly.

    """

    config: Config
    yaml: str
    reasons: tuple[str, ...]
    seconds: float


def suggest(
    source: str,
    frame: "pd.DataFrame | None" = None,
    *,
    text_columns: Sequence[int | str] = (),
    label_column: int | str | None = None,
) -> Suggestion:
    """Suggest a config for the rows of a file or a DataFrame.

    Args:
        source: path of the file, or what to call the DataFrame.
        frame: read instead of the file.
        text_columns: given, so not guessed.
        label_column: given, so not guessed.

    Raises:
        DataError: it is no table, it has no column of texts or none of labels, or several columns
            could be the label.

    """
    columns = guess_columns(source, frame, text=text_columns, label=label_column)
    draft = _Draft(name=_name_of(source))
    draft.add("data", "source", source, "")
    why = "; ".join(columns.why.get(key, "given") for key in columns.text)
    draft.add("data", "text_columns", list(columns.text), why)
    draft.add("data", "label_column", columns.label, columns.why.get(columns.label, "given"))
    if not columns.named:
        draft.add("data", "header", False, "the first row is no row of names")
    if columns.read_as:
        draft.comments.append(f"read as {columns.read_as}")
    data = DataConfig.model_validate(draft.values["data"])
    _suggest_rest(draft, read_table(data, frame), columns.label)
    return draft.finish()


def write_suggestion(suggestion: Suggestion, path: Path, *, force: bool) -> None:
    """Write the commented YAML of a suggestion.

    Raises:
        RequestError: the file exists already, without `force`, or it cannot be written.

    """
    if path.exists() and not force:
        raise RequestError(f"{path} already exists; pass --force to replace it, or -o for another")
    try:
        path.write_text(suggestion.yaml, encoding="utf-8")
    except OSError as error:
        raise RequestError(f"cannot write {path}: {error.strerror}") from error


class _Draft:
    """Keys with their reasons, section by section."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.comments: list[str] = []
        self.values: dict[str, dict[str, Any]] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        self.longest = 0
        self.seconds = 0.0

    def add(self, section: str, key: str, value: Any, reason: str) -> None:
        """Set a key."""
        self.values.setdefault(section, {})[key] = value
        self._reasons[section, key] = reason

    def finish(self) -> Suggestion:
        """Check the config, and write it as YAML with comments."""
        text = "\n".join([*(f"# {line}" for line in self.comments), *self._lines()]) + "\n"
        config = parse_config(yaml.safe_load(text))
        reasons = tuple(
            f"{section}.{key}: {_inline(self.values[section][key])} ({reason})"
            for (section, key), reason in self._reasons.items()
            if reason
        )
        return Suggestion(config, text, reasons, self.seconds)

    def _lines(self) -> Iterator[str]:
        yield f"name: {_inline(self.name)}"
        for section, values in self.values.items():
            yield f"{section}:"
            for key, value in values.items():
                reason = self._reasons[section, key]
                comment = f"  # {reason}" if reason else ""
                if key == "space":
                    yield f"  {key}:{comment}"
                    yield from (f"    {each}: {_inline(dim)}" for each, dim in value.items())
                else:
                    yield f"  {key}: {_inline(value)}{comment}"


def _inline(value: Any) -> str:
    """Return a value as YAML in one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _name_of(source: str) -> str:
    """Return a config name from the name of a file."""
    stem = Path(source).name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_") or "sweep"


def _suggest_rest(draft: _Draft, table: Table, label_column: int | str) -> None:
    """Add what depends on all texts and labels."""
    rows = [
        (text, label)
        for text, label in zip(table.texts, table.labels, strict=True)
        if text and label
    ]
    if not rows:
        raise DataError(f"{table.source}: no row has both a text and a label; name the columns")
    sample = [text for text, _ in rows[:: -(-len(rows) // _SAMPLE_ROWS)]]
    counts = Counter(label for _, label in rows)
    _suggest_labels(draft, counts, label_column)
    words = _suggest_text(draft, sample)
    _suggest_training(draft, len(rows), counts, words)


def _suggest_labels(draft: _Draft, counts: Counter[str], label_column: int | str) -> None:
    if str(label_column).casefold() in _ORDERED_NAMES and all(
        map(_NUMBERS_IN_ORDER.fullmatch, counts)
    ):
        draft.add("data", "ordered_labels", True, "numbers in an order, such as stars")
    missing = find_missing_labels(counts)
    if missing:
        draft.comments.append(f"drop_labels: {_inline(list(missing))} if these are no classes")
    rare = [name for name, count in counts.items() if count < _FEWEST_ROWS]
    if rare and len(counts) - len(rare) >= 2:
        few = join_names(rare, 3)
        draft.add("data", "min_rows_a_label", _FEWEST_ROWS, f"fewer rows have {few}")


def _suggest_text(draft: _Draft, sample: Sequence[str]) -> np.ndarray:
    """Add the section `text`; return the number of words of each text of the sample."""
    steps, reasons = ["lowercase", "punctuation"], []
    for step, pattern, what in (("links", _LINK, "links"), ("html", _TAG, "tags or entities")):
        fraction = sum(bool(pattern.search(text)) for text in sample) / len(sample)
        if fraction > _FRACTION_WITH:
            steps.insert(0, step)
            reasons.append(f"{100 * fraction:.0f} % of the texts have {what}")
    if reasons:
        draft.add("text", "steps", steps, ", ".join(reasons))
    language = find_language(sample)
    if language not in (None, "english"):
        draft.add("text", "language", language, "by its stop words")
    scripts = ", ".join(
        f"{name} {100 * share:.0f} %" for name, share in find_scripts(sample).items()
    )
    draft.comments.append(f"scripts: {scripts or 'no letters'}")
    cleaner = Cleaner(steps, language=language or "english")
    words = np.array([len(text.split()) for text in cleaner.clean(sample)])
    most = float(np.percentile(words, 99))
    draft.longest = int(np.clip(10 * np.ceil(most / 10), 20, 250))
    reason = f"99 % of the texts have at most {most:.0f} words"
    draft.add("text", "max_length", draft.longest, reason)
    return words


def _suggest_training(draft: _Draft, rows: int, counts: Counter[str], words: np.ndarray) -> None:
    """Add the network, the training and the search."""
    classes = len(counts)
    kept = [count for count in counts.values() if count >= _FEWEST_ROWS] or [1]
    uneven = max(kept) / min(kept)
    small, large = rows <= 5_000, rows > 30_000
    tokens = _TRAINING_SHARE * rows * float(np.minimum(words, draft.longest).mean())
    long = tokens > _MANY_TOKENS
    if long:
        draft.add("model", "filters", 64, "a third of the time on many long texts")
        draft.add("model", "filter_pool", 4, "")
    # The sizes of the shipped configs: for 1,500 reviews, 10,000 questions, 50,000 products.
    epochs = 15 if classes > 20 and not large else 10 if small else 6
    draft.add("train", "epochs", epochs, f"{rows:,} rows")
    draft.add("train", "patience", max(3, epochs // 3), "")
    if large or long:
        draft.add("train", "batch_size", 128 if rows < 200_000 else 256, "")
        draft.add("train", "learning_rate", 0.003, "")
    if uneven > _UNEVEN or classes > 20:
        reason = f"{classes:,} classes, the largest {uneven:.0f} times the smallest"
        draft.add("train", "monitor", "val_f1_macro", reason)
    space: dict[str, Any] = {
        "model.embedding_dim": _choice(32, 64, 96) if small else _choice(64, 96, 128),
        "model.units": {"type": "int", "low": 32 if small else 64, "high": 96, "step": 32},
        "model.dropout": {"type": "float", "low": 0.2, "high": 0.5},
    }
    if small:
        draft.add("model", "subwords", "ngrams", "few rows: words that were never seen are common")
    elif not long:
        space["model.subwords"] = _choice("none", "ngrams")
    if uneven > _VERY_UNEVEN:
        space["train.class_weight"] = _choice("none", "balanced")
    trials = 8 if rows <= 60_000 else 6 if rows <= 300_000 else 4
    draft.add("sweep", "trials", trials, "")
    draft.add("sweep", "space", space, "")
    draft.seconds = estimate_seconds(tokens, epochs=epochs, trials=trials, pooled=long)
    minutes = max(1, round(draft.seconds / 60))
    draft.comments.append(f"a sweep of {trials} trials takes about {minutes} min on this machine")


def _choice(*values: Any) -> dict[str, Any]:
    return {"type": "choice", "values": [*values]}
