"""What people see after a sweep, in a real browser: MLflow's UI and the report.

`make browser` runs this where Chromium is, and keeps the pictures that the README shows.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ecomclf.tracking.runs import ROLE, TRIAL

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium"),
]
ROOT = Path(__file__).parents[2]
# Where the pictures of the documents are kept; without it none are taken.
PICTURES = os.environ.get("PICTURES")
# A folder in which a sweep of the sample has ended already, to save its two minutes.
SWEPT = os.environ.get("SWEPT")
PATIENCE = 30.0
# The names of the trials from top to bottom; their order in the document is another one.
SHOWN = """[...document.querySelectorAll("a")]
    .filter(link => /^trial [0-9]+/.test(link.innerText))
    .sort((one, other) => one.getBoundingClientRect().y - other.getBoundingClientRect().y)
    .map(link => link.innerText.trim())"""
# MLflow opens in its view for language models unless told otherwise, once.
TRAINING = "workflowType=machine_learning"


class Store:
    """A store with a finished sweep, and the server in front of it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
        self.experiment = client.get_experiment_by_name("ecomclf").experiment_id
        self.runs = client.search_runs([self.experiment])

    def run_id(self, tag: str, value: str) -> str:
        """Return the id of the run with a tag."""
        return next(run.info.run_id for run in self.runs if run.data.tags.get(tag) == value)

    def open(self, page: Page, path: str) -> None:
        """Open a page of the UI."""
        page.goto(f"{self.address}/#/{path}?{TRAINING}")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Run a sweep on the sample, and serve its store on a free port of the loopback address."""
    folder = Path(SWEPT) if SWEPT else tmp_path_factory.mktemp("shown")
    command = ["-m", "ecomclf", "sweep", "--config", str(ROOT / "configs" / "sample.yaml")]
    environment = {key: value for key, value in os.environ.items() if "MLFLOW" not in key}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(ROOT)}
    if not SWEPT:
        subprocess.run(
            [sys.executable, *command, "--trials", "10"], cwd=folder, env=environment, check=True
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = [str(Path(sys.executable).parent / "mlflow"), "server", "--port", port]
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(
            server, cwd=folder, env=environment, start_new_session=True, stdout=log, stderr=log
        ) as running,
    ):
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/health")
        try:
            yield Store(folder, address)
        finally:
            os.killpg(running.pid, 9)


def wait_for(address: str) -> None:
    """Return when a server answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new tab of a laptop's size, which must not ask another host for anything."""
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE * 1000)
    yield tab
    context.close()
    outside = [
        url for url in asked if not re.match(r"(http://127\.0\.0\.1|file:|data:|blob:)", url)
    ]
    assert outside == []


def take(page: Page, name: str) -> None:
    """Keep a picture where `make browser` says."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def hide_assistant(page: Page) -> None:
    """Close the panel that covers a third of the page."""
    close = page.get_by_role("button", name="Close")
    close.first.click()


def open_runs(store: Store, page: Page) -> None:
    """Open the experiment's runs, the best on validation rows first, trials included."""
    store.open(page, f"experiments/{store.experiment}/runs")
    hide_assistant(page)
    page.get_by_text("Sort: Created").click()
    page.get_by_role("menuitemcheckbox", name="val_f1_macro", exact=True).click()
    page.wait_for_url(re.compile("orderByKey=metrics"))
    page.keyboard.press("Escape")
    page.get_by_role("link", name="trial 0", exact=True).wait_for()


def test_the_experiment_says_what_it_is(store: Store, page: Page) -> None:
    """Description, telling names, the data, and pruned trials at a glance; sorted by a click."""
    open_runs(store, page)
    expect(page.get_by_text("text classification with leak-free splits").first).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^sample-")).first).to_be_visible()
    expect(page.get_by_text(re.compile(r"^sample \(6000 rows\)")).first).to_be_visible()
    trials = [run for run in store.runs if TRIAL in run.data.tags]
    best = max(trials, key=lambda run: run.data.metrics["val_f1_macro"])
    page.wait_for_function(f"{SHOWN}[0] == '{best.info.run_name}'")
    shown = page.evaluate(SHOWN)
    pruned = sum("pruned" in run.data.tags for run in trials)
    assert sum(name.endswith("(pruned)") for name in shown) == pruned
    take(page, "mlflow-runs")


def test_three_trials_are_compared(store: Store, page: Page) -> None:
    """Three trials that are ticked stand side by side, with their parameters and metrics."""
    open_runs(store, page)
    for number in (0, 1, 2):
        row = page.get_by_role("row").filter(
            has=page.get_by_role("link", name=re.compile(rf"^trial {number}\b"))
        )
        row.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text(re.compile("Comparing 3 Runs", re.IGNORECASE)).first).to_be_visible()
    expect(page.get_by_text("model.units", exact=True).first).to_be_visible()


def test_a_sweep_is_described_and_shows_its_report(store: Store, page: Page) -> None:
    """The parent run's description leads to the version; its report opens within the UI."""
    run = f"experiments/{store.experiment}/runs/{store.run_id(ROLE, 'sweep')}"
    store.open(page, run)
    hide_assistant(page)
    expect(page.get_by_text("Version 1 of the model ecomclf").first).to_be_visible()
    store.open(page, f"{run}/artifacts/report.html")
    frame = page.frame_locator("iframe").first
    expect(frame.get_by_text("May it be used?")).to_be_visible()
    expect(frame.locator("#chart-comparison svg.main-svg").first).to_be_visible()
    page.get_by_text("confusion_matrix.png", exact=True).click()
    expect(page.get_by_alt_text("confusion_matrix.png")).to_be_visible()


def test_a_trial_shows_its_network(store: Store, page: Page) -> None:
    """The picture of the layers opens beside the text."""
    run = f"experiments/{store.experiment}/runs/{store.run_id(TRIAL, '0')}"
    store.open(page, f"{run}/artifacts/architecture.svg")
    expect(page.get_by_alt_text("architecture.svg")).to_be_visible()


def test_a_version_shows_its_card(store: Store, page: Page) -> None:
    """Stage, alias, and the card with data, metrics and limits."""
    store.open(page, "models/ecomclf/versions/1")
    hide_assistant(page)
    expect(page.get_by_text("staging").first).to_be_visible()
    expect(page.get_by_text("On the test rows, read once").first).to_be_visible()
    expect(page.get_by_text("Limits:").first).to_be_visible()


@pytest.fixture(scope="module")
def report(store: Store) -> str:
    """The report that the command writes, as an address."""
    command = [sys.executable, "-m", "ecomclf", "report", "--output", "report.html"]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{store.folder}/mlflow.db",
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run(command, cwd=store.folder, env=environment, check=True)
    return (store.folder / "report.html").as_uri()


def test_the_report_draws_all_its_figures(report: str, page: Page) -> None:
    """Every figure is drawn, and no script fails."""
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.set_viewport_size({"width": 1100, "height": 1080})
    page.goto(report)
    for chart in (
        "comparison", "classes", "confusion", "reliability", "coverage", "history",
        "importance", "parallel", "slices", "curves", "timeline",
    ):  # fmt: skip
        expect(page.locator(f"#chart-{chart} svg.main-svg").first).to_be_visible()
    assert failed == []
    take(page, "report")


def test_the_report_fits_a_phone(report: str, page: Page) -> None:
    """Nothing is wider than the screen of a phone but tables, which scroll by themselves."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(report)
    page.locator("#chart-curves svg.main-svg").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_report_prints(report: str, page: Page) -> None:
    """It becomes a PDF of several pages."""
    page.goto(report)
    page.locator("#chart-timeline svg.main-svg").first.wait_for()
    printed = page.pdf(format="A4")
    assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 4


def test_a_screen_reader_is_told_what_figures_show(report: str, page: Page) -> None:
    """Each figure has a name and its sentence; the drawing itself is left out."""
    page.goto(report)
    page.locator("#chart-timeline svg.main-svg").first.wait_for()
    for name in ("F1 of each class", "Learning curves", "Confusion matrix"):
        figure = page.get_by_role("group", name=name)
        expect(figure).to_be_visible()
        assert figure.locator("figcaption").inner_text().strip()
    told = page.locator("main").aria_snapshot()
    assert "test rows are classified wrongly" in told
