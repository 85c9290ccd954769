"""Which version of a registered model holds which stage.

Each stage has an alias of the same name in lower case. Setting an alias is a single write, so the
alias decides where the two differ: after a promotion that was killed, or a change in MLflow's UI.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from ecomclf.config.schema import RegistryConfig
from ecomclf.errors import RequestError

# In the order in which a request without a stage tries them.
STAGES = ("Production", "Staging")


def stage_name(text: str) -> str:
    """Return a stage's name as MLflow writes it.

    Raises:
        RequestError: there is no such stage.

    Example:
        >>> stage_name("production")
        'Production'

    """
    for stage in STAGES:
        if text.lower() == stage.lower():
            return stage
    raise RequestError(f"no stage {text!r}; there are {', '.join(STAGES)}")


def alias_name(stage: str) -> str:
    """Return the alias that belongs to a stage."""
    return stage.lower()


@dataclass(frozen=True)
class RegistryState:
    """The versions of a registered model and their aliases, as MLflow returned them.

    Attributes:
        model: the registered model's name.
        versions: by their numbers, the newest first.
        aliases: number of the version that has a stage's alias, by the stage's name.

    """

    model: str
    versions: Mapping[str, ModelVersion]
    aliases: Mapping[str, str]

    def shown(self, number: str) -> str:
        """Return a version's stage as MLflow has it."""
        return self.versions[number].current_stage or "None"

    def holders(self) -> dict[str, str]:
        """Return the number of the version that holds each stage, by the stage's name.

        It is the one with the alias. A version with both aliases is in Production only. A stage
        that was set in MLflow's UI without an alias counts if no version has the stage's alias and
        this version has no other; if there are several, the newest holds it.
        """
        held = {stage: number for stage, number in self.aliases.items() if number in self.versions}
        if self._has_both_aliases():
            held.pop("Staging", None)
        for number in self.versions:
            stage = self.shown(number)
            if stage in STAGES and stage not in held and number not in held.values():
                held[stage] = number
        return held

    def stages(self) -> dict[str, str]:
        """Return the stage of each version by its number; "Archived" or "None" if it holds none."""
        held = {number: stage for stage, number in self.holders().items()}
        return {
            number: held.get(number)
            or ("Archived" if self.shown(number) in STAGES else self.shown(number))
            for number in self.versions
        }

    def disagreements(self) -> list[str]:
        """Return one line for each version whose MLflow stage and alias differ, with the remedy."""
        holders, lines = self.holders(), []
        for number, stage in self.stages().items():
            shown = self.shown(number)
            if stage in STAGES:
                contested = stage
            elif shown in STAGES:
                contested = shown
            else:
                continue
            problem = self._problem(number, stage, holders[contested])
            if problem:
                lines.append(
                    f"version {number} of {self.model}: {problem}; "
                    f"{self._remedy(holders[contested], contested)}"
                )
        return lines

    def _problem(self, number: str, stage: str, holder: str) -> str | None:
        """Return how a version's MLflow stage differs from the stage that its alias gives."""
        shown = self.shown(number)
        problem = None
        if stage not in STAGES:
            why = "has its alias" if self.aliases.get(shown) == holder else "is newer"
            problem = f"but it holds none, since version {holder} {why}"
        elif self.aliases.get(stage) != number:
            problem = f"but no version has the alias {alias_name(stage)!r}"
        elif shown != stage:
            problem = f"but its alias gives {stage}"
        elif self._has_both_aliases() and stage == "Production":
            problem = "but it has the alias 'staging' too"
        return problem and f"MLflow shows the stage {shown}, {problem}"

    def _remedy(self, holder: str, stage: str) -> str:
        is_default = self.model == RegistryConfig().model
        options = f"--stage {stage}" + ("" if is_default else f" --model {self.model}")
        return f"run `ecomclf promote {holder} {options}` or `ecomclf rollback {options}` to repair"

    def _has_both_aliases(self) -> bool:
        staging = self.aliases.get("Staging")
        return staging is not None and staging == self.aliases.get("Production")
