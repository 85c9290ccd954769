"""The baselines of a sweep or a training, each in a run of its own."""

from collections.abc import Mapping

from rich.console import Console

from ecomclf.models.baseline import Evaluated
from ecomclf.runtime.terminal import print_line
from ecomclf.search.job import Job
from ecomclf.tracking.datasets import describe_datasets
from ecomclf.tracking.runs import PROTOCOL, Tracking


def log_baselines(
    job: Job,
    baselines: Mapping[str, Evaluated],
    tracking: Tracking,
    tags: Mapping[str, object],
    console: Console,
) -> None:
    """Write each baseline to a run below the job's, and its validation metrics to the job's run."""
    for name, evaluated in baselines.items():
        validation = evaluated.validation
        job.run.log_metrics(validation.metrics(f"{name}/val"))
        title = name.replace("_", " ")
        run = tracking.start_run(
            "baseline",
            title,
            parent=job.run.run_id,
            tags={**tags, PROTOCOL: job.split.protocol},
        )
        with run.recorded():
            run.log_datasets(describe_datasets(job.split, job.data, test=True))
            run.describe(
                f"**The {title}** of the sweep: TF-IDF and a linear SVM, "
                f"{validation.summary('on the validation rows')}. How it does on the test rows is "
                f"in the metrics `{name}/test_…` of the parent run."
            )
            run.log_params(
                evaluated.baseline.settings() | {"data.fingerprint": job.split.fingerprint}
            )
            run.log_metrics(validation.metrics("val"))
            run.log_json(validation.to_dict(), "report.json")
        print_line(console, f"{title}: {validation.summary('validation')}")
