import json
import logging
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import requests
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config

from ecomclf.errors import RequestError
from ecomclf.tracking import connection
from ecomclf.tracking.connection import connect, reason_of, without_password


class EmptyStore(BaseHTTPRequestHandler):
    """The part of MLflow's server that lists experiments; it has none. `/` is not found."""

    def do_GET(self) -> None:
        """Answer what does not exist."""
        self.send_error(404)

    def do_POST(self) -> None:
        """Answer a search."""
        body = json.dumps({"experiments": []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: object) -> None:
        """Log nothing."""


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """A port that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten how long `connect` waits."""
    monkeypatch.setattr(connection, "SERVER_PATIENCE", 1.0)
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT", 0.3)
    monkeypatch.setattr(connection, "RETRY_PAUSE", 0.1)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings that this package logged."""
    return [record.getMessage() for record in caplog.records if record.name == "ecomclf"]


@pytest.mark.parametrize(
    "address", ["postgresql://u:secret@db/x", "http://u:secret@db:5000", "postgresql:/u:secret@db"]
)
def test_addresses_are_shown_without_password(address: str) -> None:
    """Whether they can be parsed or not."""
    assert "secret" not in without_password(address)


def test_long_errors_end_at_a_word() -> None:
    """What is left out is marked; short errors are complete."""
    words = " ".join(f"word{number}" for number in range(100))
    kept, mark = reason_of(OSError(words)).rsplit(" ", 1)
    assert (set(kept.split()) - set(words.split()), mark) == (set(), "…")
    assert len(kept) < 300
    assert reason_of(OSError("two\n words")) == "two words"
    assert reason_of(OSError("x" * 400)) == "x" * 400


def test_a_password_is_masked_wherever_the_error_is_cut() -> None:
    """Also where the address does not fit any more."""
    for start in range(280, 300):
        assert "secret" not in reason_of(OSError(f"{'x ' * (start // 2)}http://me:secret@host"))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("port", "reason"), [("closed_port", "Connection refused"), ("silent_port", "timed out")]
)
def test_a_server_that_does_not_answer_is_reported(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
    port: str,
    reason: str,
) -> None:
    """One warning after the first attempt, then one error with the address and the remedy."""
    address = f"127.0.0.1:{request.getfixturevalue(port)}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@{address}")
    start = time.monotonic()
    with pytest.raises(RequestError) as caught:
        connect("mine")
    assert 1.0 <= time.monotonic() - start < 3.0
    assert str(caught.value) == (
        f"cannot use the MLflow store http://me:***@{address}: no answer within 1 seconds "
        f"({reason}); start the server, or correct MLFLOW_TRACKING_URI"
    )
    (warning,) = warnings_of(caplog)
    assert warning == (
        f"the MLflow server http://me:***@{address} does not answer yet ({reason}); trying for 1 "
        "seconds"
    )


def test_waiting_for_a_server_ends_within_a_minute() -> None:
    """It is reported within ten seconds, also when the host has two addresses."""
    attempt = max(2 * connection.CONNECT_TIMEOUT, connection.ANSWER_TIMEOUT)
    assert attempt < 10
    assert connection.SERVER_PATIENCE + connection.RETRY_PAUSE + attempt < 60


@pytest.mark.usefixtures("impatient")
def test_a_server_that_starts_late_is_used(
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    closed_port: int,
) -> None:
    """Any HTTP status counts as an answer."""
    uri = f"http://127.0.0.1:{closed_port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(connection, "SERVER_PATIENCE", 30.0)
    servers = []

    def serve() -> None:
        time.sleep(0.4)
        servers.append(HTTPServer(("127.0.0.1", closed_port), EmptyStore))
        servers[0].serve_forever()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert connect().uri == uri
    finally:
        servers[0].shutdown()
        thread.join()
        servers[0].server_close()
    assert len(warnings_of(caplog)) == 1


def test_an_address_without_a_host_is_not_tried_twice(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Retrying cannot help."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://")
    with pytest.raises(RequestError, match=r"No host supplied; correct MLFLOW_TRACKING_URI"):
        connect()
    assert warnings_of(caplog) == []


def test_a_sqlite_store_is_opened_without_a_request(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only servers are asked whether they answer."""
    monkeypatch.setattr(requests, "get", None)
    assert connect("mine").experiment_id


def alembic_revision(uri: str, revision: str) -> None:
    """Mark a database as having an older schema, as alembic does."""
    logging.disable(logging.CRITICAL)
    try:
        command.stamp(_get_alembic_config(uri), revision)
    finally:
        logging.disable(logging.NOTSET)


def test_an_older_schema_is_to_be_upgraded(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the address was chosen or not."""
    uri = f"sqlite:///{store}/mlflow.db"
    scripts = ScriptDirectory.from_config(_get_alembic_config(uri))
    older = scripts.get_revision("heads").down_revision
    alembic_revision(uri, str(older))
    said = f"back it up, then run `mlflow db upgrade {uri}`"
    with pytest.raises(RequestError) as caught:
        connect()
    assert str(caught.value).endswith(said)
    assert "\n" not in str(caught.value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RequestError) as caught:
        connect("mine")
    assert str(caught.value).endswith(said)


def test_a_newer_schema_needs_a_newer_mlflow(store: Path) -> None:
    """Upgrading the database would fail."""
    with sqlite3.connect(store / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(RequestError, match=r"schema ffffffffffff is unknown to MLflow") as caught:
        connect()
    assert "mlflow db upgrade" not in str(caught.value)


def test_the_variable_is_named_only_if_it_is_set(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the remedy is about the file in the working directory."""
    (workplace / "mlflow.db").write_text("no database\n" * 400)
    with pytest.raises(RequestError, match=r"; correct MLFLOW_TRACKING_URI, or unset it$"):
        connect()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RequestError, match=r"mlflow\.db from a backup, or move it away") as caught:
        connect()
    assert "MLFLOW_TRACKING_URI" not in str(caught.value)


def test_runs_of_the_file_store_are_to_be_moved_away(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With them in the working directory, MLflow no longer uses its database."""
    (workplace / "mlruns" / "1").mkdir(parents=True)
    (workplace / "mlruns" / "1" / "meta.yaml").write_text("")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RequestError, match=r"numbered folders that contain a meta\.yaml"):
        connect()


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"])
def test_a_variable_with_an_unknown_id_is_named(
    store: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The store itself is in order."""
    monkeypatch.setenv(variable, "12345")
    with pytest.raises(RequestError, match=rf"{variable} is '12345', .*; correct {variable}, or"):
        connect("mine")


def test_a_new_store_is_created_at_an_encoded_address(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow run` passes its percent-encoded address on; the file is in the folder itself."""
    (workplace / "a b").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{workplace}/a%20b/mlflow.db")
    assert connect("mine").experiment_id == "1"
    assert os.listdir(workplace / "a b") == ["mlflow.db"]
