"""A cache on disk that processes share: folders in `data/cache`, named by what they depend on."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ecomclf.runtime.locks import locked

CACHE = Path("data") / "cache"


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """Return a cached folder, which the first process that asks for it fills.

    Other processes that ask for the same name wait until the folder is complete. If `make` fails or
    its process is killed, nothing is kept under the name and the next caller starts over.

    Args:
        name: name of the folder; must identify its content, usually with a `digest_of` its inputs.
        make: called with an empty folder, to fill it.

    """
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / f"{name}.lock"):
        if not folder.exists():
            part = CACHE / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)  # left by a process that was killed
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


def digest_of(*parts: Iterable[str | bytes]) -> str:
    """Return a hash of texts or bytes, as 32 hexadecimal digits.

    Both the items and how they are divided into parts determine the hash. A text counts as its
    UTF-8 bytes.

    >>> digest_of(["a", "b"], ["c"]) == digest_of([b"a", "b"], ["c"])
    True
    >>> digest_of(["a", "b"], ["c"]) == digest_of(["a"], ["b", "c"])
    False

    """
    digest = hashlib.sha256()
    for part in parts:
        for each in part:
            digest.update(each.encode() if isinstance(each, str) else each)
            digest.update(b"\x1e")
        digest.update(b"\x1d")
    return digest.hexdigest()[:32]
