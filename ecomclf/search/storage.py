"""Where a study is stored, and who may run it.

The journal is a file beside MLflow's artifacts. Its lock is the system's, so that a process killed
while holding it blocks nobody, and whoever takes it first cuts off what a killed writer left of a
last line.
"""

import contextlib
import fcntl
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
from ecomclf.tracking.runs import reason_of, without_password

STUDIES = Path("mlruns") / "studies"

# What an address means that names no port.
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}


def check_storage(storage: str, tracking_uri: str) -> None:
    """Refuse to share MLflow's database: each would break the other's tables.

    Raises:
        StudyError: the storage is that database, or is no database address.

    """
    try:
        ours = _database(storage)
    except (SQLAlchemyError, ValueError) as error:
        raise StudyError(
            "the storage must be a database address such as postgresql+psycopg://… but got "
            f"{without_password(storage)!r}"
        ) from error
    # MLflow's store may be a server or a folder.
    with contextlib.suppress(SQLAlchemyError, ValueError):
        if ours == _database(tracking_uri):
            raise StudyError(
                f"the storage {without_password(storage)!r} is MLflow's own database; name "
                "another, or leave it out"
            )


def _database(address: str) -> tuple[object, ...]:
    """Give what a database is known by, whoever opens it."""
    url = make_url(address)
    backend, name = url.get_backend_name(), url.database
    if backend == "sqlite" and name:
        name = os.path.realpath(name)
    # A socket's folder has its place among the options.
    host = url.host or url.query.get("host")
    host = "127.0.0.1" if host == "localhost" else host
    return backend, host, url.port or _PORTS.get(backend), name


def journal_path(name: str) -> Path:
    """Give the file of a study that is stored on this machine."""
    return STUDIES / f"{name}.journal"


@contextlib.contextmanager
def lock_study(name: str, storage: str | None) -> Iterator[None]:
    """Keep other sweeps off a study while the block runs.

    Those are the ones of this folder, and of any where the storage is PostgreSQL. Whoever is killed
    holds nothing any more.

    Raises:
        StudyError: another process holds it, the folder cannot be written, or the storage cannot be
            opened.

    """
    path = journal_path(name) if storage is None else STUDIES / f"{name}.held"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("ab")
    except OSError as error:
        raise StudyError(
            f"cannot keep the study in {path}: {error.strerror}; run it in a folder of your own"
        ) from error
    with opened as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _held_by_another(name) from error
        with contextlib.ExitStack() as stack:
            if storage and make_url(storage).get_backend_name() == "postgresql":
                stack.enter_context(_hold_in_postgresql(name, storage))
            yield


@contextlib.contextmanager
def _hold_in_postgresql(name: str, storage: str) -> Iterator[None]:
    """Hold an advisory lock while the block runs, which ends with its connection at the latest."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    # Some servers end a transaction, and some routers a connection, that is silent for long.
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
            # Of a connection that is closed the server hears later.
            with contextlib.suppress(SQLAlchemyError):
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _held_by_another(name: str) -> StudyError:
    return StudyError(
        f"another process is running the study {name!r}; wait for it, or choose another name with "
        "--study"
    )


@contextlib.contextmanager
def opening(storage: str | None) -> Iterator[None]:
    """Say in one line why a storage cannot be opened.

    Raises:
        StudyError: something within the block could not use it.

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
    """Give Optuna's storage: the database of an address, or without one the study's own journal."""
    if storage is not None:
        # Connections that were cut while a trial trained are made anew.
        return optuna.storages.RDBStorage(storage, engine_kwargs={"pool_pre_ping": True})
    path = journal_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(JournalFileBackend(str(path), _JournalLock(path)))


class _JournalLock(JournalFileOpenLock):
    """Locks by the system's `flock`, and cuts a torn last line before anyone appends to it."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._held: Any = None

    def acquire(self) -> bool:
        self._held = self._journal.with_suffix(".lock").open("ab")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        _cut_torn_line(self._journal)
        return True

    def release(self) -> None:
        self._held.close()


def _cut_torn_line(path: Path) -> None:
    """Remove what follows the last end of line."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
