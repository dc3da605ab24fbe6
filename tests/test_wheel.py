"""The built wheel is complete: outside the checkout it finds what it needs and says what works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the build backend that pyproject.toml names."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel in it. The libraries are lent by this one, which saves a minute."""
    place = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(place, with_pip=False)
    site = next(place.glob("lib/python*/site-packages"))
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(place / "bin" / "python"),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            "--ignore-installed",
            str(wheel),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return place


def call(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(installed / "bin" / "brightrun"), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=home,
        env={**environment, "BRIGHTRUN_HOME": str(home)},
    )


def test_the_wheel_holds_what_the_checkout_has(wheel: Path) -> None:
    """No theme, preset, style sheet or marker is forgotten, and no test is shipped."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("themes", "presets"):
        for path in (ROOT / folder).rglob("*.*"):
            assert f"brightrun_tui/_data/{path.relative_to(ROOT)}" in names
    for path in (ROOT / "brightrun_tui").rglob("*.tcss"):
        assert str(path.relative_to(ROOT)) in names
    assert {"brightrun_tui/py.typed", "brightrun_tui/_data/constraints.txt"} <= names
    assert not [name for name in names if name.startswith(("tests/", "scripts/")) or "__pycache__" in name]


def test_outside_the_checkout_it_finds_its_own_themes_and_presets(installed: Path, tmp_path: Path) -> None:
    """What ships with the product comes from the installation, not from where it was built."""
    for what in ("themes", "presets"):
        place = Path(call(installed, tmp_path, "locate", what).stdout.strip())
        assert installed in place.parents
        assert list(place.rglob("*.toml"))
    bases = json.loads(call(installed, tmp_path, "bases", "--json").stdout)["bases"]
    assert bases[0]["id"] == "starter"


def test_doctor_works_there(installed: Path, tmp_path: Path) -> None:
    """The first thing to run after an installation."""
    done = call(installed, tmp_path, "doctor", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (0, True), [c for c in document["checks"] if c["state"] == "failed"]
