"""Whether the disk has room for a sweep, as far as that can be known before it starts."""

import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ecomclf.config.loading import Config
from ecomclf.data.splitting import Split
from ecomclf.errors import RequestError
from ecomclf.text.encoded_texts import encode_texts, searches_texts

# Bytes of MLflow's database, the study and the winner; and what a trial logs besides its network.
_SWEEP, _TRIAL = 20 * 2**20, 2**18
# Bytes of a word in a saved vocabulary, of which a network has two.
_WORD = 16


def require_space(config: Config, split: Split, artifacts: str, trials: int) -> None:
    """Check that the networks of the missing trials fit on the disk of the artifacts.

    Until the winner is chosen, each trial keeps its network. What is counted is the smallest that
    they can need, so a sweep that passes may still fill the disk; it then stops, and goes on when
    there is space again.

    Args:
        config: what is searched.
        split: the texts, whose vocabulary sets the size of a network.
        artifacts: MLflow's address for artifacts; one that is no folder of this machine passes.
        trials: number of trials that are missing.

    Raises:
        RequestError: the disk has less than that.

    """
    folder = _existing_folder(artifacts)
    if folder is None or not trials:
        return
    needed = _SWEEP + trials * (_TRIAL + _smallest_network(config, split))
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise RequestError(
            f"the disk of {folder} has {free / 1e6:,.0f} MB free, and {trials} trials need at "
            f"least {needed / 1e6:,.0f} MB; free some space, ask for fewer trials, or name a store "
            "elsewhere with MLFLOW_TRACKING_URI"
        )


def _smallest_network(config: Config, split: Split) -> int:
    """Return the bytes of the smallest word embedding, with its words, that a trial can have."""
    if searches_texts(config):
        return 0
    words = encode_texts(split, config.text).vectorizer.vocabulary_size
    size: int = min(config.possible_values("model.embedding_dim"))
    return words * (4 * size + _WORD)


def _existing_folder(artifacts: str) -> Path | None:
    """Return the folder of artifacts on this machine, or the nearest that exists above it."""
    parts = urlsplit(artifacts)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    folder = Path(unquote(parts.path) if parts.scheme else artifacts).absolute()
    return next((each for each in (folder, *folder.parents) if os.path.isdir(each)), None)
