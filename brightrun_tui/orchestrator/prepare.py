"""Everything a run needs before its worker starts: base model, data in the canonical form, ``spec.json``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from brightrun_tui import datasets
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import DatasetError
from brightrun_tui.domain.run import Run, RunSpec
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import write_atomic
from brightrun_tui.orchestrator.kept_tokens import bring_tokens, can_make_tokens, need_tokens
from brightrun_tui.orchestrator.targets import Say
from brightrun_tui.paths import Paths
from brightrun_tui.planning import bases, shipping
from brightrun_tui.planning.hub_datasets import fetch_dataset
from brightrun_tui.registry import prepare_evaluation


def prepare(run: Run, paths: Paths, say: Say) -> RunSpec:
    """Make the run directory ready; blocking, and safe to repeat. Returns the resolved specification.

    A directory that has its ``spec.json`` is complete already: the file is written last, and only the
    place of the base model is ever changed in it (`renew_paths`).

    Raises:
        BaseModelError: the base model cannot be had.
        UsageError: the objective of the run cannot be sent to a rented machine.
        UntrustedError: the version to measure was changed since it was registered.
        DatasetError: the data is gone, changed since it was checked, or unusable.
        NotConnectedError: data of the Hub is no longer here, and the Hub cannot be reached.
    """
    if run.spec.measures:
        return prepare_evaluation(run, say)
    directory = RunDirectory(Path(run.directory))
    target = directory.spec
    if target.exists():
        renew_paths(run)
        return RunSpec.model_validate_json(target.read_text("utf-8"))
    directory.control.mkdir(parents=True, exist_ok=True)
    spec = run.spec
    if not spec.here:
        shipping.objective_files(spec.settings.training.objective)
    say("base model")
    if not spec.here and bases.is_hub_id(spec.base.id):
        base = bases.describe_base(spec.base.id, paths).ref.model_copy(update={"path": ""})
    else:
        base = bases.fetch_base(spec.base.id, paths, lambda what, _fraction: say(what))
    say("dataset")
    path = Path(spec.dataset.path)
    if spec.dataset.source and not path.exists():
        path = fetch_dataset(spec.dataset.source, paths, lambda what, _share: say(what)).path
    data = datasets.prepare(
        path, directory.data, spec.settings.data, columns=spec.dataset.columns or None, progress=_in_steps(say)
    )
    if spec.dataset.fingerprint and data.source_fingerprint != spec.dataset.fingerprint:
        raise DatasetError(
            "the file is not the one that was checked",
            where=spec.dataset.path,
            fix="start the run again: the new file will be checked",
            kind=ErrorKind.DATASET_CHANGED,
        )
    spec = spec.model_copy(
        update={
            "base": base,
            "dataset": spec.dataset.model_copy(
                update={
                    "fingerprint": data.source_fingerprint,
                    "train_records": data.train_records,
                    "eval_records": data.eval_records,
                }
            ),
        }
    )
    if not bring_tokens(directory.root, spec, paths) and not spec.here and can_make_tokens():
        say("tokens")
        need_tokens(directory.root, spec, paths, lambda: bases.fetch_tokenizer(base, paths))
    write_atomic(target, spec.model_dump_json(indent=2))
    return spec


def _in_steps(say: Say) -> Callable[[str, float], None]:
    """Tell how far the data is at every tenth of the work."""
    said = 0

    def tell(_what: str, share: float) -> None:
        nonlocal said
        if int(share * 10) > said:
            said = int(share * 10)
            say(f"dataset {said * 10}%")

    return tell


def renew_paths(run: Run) -> None:
    """Put the base model's present place into ``spec.json`` where the data directory was moved since it was written. Blocking."""
    target = RunDirectory(Path(run.directory)).spec
    try:
        spec = RunSpec.model_validate_json(target.read_text("utf-8"))
    except FileNotFoundError:
        return
    here = run.spec.base.path
    if spec.base.path and here and spec.base.path != here and not Path(spec.base.path).exists():
        spec = spec.model_copy(update={"base": spec.base.model_copy(update={"path": here})})
        write_atomic(target, spec.model_dump_json(indent=2))
