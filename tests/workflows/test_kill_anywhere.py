"""Real sweeps, any process of which is killed at random moments, and the same command again.

Studies in PostgreSQL and runs on a server, which are killed too; or both in files.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import optuna
import psutil
import pytest

from ecomclf.search import study as studies
from ecomclf.search.storage import open_storage
from tests.workflows.servers import Database, TrackingServer, running

pytestmark = pytest.mark.slow

TRIALS = 5
# In one call, the seconds within which a sweep must end that nobody disturbs.
PATIENCE = 300


class Sweeps:
    """One study after the other in one folder, with the same config and store."""

    def __init__(
        self, folder: Path, database: Database | None = None, server: TrackingServer | None = None
    ) -> None:
        self.folder = folder
        self.database, self.server = database, server
        self.number = 0
        self.process: subprocess.Popen[str] | None = None
        self.exit_codes: Counter[int] = Counter()

    @property
    def study(self) -> str:
        """The name of the present study."""
        return f"s{self.number}"

    def printed(self) -> str:
        """Return what all sweeps so far have printed."""
        return (self.folder / "output.txt").read_text()

    def start(self) -> None:
        """Run the command of the present study."""
        command = [sys.executable, "-m", "ecomclf", "sweep", "--config", "tiny.yaml"]
        command += ["--trials", str(TRIALS), "--study", self.study]
        # Studies differ, so that their versions do.
        command += ["--set", f"{{seed: {self.number}, registry.model: m{self.number}}}"]
        environment = dict(os.environ)
        if self.database is not None:
            command += ["--storage", self.database.storage]
        if self.server is not None:
            environment["MLFLOW_TRACKING_URI"] = self.server.address
        with (self.folder / "output.txt").open("a") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def keep_running(self) -> bool:
        """Start what is not running; return whether the present study had ended as it should."""
        code = self.process.poll() if self.process is not None else None
        if code is not None:
            self.exit_codes[code] += 1
            # 1: a store went away; 2: it was away at the start; a killed process has its signal.
            assert code in (0, 1, 2, -signal.SIGKILL), self.printed()
            if code == 2:
                last = self.printed().splitlines()[-1]
                assert last.startswith("ecomclf: cannot use the "), last
            if code == 0:
                self.check()
                self.number += 1
        if self.process is None or code is not None:
            self.start()
        return code == 0

    def kill(self, victim: str) -> None:
        """Kill a part of the present sweep."""
        assert self.process is not None
        if victim == "tracking server" and self.server is not None:
            self.server.kill()
            time.sleep(1)
            self.server.start()
            return
        if victim == "PostgreSQL" and self.database is not None:
            self.database.kill()
            time.sleep(1)
            self.database.start()
            return
        try:
            children = psutil.Process(self.process.pid).children()
            workers = [each for each in children if "spawn_main" in " ".join(each.cmdline())]
        except psutil.NoSuchProcess:
            workers = []
        if victim in ("worker", "both") and workers:
            workers[0].kill()
        if victim in ("parent", "both"):
            self.process.kill()

    def finish(self) -> None:
        """Let the present study end, undisturbed."""
        limit = time.monotonic() + PATIENCE
        while not self.keep_running():
            assert time.monotonic() < limit, self.printed()
            time.sleep(0.2)
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def check(self) -> None:
        """Check that nothing of the present study was lost, doubled or left running."""
        address = self.server.address if self.server else f"sqlite:///{self.folder}/mlflow.db"
        storage = open_storage(self.study, self.database.storage if self.database else None)
        study = optuna.load_study(study_name=self.study, storage=storage)
        complete = [trial.number for trial in study.trials if trial.state.name == "COMPLETE"]
        assert len(complete) == TRIALS
        assert {trial.state.name for trial in study.trials} <= {"COMPLETE", "FAIL"}
        assert len({str(study.trials[number].params) for number in complete}) == TRIALS
        # What was killed was tried again, once.
        killed = [trial.number for trial in study.trials if trial.state.name == "FAIL"]
        retried = [trial.user_attrs.get(studies.RETRY_OF) for trial in study.trials]
        assert sorted(number for number in retried if number is not None) == killed

        client = mlflow.MlflowClient(address)
        experiments = [each.experiment_id for each in client.search_experiments()]
        study_id = study.user_attrs[studies.ID]
        every = client.search_runs(experiments, f"tags.`ecomclf.study_id` = '{study_id}'")
        # A sweep whose store went away has failed; its trials were killed, and count for nothing.
        of_trials = [run for run in every if run.data.tags["ecomclf.role"] == "trial"]
        assert {run.info.status for run in of_trials} <= {"FINISHED", "KILLED"}
        assert "RUNNING" not in {run.info.status for run in every}
        finished = Counter(
            run.data.tags["ecomclf.role"] for run in every if run.info.status == "FINISHED"
        )
        assert finished["trial"] == TRIALS
        assert finished["sweep"] == 1
        (version,) = client.search_model_versions(f"name = 'm{self.number}'")
        assert version.status == "READY"
        assert version.tags["gate"] in ("passed", "refused")


@contextmanager
def sweeps(folder: Path, *, with_servers: bool) -> Iterator[Sweeps]:
    """Prepare sweeps; whatever happens, nothing keeps running."""
    if not with_servers:
        mine = Sweeps(folder)
        try:
            yield mine
        finally:
            if mine.process is not None:
                mine.process.kill()
        return
    with running(folder) as (database, server):
        mine = Sweeps(folder, database, server)
        try:
            yield mine
        finally:
            if mine.process is not None:
                mine.process.kill()


def kill_at_random(mine: Sweeps, victims: list[str], seed: int) -> None:
    """Kill one after the other, some moments apart; then let the last study end."""
    print(f"KILL_SEED={seed} repeats this test")
    generator = random.Random(seed)
    for victim in victims:
        mine.keep_running()
        # From the start of the command, which takes some seconds, to the end of a study.
        time.sleep(generator.uniform(1, 16))
        mine.keep_running()
        mine.kill(victim)
    mine.finish()
    print(
        f"{len(victims)} kills: {dict(Counter(victims))}; {mine.number} studies of {TRIALS} trials"
    )
    print(f"exit codes: {dict(mine.exit_codes)}")


def seed_of(default: int) -> int:
    """Return the seed of the environment, else a fixed one in CI and a random one elsewhere."""
    chosen = default if "CI" in os.environ else random.SystemRandom().randrange(10_000)
    return int(os.environ.get("KILL_SEED", chosen))


def test_a_kill_of_each_part_loses_nothing(tiny: Path) -> None:
    """Parent, worker, both, tracking server, PostgreSQL: five kills in random order."""
    seed = seed_of(3)
    victims = ["parent", "worker", "both", "tracking server", "PostgreSQL"]
    random.Random(seed).shuffle(victims)
    with sweeps(tiny.parent, with_servers=True) as mine:
        kill_at_random(mine, victims, seed)


@pytest.mark.long
@pytest.mark.parametrize("with_servers", [True, False], ids=["servers", "files"])
def test_fifty_kills_lose_nothing(tiny: Path, with_servers: bool) -> None:
    """Of each kind as many, in random order."""
    seed = seed_of(17)
    kinds = ["parent", "worker", "both"]
    if with_servers:
        kinds += ["tracking server", "PostgreSQL"]
    victims = [kinds[number % len(kinds)] for number in range(50)]
    random.Random(seed).shuffle(victims)
    with sweeps(tiny.parent, with_servers=with_servers) as mine:
        kill_at_random(mine, victims, seed)
