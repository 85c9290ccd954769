"""Open MLflow's tracking store, and report in one line what is wrong with it."""

import contextlib
import errno
import logging
import os
import re
import shlex
import shutil
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import requests
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from ecomclf.errors import JobError, RequestError
from ecomclf.tracking.descriptions import EXPERIMENT
from ecomclf.tracking.runs import NOTE, Tracking

# Seconds for which a tracking server that does not answer is tried; a request waits this long for a
# connection and for the answer; between two requests. The first failure is reported within ten
# seconds, also when the host has two addresses.
SERVER_PATIENCE = 40.0
CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 6.0
RETRY_PAUSE = 2.0

_URI = "MLFLOW_TRACKING_URI"
_SQLITE = "sqlite:///"
# Without it MLflow's UI opens an experiment in a view for language models.
_KIND = "mlflow.experimentKind"
_TRAINING = "custom_model_development"
_MAX_REASON = 300

_log = logging.getLogger("ecomclf")
# Addresses that `connect` has set as MLflow's tracking URI; the user chose none.
_defaults: set[str] = set()


def connect(experiment: str | None = None) -> Tracking:
    """Open the store that MLflow's variables name, or `mlflow.db` in the working directory.

    A tracking server that does not answer is tried for `SERVER_PATIENCE` seconds; meanwhile one
    warning is logged.

    Args:
        experiment: where new runs go; created if missing. `MLFLOW_RUN_ID`, `MLFLOW_EXPERIMENT_ID`
            and `MLFLOW_EXPERIMENT_NAME` take precedence, in this order. By default the store is
            opened for reading, and no run can be started.

    Raises:
        RequestError: the store cannot be opened, or a variable names a run or an experiment that it
            does not have.

    """
    uri = _tracking_uri()
    try:
        if uri.startswith(("http://", "https://")):
            _wait_for_server(uri)
        _create_database(uri)
        client = mlflow.MlflowClient(uri)
        if experiment is None:
            client.search_experiments(max_results=1)
            return Tracking(uri)
        found = _experiment_id(client, uri, experiment)
        _describe_experiment(client, found, experiment)
        return Tracking(uri, found)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise RequestError(
            f"cannot use the MLflow store {without_password(uri)}: {_diagnosis(uri, error)}"
        ) from error


def name_outage(error: Exception) -> JobError | None:
    """Return a one-line error if a store, the disk or the network failed during a command.

    Returns:
        None for any other exception.

    """
    from optuna.exceptions import StorageInternalError

    if isinstance(error, MlflowException):
        failed = f"the MLflow store {without_password(mlflow.get_tracking_uri())}"
    elif isinstance(error, StorageInternalError | SQLAlchemyError):
        failed = "the study's storage"
    elif isinstance(error, OSError):
        failed = "the disk or the network"
    else:
        return None
    reason = reason_of(error)
    if _is_full(error):
        reason = f"no space is left on its disk ({reason})"
    return JobError(
        f"{failed} failed: {reason}; progress is saved; fix this and run the same command again"
    )


def _is_full(error: BaseException | None) -> bool:
    """Return whether an exception, or what caused it, says that a disk is full."""
    while error is not None:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "disk is full" in str(error) or "No space left on device" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def reason_of(error: Exception) -> str:
    """Return the message of a store's exception in one line, without passwords.

    Long messages end at a word.

    Example:
        >>> reason_of(OSError("cannot reach  http://me:secret@host:5000"))
        'cannot reach http://***@host:5000'

    """
    message = _mask_passwords(" ".join(str(error).split()))
    # SQLAlchemy adds the statement and a link to its documentation.
    message = re.split(r" \[SQL:| \(Background on", message)[0]
    short = textwrap.shorten(message, _MAX_REASON, placeholder=" …")
    # A single word that is too long would leave nothing.
    return message if short == "…" else short


def without_password(address: str) -> str:
    """Return a store's address as it may be printed.

    Example:
        >>> without_password("postgresql://me:secret@host/mlflow")
        'postgresql://me:***@host/mlflow'

    """
    try:
        return make_url(address).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return _mask_passwords(address)


def _mask_passwords(text: str) -> str:
    return re.sub(r"/[^/\s]*:[^/\s]*@", "/***@", text)


def _tracking_uri() -> str:
    """Return MLflow's tracking URI; where the user chose none, `mlflow.db` in this folder.

    MLflow percent-encodes its default, and then creates the folder of the encoded path too: in
    `/a b` it makes `/a%20b`. There the same database is set as the tracking URI, not encoded, for
    this process and those it starts.
    """
    if mlflow.get_tracking_uri() in _defaults:
        # The working directory may have changed since.
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None unsets it
    uri = mlflow.get_tracking_uri()
    # `mlflow.set_tracking_uri` sets this variable too.
    if os.environ.get(_URI) or "%" not in uri or not uri.startswith(_SQLITE):
        return uri
    uri = _sqlite_uri(Path("mlflow.db").absolute())
    _defaults.add(uri)
    mlflow.set_tracking_uri(uri)
    return uri


def _sqlite_uri(path: Path) -> str:
    """Return the address of a SQLite file, with only what SQLAlchemy would decode encoded."""
    return _SQLITE + str(path).replace("%", "%25").replace("?", "%3F")


def _wait_for_server(uri: str) -> None:
    """Return when a tracking server answers, with whatever status.

    MLflow itself retries silently for minutes.

    Raises:
        RequestError: it did not answer for `SERVER_PATIENCE` seconds.
        requests.RequestException: the address or the certificate is wrong, so that retrying is
            useless.

    """
    deadline = time.monotonic() + SERVER_PATIENCE
    warned = False
    while True:
        try:
            _request_once(uri)
        except requests.exceptions.SSLError:
            raise
        except (requests.ConnectionError, requests.Timeout) as error:
            shown = without_password(uri)
            if time.monotonic() >= deadline:
                raise RequestError(
                    f"cannot use the MLflow store {shown}: no answer within "
                    f"{SERVER_PATIENCE:.0f} seconds ({_innermost(error)}); start the server, "
                    f"or correct {_URI}"
                ) from error
            if not warned:
                warned = True
                _log.warning(
                    "the MLflow server %s does not answer yet (%s); trying for %.0f seconds",
                    shown,
                    _innermost(error),
                    SERVER_PATIENCE,
                )
            time.sleep(RETRY_PAUSE)
        else:
            return


def _request_once(uri: str) -> None:
    """Send a request to a tracking server, with the TLS settings that MLflow uses."""
    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    requests.get(
        uri,
        timeout=(CONNECT_TIMEOUT, ANSWER_TIMEOUT),
        verify=False if insecure else os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True,
        cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        allow_redirects=False,
        stream=True,
    ).close()


def _innermost(error: BaseException) -> str:
    """Return the message of the exception that caused all others, as `Connection refused`."""
    while error.__context__ is not None:
        error = error.__context__
    return _mask_passwords(str(getattr(error, "strerror", None) or error))


def _create_database(uri: str) -> None:
    """Create a new SQLite store with all its tables in one step.

    MLflow creates the tables by one migration after the other, and cannot continue when it was
    killed in between.
    """
    if not uri.startswith(_SQLITE):
        return
    path = Path(make_url(uri).database or ":memory:")
    if path.name == ":memory:" or path.exists() or not path.parent.is_dir():
        return
    with tempfile.TemporaryDirectory() as folder:
        complete = Path(folder) / "mlflow.db"
        mlflow.MlflowClient(_sqlite_uri(complete)).search_experiments()
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            shutil.copy(complete, part)
            # Another process may have been faster; its store may contain runs already.
            with contextlib.suppress(FileExistsError):
                os.link(part, path)
        finally:
            part.unlink(missing_ok=True)


def _experiment_id(client: mlflow.MlflowClient, uri: str, name: str) -> str:
    run_id = os.environ.get("MLFLOW_RUN_ID")
    if run_id:
        with _naming("MLFLOW_RUN_ID", uri):
            return str(client.get_run(run_id).info.experiment_id)
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if chosen:
        with _naming("MLFLOW_EXPERIMENT_ID", uri):
            return str(client.get_experiment(chosen).experiment_id)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or name
    found = client.get_experiment_by_name(name)
    if found and found.lifecycle_stage != "active":
        raise RequestError(
            f"the experiment {name!r} is deleted; restore it with `mlflow experiments restore "
            f"--experiment-id {found.experiment_id}`, or choose another tracking.experiment"
        )
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:
            # Another command may have been faster.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return str(found.experiment_id)


def _describe_experiment(client: mlflow.MlflowClient, experiment_id: str, name: str) -> None:
    """Describe the config's own experiment, and its kind, unless somebody has.

    One that a variable names may hold runs of other programs.
    """
    found = client.get_experiment(experiment_id)
    if found.name != name:
        return
    for tag, value in ((NOTE, EXPERIMENT), (_KIND, _TRAINING)):
        if tag not in found.tags:
            client.set_experiment_tag(experiment_id, tag, value)


@contextlib.contextmanager
def _naming(variable: str, uri: str) -> Iterator[None]:
    """Name the variable whose value the store does not know.

    Raises:
        RequestError: the block asked the store for something that does not exist.

    """
    try:
        yield
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RequestError(
            f"{variable} is {os.environ[variable]!r}, which the MLflow store "
            f"{without_password(uri)} does not have; correct {variable}, or unset it"
        ) from error


def _diagnosis(uri: str, error: Exception) -> str:
    """Return why a store cannot be opened, and the remedy."""
    message = str(error)
    if "out-of-date database schema" in message:
        return _schema_diagnosis(uri, message)
    reason = reason_of(error)
    if getattr(error, "error_code", "") in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return (
            f"{reason}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user who "
            "may write there"
        )
    if os.environ.get(_URI) and uri not in _defaults:
        return f"{reason}; correct {_URI}, or unset it"
    if not uri.startswith(_SQLITE):
        return (
            f"{reason}; or move the numbered folders that contain a meta.yaml out of ./mlruns: "
            "with them MLflow uses its old file store"
        )
    path = make_url(uri).database
    if "not a database" in message or "malformed" in message:
        return f"{reason}; restore {path} from a backup, or move it away to start a new store"
    return (
        f"{reason}; check that you can write to {path} and its folder, and that no other program "
        "is using it"
    )


def _schema_diagnosis(uri: str, message: str) -> str:
    """Return the remedy for a database that another version of MLflow created."""
    found = re.search(r"found version (\w+)", message)
    migrations = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    if found and not any(migrations.glob(f"{found[1]}_*.py")):
        return (
            f"its database schema {found[1]} is unknown to MLflow {mlflow.__version__}; install "
            "the version of MLflow that created it, or a newer one"
        )
    return (
        f"its database schema is older than MLflow {mlflow.__version__} needs; back it up, then "
        f"run `mlflow db upgrade {shlex.quote(without_password(uri))}`"
    )
