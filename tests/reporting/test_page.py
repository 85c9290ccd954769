import itertools
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ecomclf.errors import RequestError
from ecomclf.reporting import sweep_record, time_charts
from ecomclf.reporting.page import render_report, save_report
from ecomclf.reporting.result_charts import result_charts
from ecomclf.reporting.sweep_record import read_sweep
from tests.reporting.recorded import record_sweep


class Page(HTMLParser):
    """Collects what a page shows, loads and runs."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & {*self._open}:
            self.shown.append(data)

    @property
    def text(self) -> str:
        """Return the text that a reader sees, spaces joined."""
        return " ".join(" ".join(self.shown).split())

    def charts(self) -> set[str]:
        """Return the names of the charts."""
        ids = (attributes.get("id") or "" for _, attributes in self.tags)
        return {each.removeprefix("chart-") for each in ids if each.startswith("chart-")}


def written(**what: object) -> tuple[Page, str]:
    """Record a sweep, and return the page of its report and its HTML."""
    tracking, _ = record_sweep(**what)  # type: ignore[arg-type]
    html = render_report(read_sweep(tracking))
    return Page(html), html


@pytest.fixture
def page(store: Path) -> Page:
    """The report of a sweep with a result."""
    return written()[0]


def test_the_answer_comes_first(page: Page) -> None:
    """Which model, how good, whether it may be used, and against what, before everything else."""
    beginning = page.text[: page.text.index("On the 300 test rows")]
    assert "Version 3 of the model shop reaches a macro F1 of" in beginning
    assert "95 % interval 0.100 to 0.990" in beginning
    assert re.search(
        r"May it be used\? yes It passed the promotion gate and got the stage Staging", beginning
    )
    assert "Against the best linear baseline" in beginning
    assert "70 % of the test rows need no review (confidence of at least 0.800)" in beginning


def test_every_part_is_there(page: Page) -> None:
    """Charts of the result, the search and the time, and the tables of texts, data and config."""
    assert page.charts() == {
        "comparison", "classes", "confusion", "reliability", "coverage",
        "history", "importance", "parallel", "slices", "curves", "timeline",
    }  # fmt: skip
    for part in (
        "The most confident errors", "Labels that may be wrong", "two shoes", "fingerprint",
        "ecomclf sweep --config config.yaml --trials 6",
        "ecomclf classify new.csv labelled.csv --version 3 --model shop",
    ):  # fmt: skip
        assert part in page.text


def test_nothing_is_loaded_from_anywhere(store: Path) -> None:
    """No element of the page names another address, and its policy forbids any request."""
    page, html = written()
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            value = attributes.get(name) or ""
            assert not value or value.startswith(("#", "data:")), (tag, value)
    policies = [each["content"] for tag, each in page.tags if "http-equiv" in each]
    assert policies
    assert policies[0].startswith("default-src 'none'")
    assert not re.search(r"@import|url\((?!['\"]?(data:|#))", html[: html.index("<script>")])
    assert len(html.encode()) < 7_000_000


def test_a_reader_without_eyes_or_with_a_phone_is_served(page: Page) -> None:
    """Language, viewport, a link past the head, a sentence for each figure, headings in order."""
    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    assert any(each.get("name") == "viewport" for tag, each in page.tags if tag == "meta")
    assert sum(tag == "figcaption" for tag, _ in page.tags) == len(page.charts())
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [each["id"] for _, each in page.tags if "id" in each]
    assert len(ids) == len(set(ids))


def test_an_interrupted_sweep_has_a_report(store: Path) -> None:
    """It says that there is no result, how far it came, and that the command goes on."""
    page, _ = written(evaluated=False)
    assert "There is no result yet: 6 trials are done." in page.text
    assert "not yet The sweep was interrupted; nothing is registered. Run the same command" in (
        page.text
    )
    assert "--trials 6" in page.text
    assert "The best so far is trial 5 with val_f1_macro 0.7550" in page.text
    assert {"history", "curves", "timeline"} <= page.charts()
    assert "comparison" not in page.charts()


@pytest.mark.parametrize("states", [(), ("killed",), ("pruned", "failed"), ("finished",)])
def test_a_sweep_with_hardly_any_trial_has_a_report(store: Path, states: tuple[str, ...]) -> None:
    """Charts that need more trials are left out."""
    page, _ = written(states=states, evaluated=False)
    assert "There is no result yet" in page.text
    assert "importance" not in page.charts()
    assert ("curves" in page.charts()) == bool(states)


def test_killed_trials_are_not_repeated(store: Path) -> None:
    """The command to repeat a sweep asks for the trials that count."""
    page, _ = written(states=("finished", "killed", "pruned"), evaluated=False)
    assert "--trials 2" in page.text


def test_a_sweep_of_an_earlier_version_has_a_report(store: Path) -> None:
    """Without the artifacts that are new, their charts are missing, and nothing untrue is said."""
    page, _ = written(old=True)
    assert {"comparison", "classes", "confusion"} <= page.charts()
    assert not {"reliability", "coverage"} & page.charts()
    assert "needs a review" not in page.text


@pytest.mark.parametrize(("covered", "told"), [(0.1, True), (0.7, False)])
def test_few_rows_without_review_come_with_the_remedy(
    store: Path, covered: float, told: bool
) -> None:
    """Where most rows need a review, the answer says which key lets more of them pass."""
    tracking, parent = record_sweep()
    parent.log_metrics({"test_coverage": covered}, step=1)
    page = Page(render_report(read_sweep(tracking)))
    assert ("A lower winner.target_precision" in page.text) is told


def test_the_sum_of_time_is_that_of_all_trials(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many trials the first are drawn; what they took is told of all."""
    monkeypatch.setattr(time_charts, "_MAX_BARS", 2)
    page, _ = written(evaluated=False)
    assert re.search(r"6 trials took \d+ s of work .* Only the first 2 are drawn", page.text)


def test_class_names_that_look_like_dates_stay_names(store: Path) -> None:
    """Plotly would draw them along a time axis."""
    tracking, _ = record_sweep(classes=("2024-01", "2024-02", "10"))
    for chart in result_charts(read_sweep(tracking)):
        if chart.name in ("classes", "confusion"):
            assert chart.figure.layout.yaxis.type == "category"


def test_a_refused_version_may_not_be_used(store: Path) -> None:
    """The verdict is no, with the gate's reasons."""
    page, _ = written(gate="refused: accuracy 0.2 is below 0.4")
    assert (
        "May it be used? no The promotion gate refused it: accuracy 0.2 is below 0.4." in page.text
    )


def test_texts_and_class_names_cannot_add_elements(store: Path) -> None:
    """Markup in data is shown as it is: in tables, labels of charts and the answer."""
    hostile = "</script><img src=x onerror=alert(1)><b>bold"
    page, html = written(classes=(hostile, "A&B", "C"), texts=(hostile, "fine"))
    assert hostile in page.text
    assert {tag for tag, _ in page.tags} & {"img", "b", "iframe", "object"} == set()
    assert "<img src=x" not in html


@pytest.mark.slow
def test_many_classes_stay_readable(store: Path) -> None:
    """Of 2,000 classes the weakest and most confused are drawn; tables have the rest."""
    classes = [f"class {number:04}" for number in range(2000)]
    tracking, _ = record_sweep(classes=classes, rows=9000)
    begun = time.perf_counter()
    html = render_report(read_sweep(tracking))
    seconds = time.perf_counter() - begun
    page = Page(html)
    assert "Of 2,000 classes the 40 with most errors are drawn" in page.text
    assert "Only the 60 weakest are drawn; the table below has all." in page.text
    assert all(name in page.text for name in classes)
    assert len(html.encode()) < 7_000_000
    assert seconds < 5


def test_curves_of_many_trials_are_those_of_the_best(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each curve is a request of its own, so only those of the best trials are read."""
    monkeypatch.setattr(sweep_record, "MAX_CURVES", 4)
    tracking, _ = record_sweep(states=["finished"] * 9, evaluated=False)
    record = read_sweep(tracking)
    assert [trial.number for trial in record.trials if trial.curve] == [5, 6, 7, 8]
    assert "Only the best 4 trials are drawn" in Page(render_report(record)).text


def test_a_config_of_another_version_costs_only_its_charts(store: Path) -> None:
    """Where the search space cannot be read, Optuna's charts are left out."""
    tracking, parent = record_sweep()
    parent.log_text("unknown: {key: 1}\n", "config.yaml")
    page = Page(render_report(read_sweep(tracking)))
    assert "parallel" not in page.charts()
    assert {"curves", "confusion"} <= page.charts()


def test_a_report_appears_as_a_whole_or_not_at_all(store: Path) -> None:
    """An existing file is replaced; where nothing can be written, one line says so."""
    tracking, _ = record_sweep(evaluated=False)
    record = read_sweep(tracking)
    (store / "mine.html").write_text("before", encoding="utf-8")
    before = {path.name for path in store.iterdir()}
    assert save_report(record, store / "mine.html").read_text(encoding="utf-8").startswith("<!DOC")
    with pytest.raises(RequestError, match=r"cannot write the report to .*gone.*--output"):
        save_report(record, store / "gone" / "mine.html")
    assert {path.name for path in store.iterdir()} == before
