"""Brings TensorFlow and Keras up: backend, threads, none of their start-up noise."""

import contextlib
import gc
import importlib.util
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecomclf.errors import RequestError

# Keras' own variable.
_BACKEND = "KERAS_BACKEND"
# Of the GNU C library, which reads it when a process begins; others know nothing of it.
_TUNABLES = "GLIBC_TUNABLES"
# What a container may use of the cores that it sees.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def count_cores() -> int:
    """Give the cores that this process may use, of those that the machine has."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    # Microseconds of all cores a period, or "max".
    quota, _, period = _read(_QUOTA).partition(" ")
    return min(cores, max(1, int(quota) // int(period))) if quota.isdecimal() else cores


def _read(path: Path) -> str:
    """Give a file's text, "" where there is none."""
    try:
        return path.read_text()
    except OSError:
        return ""


def require_backend(*, repeats: bool = False) -> str:
    """Give what Keras is to train with, by its variable.

    Args:
        repeats: whether a winner is to be trained again, after TensorFlow has judged it.

    Raises:
        RequestError: it cannot be.

    """
    backend = os.environ.get(_BACKEND) or "tensorflow"
    if backend not in ("tensorflow", "torch"):
        raise RequestError(f"{_BACKEND} must be tensorflow or torch but is {backend!r}")
    if backend == "torch" and repeats:
        raise RequestError(
            f"--repeats trains with TensorFlow but {_BACKEND} is torch; leave one of them out"
        )
    if backend == "torch" and importlib.util.find_spec("torch") is None:
        raise RequestError(
            f"{_BACKEND} is torch, which is not installed; install 'ecomclf[torch]', or unset it"
        )
    return backend


def keep_memory() -> None:
    """Let processes that begin from now on keep the memory that they free, in large pages.

    A step of training asks for as much as the one before has freed. Where that went back to the
    system, up to a third of the time is spent on fetching it again.
    """
    options = ("mmap_max=0", "trim_threshold=4294967296", "arena_max=1", "hugetlb=1")
    os.environ.setdefault(_TUNABLES, ":".join(f"glibc.malloc.{option}" for option in options))


@contextlib.contextmanager
def imports_without_gc() -> Iterator[None]:
    """Look for no garbage meanwhile, and afterwards never again among what is there.

    Python looks through all it has whenever that has grown by a quarter. While libraries are
    imported this finds nothing, and takes a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


def start_tensorflow(threads: int | None = None, *, backend: str = "tensorflow") -> None:
    """Import TensorFlow and let it look at its devices; call before the first import of Keras.

    An operation has one thread to itself, since those of recurrent networks are too small to be
    parted; `threads` of them run side by side.

    Args:
        threads: how many it may use; None for as many as there are cores.
        backend: what Keras trains with. Anything else is done with TensorFlow, for which models are
            saved.

    """
    os.environ[_BACKEND] = backend
    if backend == "torch" and threads is not None:
        import torch

        torch.set_num_threads(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    redirect_library_settings()
    with imports_without_gc(), _quiet_stderr():
        import tensorflow as tf

        # Where TensorFlow is up already its threads stay as they are.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(threads or count_cores())
            # Several processes share a GPU: none may take all of its memory.
            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, True)
        tf.get_logger().setLevel(logging.ERROR)
        # The first look at the devices prints what the import did not.
        tf.config.list_logical_devices()


def warm_up(backend: str, threads: int, modules: Sequence[str]) -> None:
    """Bring up all that a worker of a sweep needs, before it knows what to do.

    Args:
        backend: what Keras trains with.
        threads: how many it may use.
        modules: to import; given by name, since importing them is what takes the time.

    """
    with imports_without_gc():
        start_tensorflow(threads, backend=backend)
        quiet_mlflow()
        for module in modules:
            importlib.import_module(module)


def redirect_library_settings() -> None:
    """Let Keras and matplotlib write their settings and font list to a temporary folder."""
    folder = Path(tempfile.gettempdir()) / f"ecomclf-{os.getuid()}"
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    # A user's own settings are read where they are, but for the backend, which has a variable.
    if not (Path.home() / ".keras" / "keras.json").exists():
        os.environ.setdefault("KERAS_HOME", str(folder / "keras"))


def quiet_mlflow() -> None:
    """Let MLflow and its database migrations speak of problems only, without progress bars."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Importing MLflow sets its level from this variable; the loop is for where it is imported.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It shows the traceback of what it raises as well.
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Catch what C++ writes to file descriptor 2; show it only when the block fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except BaseException:
            caught.seek(0)
            os.write(stderr, caught.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
