"""The commands of docs/operating.md, with addresses of this machine."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.workflows.servers import Database

pytestmark = [pytest.mark.slow, pytest.mark.long]

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty PostgreSQL."""
    database = Database(tmp_path_factory.mktemp("postgresql"))
    yield database
    database.stop()


@contextlib.contextmanager
def in_foreground(name: str, command: str, until: str) -> Iterator[None]:
    """Run a command that does not end, as of the moment when it has printed something."""
    output = Path(f"{name}.txt")
    with output.open("w") as file:
        process = subprocess.Popen(["bash", "-c", command], stdout=file, stderr=subprocess.STDOUT)
    try:
        limit = time.monotonic() + 90
        while until not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < limit, output.read_text()
            time.sleep(0.2)
        yield
    finally:
        # Ray's other node ends by itself when the head does.
        with contextlib.suppress(psutil.NoSuchProcess):
            for part in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    part.kill()
        process.kill()
        process.wait()


def run(command: str) -> str:
    """Run a command to its end; return what it printed."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_commands_of_the_page_work(
    tiny: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stores, a cluster of two nodes, a sweep, a promotion, files classified."""
    text = PAGE.read_text(encoding="utf-8")
    addresses, server, token, head, node, sweep, models = re.findall(
        r"```bash\n(.+?)```", text, re.S
    )
    (statements,) = re.findall(r"```sql\n(.+?)```", text, re.S)
    database.execute(statements)
    tracking, ray = free_port(), free_port()
    values = {
        "STUDIES": database.storage.replace("/postgres?", "/studies?"),
        "RUNS": database.storage.replace("/postgres?", "/runs?"),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{tracking}",
        "RAY_ADDRESS": f"127.0.0.1:{ray}",
        "RAY_AUTH_MODE": "token",
    }
    # Ray keeps its token there.
    monkeypatch.setenv("HOME", str(tiny.parent))
    assert re.findall(r"export (\w+)=", addresses) == list(values)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    server = server.replace("5000", str(tracking)).replace("/srv/artifacts", "artifacts")
    head = head.replace("6379", str(ray))
    tiny.write_text(tiny.read_text().replace("  workers: 2\n", ""))
    sweep = sweep.replace("configs/sample.yaml", str(tiny)).replace("--trials 6", "--trials 3")

    run(token)
    Path("shards").mkdir()
    for number in range(3):
        Path(f"shards/{number}.csv").write_text("title,description\nphone,black\ncoffee,dark\n")
    with (
        in_foreground(
            "server", server.replace("0.0.0.0", "127.0.0.1"), "Application startup complete"
        ),
        in_foreground("head", head, "Ray runtime started"),
        in_foreground("node", node, "Ray runtime started."),
    ):
        printed = run(sweep)
        assert len(re.findall(r"^trial \d finished ", printed, re.M)) == 3
        assert "nothing to do" in run(sweep)
        printed = run(models)
        assert "6 rows in 3 of 3 files, 0 of them finished before" in printed
    assert len(list(Path("labelled").glob("*.csv"))) == 3
