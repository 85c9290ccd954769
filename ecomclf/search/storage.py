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
from sqlalchemy import Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from ecomclf.errors import JobError, StudyError
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


class StudyLock:
    """The lock of a study in a file, which is held as long as the process lives."""

    def require(self) -> None:
        """Check that the lock is still held."""


class _PostgresqlLock(StudyLock):
    """An advisory lock in PostgreSQL, which is lost with its connection."""

    def __init__(self, name: str, storage: str) -> None:
        """Take the lock.

        Raises:
            StudyError: another process holds it.

        """
        self._name, self._storage = name, storage
        self._connection = _lock_connection(storage)
        if not self._take():
            self._connection.close()
            raise _held_by_another(name)

    def require(self) -> None:
        """Check that the lock is still held; if its connection was lost, take it again.

        Raises:
            JobError: another process has taken it meanwhile.
            SQLAlchemyError: the database does not answer.

        """
        try:
            self._connection.scalar(text("SELECT 1"))
        except SQLAlchemyError:
            self._connection.invalidate()
            self._connection.close()
            self._connection = _lock_connection(self._storage)
            if not self._take():
                raise JobError(
                    "the connection to the study's storage was lost, and another process runs the "
                    f"study {self._name!r} now; wait for it to end"
                ) from None

    def release(self) -> None:
        """Give the lock up; the server may notice a closed connection only later."""
        with contextlib.suppress(SQLAlchemyError):
            self._connection.execute(
                text("SELECT pg_advisory_unlock(:key)"), {"key": _lock_key(self._name)}
            )
        with contextlib.suppress(SQLAlchemyError):
            self._connection.close()

    def _take(self) -> bool:
        statement = text("SELECT pg_try_advisory_lock(:key)")
        return bool(self._connection.scalar(statement, {"key": _lock_key(self._name)}))


@contextlib.contextmanager
def lock_study(name: str, storage: str | None) -> Iterator[StudyLock]:
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
        if not is_postgresql(storage):
            yield StudyLock()
            return
        assert storage is not None
        with opening(storage):
            lock = _PostgresqlLock(name, storage)
        stack.callback(lock.release)
        yield lock


@contextlib.contextmanager
def lock_draws(name: str, storage: str | None) -> Iterator[None]:
    """Let one worker at a time draw the values of a trial, wherever the workers are.

    With a database other than PostgreSQL they must be on one machine, in one folder.
    """
    if not is_postgresql(storage):
        with locked(STUDIES / f"{name}.draw"):
            yield
        return
    assert storage is not None
    with contextlib.closing(_lock_connection(storage)) as connection:
        # It ends with its connection.
        connection.execute(
            text("SELECT pg_advisory_lock(:key)"), {"key": _lock_key(f"{name}.draw")}
        )
        yield


def is_postgresql(storage: str | None) -> bool:
    """Return whether a storage is a PostgreSQL database, whose locks reach all machines."""
    return storage is not None and make_url(storage).get_backend_name() == "postgresql"


def _lock_key(name: str) -> int:
    """Return the number of an advisory lock: 64 bits of a hash, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _lock_connection(storage: str) -> Connection:
    """Return a connection for an advisory lock, which it holds until it ends."""
    # Some servers end idle transactions, and some routers idle connections.
    is_libpq = make_url(storage).get_driver_name().startswith("psycopg")
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "poolclass": NullPool,
        "connect_args": {"keepalives_idle": 60} if is_libpq else {},
    }
    return create_engine(storage, **options).connect()


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
