"""Where a study is stored, and the lock that lets one process at a time run it.

By default it is a journal file beside MLflow's artifacts. The operating system holds its lock, so
a killed process blocks nobody; the next one to take the lock cuts off a last line that a killed
writer left incomplete.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy import NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from ecomclf.errors import StudyError
from ecomclf.runtime.locks import locked
from ecomclf.tracking.connection import reason_of, without_password

STUDIES = Path("mlruns") / "studies"

# Ports of addresses that name none.
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}


def check_storage(storage: str, tracking_uri: str) -> None:
    """Refuse to share MLflow's database: Optuna and MLflow would break each other's tables.

    Raises:
        StudyError: the storage is that database, or is not a database address.

    """
    try:
        ours = _database(storage)
    except (SQLAlchemyError, ValueError) as error:
        raise StudyError(
            "the storage must be a database address such as postgresql+psycopg://… but got "
            f"{without_password(storage)!r}"
        ) from error
    # MLflow's store may also be a server or a folder.
    with contextlib.suppress(SQLAlchemyError, ValueError):
        if ours == _database(tracking_uri):
            raise StudyError(
                f"the storage {without_password(storage)!r} is MLflow's own database; name "
                "another database, or leave --storage out"
            )


def _database(address: str) -> tuple[object, ...]:
    """Return what identifies a database, however its address is written."""
    url = make_url(address)
    backend, name = url.get_backend_name(), url.database
    if backend == "sqlite" and name:
        name = os.path.realpath(name)
    # The folder of a socket is one of the options.
    host = url.host or url.query.get("host")
    host = "127.0.0.1" if host == "localhost" else host
    return backend, host, url.port or _PORTS.get(backend), name


def journal_path(name: str) -> Path:
    """Return the journal file of a study."""
    return STUDIES / f"{name}.journal"


@contextlib.contextmanager
def lock_study(name: str, storage: str | None) -> Iterator[None]:
    """Hold the lock of a study while the block runs.

    It excludes other sweeps of this folder and, when the storage is PostgreSQL, of other folders
    and machines too. A killed process releases it.

    Raises:
        StudyError: another process holds it, the folder cannot be written to, or the storage cannot
            be opened.

    """
    path = journal_path(name) if storage is None else STUDIES / f"{name}.held"
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(path, wait=False))
        except BlockingIOError as error:
            raise _held_by_another(name) from error
        except OSError as error:
            raise StudyError(
                f"cannot write the study's file {path}: {error.strerror}; run the sweep in a "
                "folder that you can write to"
            ) from error
        if storage and make_url(storage).get_backend_name() == "postgresql":
            stack.enter_context(_hold_in_postgresql(name, storage))
        yield


@contextlib.contextmanager
def _hold_in_postgresql(name: str, storage: str) -> Iterator[None]:
    """Hold an advisory lock while the block runs; it ends with its connection at the latest."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    # Some servers end idle transactions, and some routers idle connections.
    is_libpq = make_url(storage).get_driver_name().startswith("psycopg")
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "poolclass": NullPool,
        "connect_args": {"keepalives_idle": 60} if is_libpq else {},
    }
    with contextlib.ExitStack() as stack:
        with opening(storage):
            connection = stack.enter_context(create_engine(storage, **options).connect())
            is_held = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        if not is_held:
            raise _held_by_another(name)
        try:
            yield
        finally:
            # The server may notice a closed connection only later.
            with contextlib.suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _held_by_another(name: str) -> StudyError:
    return StudyError(
        f"another process is running the study {name!r}; wait for it to end, or choose another "
        "--study"
    )


@contextlib.contextmanager
def opening(storage: str | None) -> Iterator[None]:
    """Turn the errors of a storage that cannot be used into one line.

    Raises:
        StudyError: the block could not use the storage.

    """
    try:
        yield
    except (
        SQLAlchemyError,
        ImportError,
        ValueError,
        RuntimeError,
        optuna.exceptions.StorageInternalError,
    ) as error:
        raise StudyError(
            f"cannot use the storage {without_password(storage or '')!r}: {reason_of(error)}; it "
            "must be a database of its own that SQLAlchemy knows, its driver installed, or be left "
            "out"
        ) from error


def open_storage(name: str, storage: str | None) -> Any:
    """Return Optuna's storage: the database at an address, else the study's own journal file."""
    if storage is not None:
        # Reconnects when a connection was cut while a trial trained.
        return optuna.storages.RDBStorage(storage, engine_kwargs={"pool_pre_ping": True})
    path = journal_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(JournalFileBackend(str(path), _JournalLock(path)))


class _JournalLock(JournalFileOpenLock):
    """Locks with `flock`, and removes an incomplete last line before anything is appended."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._held = contextlib.ExitStack()

    def acquire(self) -> bool:
        self._held.enter_context(locked(self._journal.with_suffix(".lock")))
        _cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        self._held.close()


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last line end."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
