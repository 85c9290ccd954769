"""What is made once for all processes, kept in `data/cache` by what it was made of."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

CACHE = Path("data") / "cache"


def cached_folder(name: str, make: Callable[[Path], None]) -> Path:
    """Give a folder that is kept under a name, filled by the first process that asks for it.

    Args:
        name: of the folder; says what is in it, as `digest_of` does.
        make: fills the empty folder that it is given.

    """
    folder = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        # Others wait for who came first; the system lets go of a killed one's lock.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = CACHE / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)  # a killed one's
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


def digest_of(*parts: Iterable[str | bytes]) -> str:
    """Give a name for what is made of some texts or bytes, each part told from the next."""
    digest = hashlib.sha256()
    for part in parts:
        for each in part:
            digest.update(each.encode() if isinstance(each, str) else each)
            digest.update(b"\x1e")
        digest.update(b"\x1d")
    return digest.hexdigest()[:32]
