"""What is learnt from the data: the loop, the evaluation, the report and the preparation of the data ask an objective."""

from __future__ import annotations

from importlib.metadata import EntryPoint

from brightrun_tui import plugins
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import PluginError
from brightrun_tui.domain.objective import ObjectiveSpec
from brightrun_tui.plugins import Door
from brightrun_tui.trainer.objectives.base import Objective

__all__ = ["Objective", "load_objective"]


def load_objective(name: str) -> Objective:
    """Return the objective that ``training.objective`` names, with its implementation.

    Raises:
        UsageError: there is none of that name here.
        PluginError: the package that brings it is broken.
    """
    spec = plugins.require(
        Door.OBJECTIVES, ObjectiveSpec, name, where="training.objective", reason=ErrorKind.UNKNOWN_OBJECTIVE
    )
    with plugins.Blame(Door.OBJECTIVES, name):
        objective = EntryPoint(name, spec.implementation, Door.OBJECTIVES).load()()
    if not isinstance(objective, Objective):
        raise PluginError(
            f"the training objective “{name}” cannot be used: {spec.implementation} lacks a method of an objective",
            where="training.objective",
            fix="see docs/adding-a-training-objective.md",
            kind=ErrorKind.PLUGIN_BROKEN,
        )
    return objective
