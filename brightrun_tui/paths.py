"""Where everything of ours lies on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from brightrun_tui.files import close_to_others, close_tree_to_others

APP = "brightrun"


@dataclass(frozen=True)
class Paths:
    """The directories of one installation, and the well-known files in them."""

    config: Path
    data: Path
    cache: Path
    logs: Path

    @property
    def config_file(self) -> Path:
        """``config.toml``; BRIGHTRUN_CONFIG names another one."""
        given = os.environ.get("BRIGHTRUN_CONFIG")
        return typed_path(given) if given else self.config / "config.toml"

    @property
    def database(self) -> Path:
        return self.data / "brightrun.db"

    @property
    def engine_lock(self) -> Path:
        return self.data / "engine.lock"

    @property
    def engine_log(self) -> Path:
        return self.logs / "engine.log"

    @property
    def runs(self) -> Path:
        return self.data / "runs"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def bases(self) -> Path:
        return self.data / "bases"

    @property
    def endpoints(self) -> Path:
        return self.data / "endpoints"

    @property
    def credentials_file(self) -> Path:
        return self.config / "credentials.json"

    @property
    def user_themes(self) -> Path:
        return self.config / "themes"

    @property
    def user_templates(self) -> Path:
        return self.config / "templates"

    @property
    def column_maps(self) -> Path:
        """Which columns a person mapped to what, by the columns that the table had."""
        return self.config / "column-maps.json"

    @property
    def app_state(self) -> Path:
        """How the app was left: the screen, the run, the order of the list."""
        return self.data / "app.json"

    @property
    def private(self) -> tuple[Path, ...]:
        """What must be closed to others for all below it to be, however it came to be there. Only what is surely ours."""
        database = [self.database.with_name(f"{self.database.name}{end}") for end in ("", "-wal", "-shm")]
        return (
            self.config,
            self.data,
            self.cache,
            self.logs,
            self.runs,
            self.models,
            self.bases,
            self.endpoints,
            *database,
            self.credentials_file,
            *(self.logs.glob("*.log*") if self.logs.is_dir() else ()),
        )

    def run_directory(self, run_id: str) -> Path:
        return self.runs / run_id


def close_home(paths: Paths, *, thoroughly: bool = False) -> None:
    """Repair the modes of an installation that was made with other ones. Cheap, but for ``thoroughly``, which sees every file.

    A directory that holds ours (BRIGHTRUN_HOME) and ``config.toml`` belong to the user, and stay as they are.
    """
    for path in paths.private:
        close_to_others(path)
    if thoroughly:
        for top in (paths.runs, paths.models, paths.endpoints, paths.logs):
            close_tree_to_others(top)


def get_paths() -> Paths:
    """Return the paths in force: below BRIGHTRUN_HOME, or the platform's user directories. Creates nothing."""
    home = os.environ.get("BRIGHTRUN_HOME")
    if home:
        root = Path(os.path.realpath(typed_path(home)))
        return Paths(root / "config", root / "data", root / "cache", root / "logs")
    return Paths(
        platformdirs.user_config_path(APP),
        platformdirs.user_data_path(APP),
        platformdirs.user_cache_path(APP),
        platformdirs.user_log_path(APP),
    )


def typed_path(text: str | os.PathLike[str]) -> Path:
    """Return a path as a person types it: ``~`` is their home; where nobody of that name has one, it stays as it is.

    Raises nothing, as `Path.expanduser` would. Ask `os.path.isdir` and its like about the result: `Path.is_dir` raises for a
    name that is too long, or lies where one may not look.
    """
    return Path(os.path.expanduser(text))
