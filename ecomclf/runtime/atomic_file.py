"""Files that appear as a whole or not at all."""

import glob
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that is renamed to `path` if no error occurs, else removed.

    An existing file is replaced; a symbolic link keeps pointing to it.
    """
    final = Path(os.path.realpath(path))
    # Processes of other machines may write to the same folder.
    part = final.with_name(f".{final.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)


def discard_parts(path: Path) -> None:
    """Remove what killed processes have left of a file that they were writing."""
    final = Path(os.path.realpath(path))
    for part in final.parent.glob(glob.escape(f".{final.name}.") + "*.part"):
        part.unlink(missing_ok=True)
