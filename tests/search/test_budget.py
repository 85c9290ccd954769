import pytest

from ecomclf.search.budget import Budget


@pytest.mark.parametrize(
    ("limit", "deadline"), [(600.0, 510.0), (30.0, 20.0), (36_000.0, 35_880.0), (5.0, 0.0)]
)
def test_time_is_kept_for_the_end(limit: float, deadline: float) -> None:
    """A part of the limit, at least ten seconds and at most two minutes."""
    assert Budget(limit, begun=100.0).deadline == 100.0 + deadline


def test_a_trial_begins_only_if_it_can_end() -> None:
    """The median of the trials so far is expected; without any, a trial may begin in time."""
    budget = Budget(600.0, begun=0.0)
    assert budget.allows(409.0, [50.0, 100.0, 900.0])
    assert not budget.allows(411.0, [50.0, 100.0, 900.0])
    assert budget.allows(509.0, [])
    assert not budget.allows(511.0, [])


def test_the_end_takes_what_it_took_before() -> None:
    """What an earlier call of the study has measured goes before the part of the limit."""
    assert Budget(600.0, begun=0.0, measured_end=20.0).deadline == 510.0
    assert Budget(600.0, begun=0.0, measured_end=250.0).deadline == 350.0
    assert Budget(60.0, begun=5.0, measured_end=250.0).deadline == 5.0
