"""A repaired version of a dataset that a person named: written, checked, and ready to be kept by its name."""

from __future__ import annotations

from pathlib import Path

from brightrun_tui.datasets.checking import Examined
from brightrun_tui.datasets.opening import Progress
from brightrun_tui.datasets.repairing import Repairs, repair
from brightrun_tui.datasets.versions import next_version
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.files import give_users_modes, plain_disk_errors, users_directory
from brightrun_tui.paths import Paths
from brightrun_tui.planning.dataset_reports import check_dataset
from brightrun_tui.process import users_umask


def repaired(
    examined: Examined,
    repairs: Repairs,
    paths: Paths,
    *,
    name: str = "",
    into: Path | None = None,
    progress: Progress = lambda what, share: None,
) -> DatasetReport:
    """Return the report of the new version; its name is free among our own versions.

    Args:
        examined: the dataset as it is.
        name: what it is called, where that is not its file's name.
        into: where the new one is to lie; by default among the versions in our data directory.

    Raises as `repair`.
    """
    source = Path(name or examined.report.path)
    target = into
    if target is None:
        folder = paths.data / "datasets"
        with plain_disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        target = next_version(folder, source)
    else:
        with plain_disk_errors(target):
            users_directory(target.parent, users_umask())
    repair(examined, examined.report.columns, repairs, target, examined.report.source or source.name, progress)
    if into is not None:
        give_users_modes(target, users_umask())
    return check_dataset(target, {}, paths, progress).model_copy(update={"name": target.stem})
