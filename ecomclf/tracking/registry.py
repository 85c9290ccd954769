"""Versions of the registered model: registration, promotion, rollback, loading by stage.

Methods that read change nothing in the registry; where MLflow's stages and the aliases differ, they
log a warning. `promote` and `rollback` set the stages by the aliases. On one machine they exclude
each other and wait until no other process reads.
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

from ecomclf.config.section import NAME
from ecomclf.errors import RequestError
from ecomclf.runtime.locks import locked
from ecomclf.tracking.connection import reason_of, without_password
from ecomclf.tracking.runs import RECIPE, STUDY, STUDY_ID, TRIALS, Run
from ecomclf.tracking.stages import STAGES, RegistryState, alias_name, stage_name

if TYPE_CHECKING:
    from ecomclf.models.classifier import Classifier

# Tags of a version: the promotion gate's decision, its reasons, the comparison with the champion.
GATE = "gate"
GATE_REASON = "gate_reason"
CHAMPION = "champion"

_MOVE = "move."
# A repair is repeated only while other machines write.
_MAX_REPAIRS = 10
_ROLLBACK = "rollback"

_log = logging.getLogger("ecomclf")


@dataclass(frozen=True)
class Move:
    """A change of the version that holds a stage.

    Attributes:
        stage: Production or Staging.
        version: number of the version that holds it now.
        before: number of the version that held it before; None if there was none.
        reason: why, such as "promoted", "rollback" or "passed the gate".
        at: UTC time, ISO 8601.
        note: what the user should know about this move; "" for most. It is not recorded.

    """

    stage: str
    version: str
    before: str | None
    reason: str
    at: str
    note: str = ""


class Registry:
    """The versions of one registered model in one store.

    Args:
        uri: address of the store.
        name: name of the registered model; it need not exist yet.

    Raises:
        RequestError: the name is invalid. Methods raise it when the model, a stage or a version
            does not exist.

    Example:
        registry = Registry("sqlite:///mlflow.db", "ecomclf")
        registry.promote("3", "Production")
        registry.load(registry.resolve(stage="Production"))

    """

    def __init__(self, uri: str, name: str) -> None:
        if not re.fullmatch(NAME, name):
            raise RequestError(
                "the name of a model must consist of letters, digits, '_', '.' and '-' but got "
                f"{name!r}"
            )
        self.uri = uri
        self.name = name
        self._client = mlflow.MlflowClient(uri)
        self._warned = False

    def register(
        self, run: Run, model: ModelInfo, *, study: str, study_id: str, trials: str, recipe: str
    ) -> ModelVersion:
        """Register a logged model as a new version.

        Args:
            run: the run that logged it.
            model: the logged model.
            study: name of the study that it comes from.
            study_id: id of the study.
            trials: numbers of the trials that it consists of, separated by spaces.
            recipe: hash that tells it from other versions of the same study; see `find`.

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
        """Return the version of a study that was registered with this recipe, if there is one."""
        wanted = {STUDY_ID: study_id, RECIPE: recipe}
        for version in self._versions():
            if wanted.items() <= version.tags.items():
                return version
        return None

    def versions(self) -> list[ModelVersion]:
        """Return all versions, the newest first.

        Their `current_stage` is MLflow's; `stages` returns those that the aliases give.
        """
        return list(self._read().versions.values())

    def stages(self) -> dict[str, str]:
        """Return the stage of each version by its number, as the aliases give it."""
        return self._state().stages()

    def holders(self) -> dict[str, str]:
        """Return the number of the version that holds each stage, by the stage's name."""
        return self._state().holders()

    def disagreements(self) -> list[str]:
        """Return one line for each version whose MLflow stage and alias differ, with the remedy."""
        return self._state().disagreements()

    def aliases(self) -> dict[str, str]:
        """Return the number of the version that has a stage's alias, by the stage's name."""
        try:
            aliases = self._client.get_registered_model(self.name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {
            stage: str(aliases[alias_name(stage)])
            for stage in STAGES
            if alias_name(stage) in aliases
        }

    def resolve(self, *, stage: str | None = None, version: str | None = None) -> ModelVersion:
        """Return a version by its number or stage; with neither, Production's, else Staging's."""
        state = self._read()
        if version is not None:
            self._require(version, state)
            return state.versions[version]
        held = state.holders()
        wanted = STAGES if stage is None else (stage_name(stage),)
        for name in wanted:
            if name in held:
                return state.versions[held[name]]
        raise RequestError(
            f"no version of {self.name} is in {' or '.join(wanted)}; there are versions "
            f"{', '.join(state.versions)}: name one with --version, or promote one with "
            "`ecomclf promote`"
        )

    def load(self, version: ModelVersion) -> "Classifier":
        """Load a version's classifier; no code from the artifact is run."""
        from ecomclf.models.classifier import Classifier

        with tempfile.TemporaryDirectory() as folder:
            return Classifier.load(self.download(version, Path(folder)))

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """Download a version's files into a folder; return the folder of the classifier's files."""
        uri = f"models:/{self.name}/{version.version}"
        try:
            fetched = mlflow.artifacts.download_artifacts(
                artifact_uri=uri, dst_path=str(folder), tracking_uri=self.uri
            )
        except (MlflowException, OSError) as error:
            raise RequestError(
                f"the files of {self.name} version {version.version} cannot be read: "
                f"{reason_of(error)}; restore them, or name another version"
            ) from error
        return Path(fetched) / "data"

    def describe(self, version: ModelVersion, text: str, tags: dict[str, Any]) -> None:
        """Set a version's description and tags."""
        self._client.update_model_version(self.name, version.version, text)
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, version.version, key, value)

    def promote(self, version: str, stage: str, reason: str = "promoted") -> Move:
        """Give a stage to a version; the version that held it is archived.

        MLflow's stages are then set by the aliases. A version that the gate refused can be
        promoted; the returned move has a note that says so.
        """
        stage = stage_name(stage)
        with self._exclusive():
            state = self._state()
            self._require(version, state)
            held = state.holders()
            if stage == "Staging" and held.get("Production") == version:
                raise RequestError(
                    f"version {version} of {self.name} is in Production, and a version has one "
                    "stage; promote another version to Production first"
                )
            notes = []
            if held.get(stage) == version:
                notes.append(f"it held {stage} already")
            tags = state.versions[version].tags
            if tags.get(GATE) == "refused":
                why = tags.get(GATE_REASON, "no reason recorded").removeprefix("refused: ")
                notes.append(f"the promotion gate had refused it: {why}")
            return self._move(stage, version, held.get(stage), reason, "; ".join(notes))

    def rollback(self, stage: str) -> Move:
        """Give a stage back to the version that held it before."""
        stage = stage_name(stage)
        with self._exclusive():
            state = self._state()
            self._require_versions(state)
            present = state.holders().get(stage)
            before = self._before(stage, present, state)
            if before is not None:
                return self._move(stage, before, present, _ROLLBACK)
        raise RequestError(
            f"{stage} of {self.name} holds "
            + (f"version {present} and held none before" if present else "no version")
            + "; see `ecomclf models`, and promote one with `ecomclf promote`"
        )

    def moves(self) -> list[Move]:
        """Return the recorded moves, the oldest first."""
        tags = self._client.get_registered_model(self.name).tags
        return [Move(**json.loads(tags[key])) for key in sorted(tags) if key.startswith(_MOVE)]

    def _before(self, stage: str, present: str | None, state: RegistryState) -> str | None:
        """Return the version that held a stage before the present one, if it can be given back."""
        if present is None:
            return None
        # A version has one stage, so Production's is not taken from it.
        free = state.versions.keys() - {present, state.holders().get("Production")}
        moves = [move for move in self.moves() if move.stage == stage]
        if not moves:
            # Moving an alias in MLflow's UI leaves the stage where it was.
            staged = [number for number in state.versions if state.shown(number) == stage]
            return next((number for number in staged if number in free), None)
        if moves[-1].version != present and moves[-1].version in free:
            # The alias was moved in MLflow's UI after this move.
            return moves[-1].version
        return _replaced_by(present, moves, free)

    def _move(
        self, stage: str, version: str, before: str | None, reason: str, note: str = ""
    ) -> Move:
        """Give a stage to a version, record it, and set MLflow's stages.

        Before that they are repaired, so that a version with two aliases cannot keep the wrong one.
        """
        self._repair()
        # Moves are ordered by this number, whatever happens to the clock.
        now = max(time.time_ns(), self._last_move() + 1)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now / 1e9))
        move = Move(stage, version, before, reason, at, note)
        recorded = {key: value for key, value in vars(move).items() if key != "note"}
        self._client.set_registered_model_alias(self.name, alias_name(stage), version)
        self._client.set_registered_model_tag(
            self.name, f"{_MOVE}{now}.{version}", json.dumps(recorded)
        )
        self._settle()
        return move

    def _last_move(self) -> int:
        """Return the number of the latest recorded move; 0 if there is none."""
        tags = self._client.get_registered_model(self.name).tags
        return max((int(key.split(".")[1]) for key in tags if key.startswith(_MOVE)), default=0)

    def _settle(self) -> None:
        """Set MLflow's stages by the aliases until both agree.

        Another machine may be promoting at the same time, and this machine's lock does not exclude
        it. Whichever writes last also looks last.
        """
        for _ in range(_MAX_REPAIRS):
            self._repair()
            if not self._state().disagreements():
                return

    def _repair(self) -> None:
        """Set MLflow's stages by the aliases, and the aliases that are missing."""
        state = self._state()
        held = state.holders()
        if "Staging" in state.aliases and state.aliases["Staging"] == held.get("Production"):
            self._client.delete_registered_model_alias(self.name, alias_name("Staging"))
        for stage, number in held.items():
            if state.aliases.get(stage) != number:
                self._client.set_registered_model_alias(self.name, alias_name(stage), number)
        for number, stage in state.stages().items():
            if stage != state.shown(number):
                with warnings.catch_warnings():
                    # Deprecated in favour of aliases alone; users still load by stage.
                    warnings.simplefilter("ignore", FutureWarning)
                    self._client.transition_model_version_stage(self.name, number, stage)

    def _read(self) -> RegistryState:
        """Return the state; the first time, log a warning where stages and aliases differ."""
        with self._exclusive():
            state = self._state()
        self._require_versions(state)
        if not self._warned:
            self._warned = True
            for line in state.disagreements():
                _log.warning(line)
        return state

    def _state(self) -> RegistryState:
        versions = {str(version.version): version for version in self._versions()}
        return RegistryState(self.name, versions, self.aliases())

    def _versions(self) -> list[ModelVersion]:
        found = self._client.search_model_versions(f"name = '{self.name}'")
        return sorted(found, key=lambda version: -int(version.version))

    def _require_versions(self, state: RegistryState) -> None:
        if not state.versions:
            raise RequestError(
                f"no version of the model {self.name!r} is registered in "
                f"{without_password(self.uri)}; run `ecomclf sweep` first"
            )

    def _require(self, version: str, state: RegistryState) -> None:
        self._require_versions(state)
        if version not in state.versions:
            known = ", ".join(state.versions)
            raise RequestError(f"no version {version!r} of {self.name}; there are {known}")

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Exclude this user's other processes on this machine while the block runs.

        Readers take the lock too: they must not see a promotion that is half done.
        """
        key = hashlib.sha256(f"{self.uri} {self.name}".encode()).hexdigest()[:16]
        with locked(Path(tempfile.gettempdir()) / f"ecomclf-registry-{os.getuid()}-{key}.lock"):
            yield


def _replaced_by(version: str, moves: Sequence[Move], free: set[str]) -> str | None:
    """Return which version a promotion of `version` replaced, the latest promotion first."""
    for move in reversed(moves):
        if move.version == version and move.reason != _ROLLBACK and move.before in free:
            return move.before
    return None
