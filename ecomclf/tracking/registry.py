"""Versions of the registered model: stage and alias, promotion, roll-back, loading by stage.

A stage and the alias of the same name in lower case say the same. On one machine a promotion is
alone at work. Setting an alias is one write, so the alias is the truth where the two differ,
because a promotion was killed, came from another machine, or was done in MLflow's UI: the next look
at the registry brings the stages in line.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from ecomclf.config.section import NAME
from ecomclf.errors import RequestError
from ecomclf.tracking.runs import RECIPE, STUDY, STUDY_ID, TRIALS, Run, without_password

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

# In the order in which a request without a stage tries them.
STAGES = ("Production", "Staging")
# What a version keeps beside its classifier.
CONFIG_FILE = "config.yaml"
ENSEMBLE_FILE = "ensemble.json"
REPORT_FILE = "report.json"
SAMPLES_FILE = "samples.json"

# Tags of a version: what the gate said, and against whom.
GATE = "gate"
GATE_REASON = "gate_reason"
CHAMPION = "champion"

_MOVE = "move."


@dataclass(frozen=True)
class Move:
    """One change of what a stage holds; `before` is None where it held nothing."""

    stage: str
    version: str
    before: str | None
    reason: str
    at: str


class Registry:
    """The versions of one registered model in one store.

    Raises:
        RequestError: the name could not be a model's; from every method, when the model, a stage or
            a version does not exist.

    """

    def __init__(self, uri: str, name: str) -> None:
        if not re.fullmatch(NAME, name):
            raise RequestError(
                f"a model's name must be of letters, digits, '_', '.' and '-' but got {name!r}"
            )
        self.uri = uri
        self.name = name
        self._client = mlflow.MlflowClient(uri)

    def register(
        self, run: Run, model: ModelInfo, *, study: str, study_id: str, trials: str, recipe: str
    ) -> ModelVersion:
        """Make a logged model a new version, tagged at once with what it is made of.

        `recipe` tells it from others of the same trials.
        """
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return self._client.create_model_version(
            self.name,
            source=model.model_uri,
            run_id=run.run_id,
            tags={STUDY: study, STUDY_ID: study_id, TRIALS: trials, RECIPE: recipe},
            model_id=model.model_id,
        )

    def find(self, *, study_id: str, recipe: str) -> ModelVersion | None:
        """Give the version of a study that was registered for this recipe, if any."""
        wanted = {STUDY_ID: study_id, RECIPE: recipe}
        for version in self._versions():
            if wanted.items() <= version.tags.items():
                return version
        return None

    def versions(self) -> list[ModelVersion]:
        """Give all versions, the newest first, stages in line with aliases."""
        with self._alone():
            self._repair()
        found = self._versions()
        if not found:
            raise RequestError(
                f"no version of the model {self.name!r} is registered in "
                f"{without_password(self.uri)}; run `ecomclf sweep` first"
            )
        return found

    def aliases(self) -> dict[str, str]:
        """Give the version that each stage holds, by the stage's name."""
        try:
            aliases = self._client.get_registered_model(self.name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {stage: str(aliases[_alias(stage)]) for stage in STAGES if _alias(stage) in aliases}

    def resolve(self, *, stage: str | None = None, version: str | None = None) -> ModelVersion:
        """Give the version asked for; without stage and version Production's, else Staging's."""
        found = {str(each.version): each for each in self.versions()}
        if version is not None:
            if version not in found:
                known = ", ".join(found)
                raise RequestError(f"no version {version!r} of {self.name}; there are {known}")
            return found[version]
        held = self.aliases()
        wanted = STAGES if stage is None else (stage_name(stage),)
        for name in wanted:
            if name in held:
                return found[held[name]]
        raise RequestError(
            f"no version of {self.name} is in {' or '.join(wanted)}; there are versions "
            f"{', '.join(found)}: name one with --version, or promote one with `ecomclf promote`"
        )

    def load(self, version: ModelVersion) -> "Classifier":
        """Read a version's classifier with this package's code; none from the artifact is run."""
        from ecomclf.models.classifier import Classifier

        with tempfile.TemporaryDirectory() as folder:
            return Classifier.load(self.download(version, Path(folder)))

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Fetch a version's files; gives the folder that holds the classifier's."""
        uri = f"models:/{self.name}/{version.version}"
        try:
            fetched = mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=self.uri
            )
        except (MlflowException, OSError) as error:
            reason = " ".join(str(error).split())
            raise RequestError(
                f"the files of {self.name} version {version.version} cannot be read: {reason}"
            ) from error
        return Path(fetched) / "data"

    def describe(self, version: ModelVersion, text: str, tags: dict[str, Any]) -> None:
        """Write a version's description and tags."""
        self._client.update_model_version(self.name, version.version, text)
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, version.version, key, value)

    def promote(self, version: str, stage: str, reason: str = "promoted") -> Move:
        """Let a stage hold a version; the one before is archived."""
        stage = stage_name(stage)
        self.resolve(version=version)
        with self._alone():
            if stage == "Staging" and self.aliases().get("Production") == version:
                raise RequestError(
                    f"version {version} of {self.name} is in Production, and a version has one "
                    "stage; promote another to Production first"
                )
            return self._promote(version, stage, reason)

    def _promote(self, version: str, stage: str, reason: str) -> Move:
        before = self.aliases().get(stage)
        now = time.time_ns()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now / 1e9))
        move = Move(stage, version, before, reason, at)
        self._client.set_registered_model_alias(self.name, _alias(stage), version)
        self._client.set_registered_model_tag(
            self.name, f"{_MOVE}{now}.{version}", json.dumps(vars(move))
        )
        self._repair()
        return move

    def rollback(self, stage: str) -> Move:
        """Bring back the version that a stage held before the present one was promoted."""
        stage = stage_name(stage)
        there = {str(version.version) for version in self.versions()}
        with self._alone():
            held = self.aliases()
            present = held.get(stage)
            # What Production holds has its one stage.
            free = there - {present, held.get("Production")}
            for move in reversed(self.moves()):
                forward = move.stage == stage and move.version == present
                if forward and move.reason != "rollback" and move.before in free:
                    return self._promote(str(move.before), stage, "rollback")
        raise RequestError(
            f"{stage} of {self.name} holds "
            + (f"version {present} and held none before" if present else "no version")
            + "; see `ecomclf models`, and promote one with `ecomclf promote`"
        )

    def moves(self) -> list[Move]:
        """Give what the stages have gone through, the oldest first."""
        tags = self._client.get_registered_model(self.name).tags
        return [Move(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(_MOVE)]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes of this machine off the registry while the block runs."""
        key = hashlib.sha256(f"{self.uri} {self.name}".encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir()) / f"ecomclf-registry-{os.getuid()}-{key}.lock"
        with path.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _versions(self) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{self.name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def _repair(self) -> None:
        """Bring stages in line with aliases.

        A version has one stage only: with two aliases it keeps the higher one. A stage that was set
        without its alias, as a user may do in MLflow's UI, gets its alias where there is none.
        """
        held = self.aliases()
        versions = {str(version.version): version for version in self._versions()}
        if held.get("Staging") == held.get("Production") and "Staging" in held:
            self._client.delete_registered_model_alias(self.name, "staging")
            del held["Staging"]
        for number, version in versions.items():
            stage = version.current_stage
            if stage in STAGES and stage not in held and number not in held.values():
                self._client.set_registered_model_alias(self.name, _alias(stage), number)
                held[stage] = number
        right = {number: stage for stage, number in held.items()}
        for number, version in versions.items():
            stage = right.get(number, "Archived" if version.current_stage in STAGES else None)
            if stage is not None and stage != version.current_stage:
                with warnings.catch_warnings():
                    # MLflow would rather have aliases alone; users still pull by stage.
                    warnings.simplefilter("ignore", FutureWarning)
                    self._client.transition_model_version_stage(self.name, number, stage)


def stage_name(text: str) -> str:
    """Give a stage's name as MLflow writes it.

    Raises:
        RequestError: there is no such stage.

    """
    for stage in STAGES:
        if text.lower() == stage.lower():
            return stage
    raise RequestError(f"no stage {text!r}; there are {', '.join(STAGES)}")


def _alias(stage: str) -> str:
    return stage.lower()
