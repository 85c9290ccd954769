"""Set up TensorFlow and Keras: backend, threads, quiet start."""

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

# Read by Keras.
_BACKEND = "KERAS_BACKEND"
# Read by the GNU C library when a process starts; other C libraries ignore it.
_TUNABLES = "GLIBC_TUNABLES"


def count_cores() -> int:
    """Return the number of cores that this process may use.

    CPU affinity and the CPU quota of a container are taken into account.
    """
    # Imports NumPy, which the command line does without.
    import joblib

    return int(joblib.cpu_count())


def require_backend(*, repeats: bool = False) -> str:
    """Return the backend that Keras trains with, as `KERAS_BACKEND` says; default `tensorflow`.

    Args:
        repeats: whether the winner will be trained again with other seeds. This happens after its
            evaluation, in a process where TensorFlow is the backend.

    Raises:
        RequestError: the backend is unknown, not installed, or does not allow repeats.

    """
    backend = os.environ.get(_BACKEND) or "tensorflow"
    if backend not in ("tensorflow", "torch"):
        raise RequestError(f"{_BACKEND} must be tensorflow or torch but is {backend!r}")
    if backend == "torch" and repeats:
        raise RequestError(
            f"--repeats trains with TensorFlow but {_BACKEND} is torch; remove one of the two"
        )
    if backend == "torch" and importlib.util.find_spec("torch") is None:
        raise RequestError(
            f"{_BACKEND} is torch, which is not installed; install 'ecomclf[torch]', or unset it"
        )
    return backend


def worker_environment() -> dict[str, str]:
    """Return the environment variables to add for processes that train.

    With `GLIBC_TUNABLES` such a process keeps the memory that it frees, in large pages. Each
    training step allocates as much as the previous one freed; if that was returned to the system,
    up to a third of the time goes into fetching it again. The C library reads the variable when a
    process starts, so it has no effect on this one.

    Returns:
        Variables by name; those that are set already are left out.

    """
    if _TUNABLES in os.environ:
        return {}
    options = ("mmap_max=0", "trim_threshold=4294967296", "arena_max=1", "hugetlb=1")
    return {_TUNABLES: ":".join(f"glibc.malloc.{option}" for option in options)}


@contextlib.contextmanager
def imports_without_gc() -> Iterator[None]:
    """Disable the garbage collector during imports.

    Python collects whenever the number of objects has grown by a quarter. During imports this
    finds nothing and takes a third of the time. If the collector was disabled before, it stays
    disabled.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def start_tensorflow(threads: int | None = None, *, backend: str = "tensorflow") -> None:
    """Import TensorFlow and initialise its devices; call before the first import of Keras.

    Each operation runs on one thread, because the operations of recurrent networks are too small to
    divide; up to `threads` operations run in parallel.

    Args:
        threads: number of threads; by default one per core.
        backend: Keras' backend for training, `tensorflow` or `torch`. Models are always saved for
            TensorFlow, and predictions always use it.

    """
    os.environ[_BACKEND] = backend
    if backend == "torch" and threads is not None:
        import torch

        torch.set_num_threads(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    redirect_library_settings()
    with imports_without_gc(), _quiet_stderr():
        import tensorflow as tf

        # Raised when TensorFlow is already initialised, which fixes its threads.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(threads or count_cores())
            # Several processes share a GPU; by default the first would take all of its memory.
            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, True)
        tf.get_logger().setLevel(logging.ERROR)
        # Initialises the devices while stderr is caught: this prints warnings too.
        tf.config.list_logical_devices()


def warm_up(backend: str, threads: int, modules: Sequence[str]) -> None:
    """Prepare a worker of a sweep, so that its first task starts at once.

    The objects that exist afterwards are frozen: the garbage collector never looks at them again.
    In the caller's own process, which may be a notebook, they would never be freed.

    Args:
        backend: Keras' backend, `tensorflow` or `torch`.
        threads: number of threads that the worker may use.
        modules: names of the modules to import; their imports take most of the time.

    """
    with imports_without_gc():
        start_tensorflow(threads, backend=backend)
        quiet_mlflow()
        for module in modules:
            importlib.import_module(module)
    gc.freeze()


def redirect_library_settings() -> None:
    """Make Keras and matplotlib write their settings and font cache to a temporary folder.

    Variables that are set already, and a Keras settings file of the user, stay in effect.
    """
    folder = Path(tempfile.gettempdir()) / f"ecomclf-{os.getuid()}"
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    # Only the backend in the user's file is overridden, by KERAS_BACKEND.
    if not (Path.home() / ".keras" / "keras.json").exists():
        os.environ.setdefault("KERAS_HOME", str(folder / "keras"))


def quiet_mlflow() -> None:
    """Make MLflow and its database migrations log errors only, and show no progress bars or links.

    It prints a link whenever a run ends, when the store is a server.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    # MLflow sets its log level from this variable on import; the loop is for when it is imported
    # already.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # This logger also prints the traceback of each exception that it raises.
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Capture what C++ code writes to file descriptor 2; show it only if the block fails."""
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
