from pathlib import Path

import optuna
import pytest

from ecomclf.errors import StudyError
from ecomclf.search import storage as storages


def test_a_torn_last_line_is_cut_before_the_next_is_written(
    workplace: Path,
) -> None:
    """A writer killed within a line leaves a study that can be read and continued."""

    def opened() -> optuna.Study:
        storage = storages.open_storage("s", None)
        return optuna.create_study(study_name="s", storage=storage, load_if_exists=True)

    study = opened()
    study.tell(study.ask(), 0.25)
    with storages.journal_path("s").open("ab") as journal:
        journal.write(b'{"op_code":4,"worker_id":"half a li')
    continued = opened()
    continued.tell(continued.ask(), 0.75)
    assert [trial.value for trial in opened().trials] == [0.25, 0.75]


def test_a_study_is_run_by_one_process(workplace: Path) -> None:
    """While one sweep holds a study, another is refused; afterwards it is free."""
    with storages.lock_study("s", None):
        with (
            pytest.raises(StudyError, match="another process is running the study 's'"),
            storages.lock_study("s", None),
        ):
            pass
        with storages.lock_study("other", None):
            pass
    with storages.lock_study("s", None):
        pass


@pytest.mark.parametrize(
    ("storage", "tracking_uri", "is_shared"),
    [
        ("postgresql+psycopg://a:secret@db/x", "postgresql+psycopg2://b:c@db/x", True),
        ("postgresql+psycopg://a:secret@db/x", "postgresql+psycopg2://b:c@db/y", False),
        ("postgresql+psycopg://a:secret@db/x", "postgresql://db:5432/x", True),
        ("postgresql+psycopg://a:secret@localhost/x", "postgresql://127.0.0.1/x", True),
        ("postgresql+psycopg://a:secret@db/x", "postgresql://db:5433/x", False),
        ("postgresql+psycopg://a:secret@db/x", "http://db/x", False),
        ("postgresql+psycopg://a:secret@/x?host=/run/a", "postgresql://a@/x?host=/run/b", False),
        ("postgresql+psycopg://a:secret@/x?host=/run/a", "postgresql://a@/x?host=/run/a", True),
        ("sqlite:///sub/../x.db", "sqlite:///x.db", True),
        ("sqlite:///x.db", "file:./mlruns", False),
        ("sqlite:///x.db", "mlruns", False),
    ],
)
def test_mlflows_own_database_is_known_by_any_address(
    storage: str, tracking_uri: str, is_shared: bool
) -> None:
    """Whoever opens it with whatever driver; the message shows no password."""
    if not is_shared:
        storages.check_storage(storage, tracking_uri)
        return
    with pytest.raises(StudyError, match="MLflow's own database") as caught:
        storages.check_storage(storage, tracking_uri)
    assert "secret" not in str(caught.value)
