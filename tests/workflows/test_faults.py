"""What a user's machine does to a sweep: no space, no writing, no server, another sweep."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow
import psutil
import pytest
from sqlalchemy import create_engine, text

from ecomclf.errors import JobError
from ecomclf.search.storage import lock_draws, lock_study
from tests.workflows.servers import Database, TrackingServer, running

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a disk of a size, which takes the right to do so."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def start(folder: Path, config: Path, *options: str, **variables: str) -> "subprocess.Popen[str]":
    """Start a sweep in a folder as a user would, its output in a file beside the config."""
    environment = {**os.environ, **variables}
    if "MLFLOW_TRACKING_URI" not in variables:
        environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    command = [sys.executable, "-m", "ecomclf", "sweep", "--config", str(config), "--study", "s"]
    with (config.parent / "output.txt").open("a") as output:
        return subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )


def printed(config: Path) -> str:
    """Return what all sweeps so far have printed."""
    return (config.parent / "output.txt").read_text()


def wait_for(config: Path, words: str, process: "subprocess.Popen[str]", count: int = 1) -> None:
    """Wait until something was printed so many times."""
    limit = time.monotonic() + 120
    while printed(config).count(words) < count:
        assert process.poll() is None, printed(config)
        assert time.monotonic() < limit, printed(config)
        time.sleep(0.1)


def test_a_disk_that_is_too_small_is_said_before_anything_starts(
    tiny: Path, workplace: Path
) -> None:
    """Six megabytes: exit 2 with both figures, and no run."""
    with mounted(workplace / "disk", 6) as disk:
        assert start(disk, tiny).wait() == 2
        assert " MB free, and 3 trials need at least 2" in printed(tiny)
        client = mlflow.MlflowClient(f"sqlite:///{disk}/mlflow.db")
        experiments = [each.experiment_id for each in client.search_experiments()]
        assert not client.search_runs(experiments)


def test_a_disk_that_fills_up_loses_nothing(tiny: Path, workplace: Path) -> None:
    """The sweep stops with a line that says so, without SQL; with space again it goes on."""
    with mounted(workplace / "disk", 80) as disk:
        options = ("--set", "{train.epochs: 12, train.patience: 12}")
        sweep = start(disk, tiny, *options)
        wait_for(tiny, " finished ", sweep)
        filler = disk / "filler"
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65_536))
                file.flush()
        assert sweep.wait(timeout=120) == 1, printed(tiny)
        (line,) = [line for line in printed(tiny).splitlines() if line.startswith("ecomclf: ")]
        assert "no space is left on its disk" in line
        assert line.endswith("; progress is saved; fix this and run the same command again")
        assert "SQL" not in line
        assert "Traceback" not in printed(tiny)
        filler.unlink()
        assert start(disk, tiny, *options).wait(timeout=240) == 0, printed(tiny)
        client = mlflow.MlflowClient(f"sqlite:///{disk}/mlflow.db")
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = client.search_runs(experiments, "tags.`ecomclf.role` = 'trial'")
        assert [run.info.status for run in runs].count("FINISHED") == 3
        assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}


def test_a_folder_that_cannot_be_written_to_is_one_line(tiny: Path, workplace: Path) -> None:
    """Exit 2, which file, and what to do."""
    with mounted(workplace / "disk", 6) as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert start(disk, tiny).wait() == 2
        (line,) = [line for line in printed(tiny).splitlines() if line.startswith("ecomclf: ")]
        assert "mlruns" in line or "mlflow.db" in line
        assert "write" in line
        assert "Traceback" not in printed(tiny)


def test_two_sweeps_on_one_store_do_not_meet(tiny: Path, workplace: Path) -> None:
    """Two studies at once: each has its own trials; a second sweep of one study is refused."""
    others = [
        start(workplace, tiny, "--study", name, "--workers", "1", "--set", "train.epochs=1")
        for name in ("one", "two")
    ]
    wait_for(tiny, "study one", others[0])
    refused = start(workplace, tiny, "--study", "one")
    assert refused.wait() == 2
    assert "another process is running the study 'one'" in printed(tiny)
    assert [each.wait(timeout=240) for each in others] == [0, 0], printed(tiny)
    client = mlflow.MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments()]
    for name in ("one", "two"):
        chosen = f"tags.`ecomclf.study` = '{name}' and tags.`ecomclf.role` = 'trial'"
        runs = client.search_runs(experiments, chosen)
        assert [run.info.status for run in runs] == ["FINISHED"] * 3
        assert sorted(run.data.tags["ecomclf.trial"] for run in runs) == ["0", "1", "2"]


PROMOTE = """
import sys
from ecomclf import api
for _ in range(6):
    api.promote(sys.argv[1], "Production", model="shop")
"""


def test_two_machines_that_promote_leave_one_champion(shop: object, workplace: Path) -> None:
    """Their locks exclude nothing: each has its own folder for temporary files."""
    client = mlflow.MlflowClient()
    source = client.get_model_version("shop", "1")
    for _ in range(2):
        client.create_model_version("shop", source.source, source.run_id)
    machines = []
    for version in ("1", "2", "3"):
        temporary = workplace / f"machine{version}"
        temporary.mkdir()
        machines.append(
            subprocess.Popen(
                [sys.executable, "-c", PROMOTE, version],
                env=os.environ | {"TMPDIR": str(temporary)},
            )
        )
    assert [machine.wait(timeout=120) for machine in machines] == [0, 0, 0]
    versions = client.search_model_versions("name = 'shop'")
    champions = [each.version for each in versions if each.current_stage == "Production"]
    champion = client.get_model_version_by_alias("shop", "production").version
    assert [int(version) for version in champions] == [int(champion)]


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty PostgreSQL."""
    database = Database(tmp_path_factory.mktemp("postgresql"))
    yield database
    database.stop()


def cut_connections(database: Database) -> None:
    """End all connections but one's own, as a router or a restart does."""
    with create_engine(database.storage).connect() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )


def test_a_lock_that_was_lost_is_taken_again_or_noticed(
    database: Database, workplace: Path
) -> None:
    """Alone it is held as before; once another process has it, the study is no longer ours."""
    with lock_study("s", database.storage) as lock:
        lock.require()
        cut_connections(database)
        lock.require()
        cut_connections(database)
        elsewhere = workplace / "elsewhere"
        elsewhere.mkdir()
        with contextlib.chdir(elsewhere), lock_study("s", database.storage) as others:
            with pytest.raises(JobError, match="another process runs the study 's' now"):
                lock.require()
            others.require()


def test_draws_wait_for_each_other_across_machines(database: Database, workplace: Path) -> None:
    """The lock is in the database, whatever the folder."""
    order: list[str] = []

    def draw() -> None:
        with lock_draws("s", database.storage):
            order.append("second")

    with lock_draws("s", database.storage):
        thread = threading.Thread(target=draw)
        thread.start()
        time.sleep(1)
        order.append("first")
    thread.join(timeout=20)
    assert order == ["first", "second"]


@pytest.mark.long
def test_a_server_that_is_away_for_fifteen_seconds_costs_nothing(tiny: Path) -> None:
    """Its clients wait; the sweep ends as if nothing had happened."""
    with running(tiny.parent) as (_, server):
        sweep = start(tiny.parent, tiny, MLFLOW_TRACKING_URI=server.address)
        wait_for(tiny, " finished ", sweep)
        server.kill()
        time.sleep(15)
        server.start()
        assert sweep.wait(timeout=240) == 0, printed(tiny)
        assert len(re.findall(r"^trial \d finished ", printed(tiny), re.M)) == 3
        client = mlflow.MlflowClient(server.address)
        experiments = [each.experiment_id for each in client.search_experiments()]
        runs = client.search_runs(experiments, "tags.`ecomclf.role` = 'trial'")
        assert [run.info.status for run in runs] == ["FINISHED"] * 3


def test_passwords_are_nowhere(tiny: Path) -> None:
    """Not in what is printed, nor in parameters, tags, artifacts, journals or errors."""
    secret = "s3cr3t-w0rd"
    with running(tiny.parent) as (database, server):
        storage = database.storage.replace("postgres:@", f"postgres:{secret}@")
        address = server.address.replace("http://", f"http://someone:{secret}@")
        assert secret in storage
        options = ("--storage", storage, "--trials", "1", "--set", "train.epochs=1")
        done = start(tiny.parent, tiny, *options, MLFLOW_TRACKING_URI=address).wait(timeout=240)
        assert done == 0, printed(tiny)
        server.kill()
        wrong = f"postgresql+psycopg://someone:{secret}@127.0.0.1:1/x"
        for options in (("--storage", wrong), ("--storage", f"nothing://someone:{secret}@x/y")):
            assert start(tiny.parent, tiny, *options).wait() == 2
        assert "***" in printed(tiny)
        files = [
            path
            for path in tiny.parent.rglob("*")
            if path.is_file() and "postgresql" not in path.parts
        ]
        assert {"server.db", "output.txt", "config.yaml"} <= {path.name for path in files}
        leaks = [path for path in files if secret.encode() in path.read_bytes()]
        assert leaks == []


@pytest.mark.long
def test_a_server_with_users_and_passwords(tiny: Path, workplace: Path) -> None:
    """Without a user the error names MLflow's variables; with one, everything works."""
    server = TrackingServer(workplace)
    server.start(
        "--app-name",
        "basic-auth",
        MLFLOW_FLASK_SERVER_SECRET_KEY="k3y",
        MLFLOW_AUTH_ADMIN_PASSWORD="adm1n-passw0rd",
    )
    try:
        options = ("--trials", "1", "--set", "train.epochs=1")
        assert start(workplace, tiny, *options, MLFLOW_TRACKING_URI=server.address).wait() == 2
        (line,) = [line for line in printed(tiny).splitlines() if line.startswith("ecomclf: ")]
        assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user" in line
        user = {
            "MLFLOW_TRACKING_URI": server.address,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": "adm1n-passw0rd",
        }
        assert start(workplace, tiny, *options, **user).wait(timeout=180) == 0, printed(tiny)
        assert "adm1n-passw0rd" not in printed(tiny)
    finally:
        server.kill()


def test_a_killed_sweep_leaves_no_process(tiny: Path, workplace: Path) -> None:
    """Its workers end with it, also while they train."""
    sweep = start(workplace, tiny, "--set", "{train.epochs: 200, train.patience: 200}")
    wait_for(tiny, "study s", sweep)
    time.sleep(6)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    assert workers
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive


def test_servers_are_on_the_loopback_address(workplace: Path) -> None:
    """Unless another one is asked for."""
    root = Path(__file__).parents[2]
    said = subprocess.run(
        ["make", "--dry-run", "serve", "ui"], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    assert "--host 127.0.0.1" in said
    server = TrackingServer(workplace)
    server.start()
    try:
        listening = {
            each.laddr.ip
            for each in psutil.net_connections("inet")
            if each.status == psutil.CONN_LISTEN and server.address.endswith(f":{each.laddr.port}")
        }
        assert listening == {"127.0.0.1"}
    finally:
        server.kill()
