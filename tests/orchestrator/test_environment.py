"""What is sent to a rented machine is enough to train there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from brightrun_tui.orchestrator.environment import SETUP, build_archive


@pytest.mark.slow
def test_the_worker_that_is_sent_needs_nothing_else_of_ours(tmp_path: Path) -> None:
    """Every module of the trainer can be imported from the archive alone, beside the packages it declares."""
    archive = build_archive(tmp_path)
    program = f"""
import sys
sys.path[:0] = [{str(archive)!r}, {sysconfig.get_path("purelib")!r}]
import pkgutil, importlib, brightrun_tui.trainer
assert {str(archive)!r} in brightrun_tui.__file__
for module in pkgutil.walk_packages(brightrun_tui.trainer.__path__, "brightrun_tui.trainer."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
import brightrun_tui.trainer.__main__
"""
    done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def prepared(home: Path, driver: str, *, pip: bool = True, torch: bool = True, uv: str = "") -> tuple[int, str]:
    """Exit code and output of the setup on a machine without network, whose driver runs that CUDA; the image's Python is ours.

    Without ``pip`` the environment that is made has none, which takes a tenth of the time. ``uv``: what the image's uv does.
    No other Python there has torch; without ``torch`` none has.
    """
    binaries = home / "bin"
    ours = str(Path(sys.executable).parent)
    elsewhere = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != ours)
    bare = "" if pip else '[ "$2" = venv ] && shift 2 && set -- -m venv --without-pip "$@"\n'
    lacks = "*peft*" if torch else "*peft*|*torch.__version__*"
    binaries.mkdir()
    (home / ".brightrun").mkdir()
    (home / ".brightrun" / "constraints.txt").write_text("torch==9.9\nsetuptools==99.9\nnumpy==9.9\n")
    (home / ".brightrun" / "requirements.txt").write_text("brightrun-needs-this-too\n")
    scripts = {
        "image": f'[ "$1" = -c ] && case "$*" in {lacks}) exit 1;; esac\n{bare}exec {sys.executable} "$@"',
        "nvidia-smi": f"echo '| Driver Version: 1  CUDA Version: {driver}  |'" if driver else "exit 9",
    }
    scripts |= {"uv": uv} if uv else {}
    for name, text in scripts.items():
        (binaries / name).write_text(f"#!/bin/sh\n{text}\n")
        (binaries / name).chmod(0o755)
    done = subprocess.run(
        ["sh", str(SETUP), "stamp", "image", "peft"],
        capture_output=True,
        text=True,
        cwd=home,
        env={
            "HOME": str(home),
            "PATH": f"{binaries}:{elsewhere}",
            "PIP_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
        },
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("driver", "said", "torch"),
    [
        ("12.6", "torch for CUDA 12.6 (cu126)", False),
        ("12.9", "torch for CUDA 12.9 (cu128)", True),
        ("13.1", "torch for CUDA 13.1 (cu130)", False),
    ],
)
def test_no_torch_or_one_that_cannot_use_the_driver_is_replaced_by_a_build_that_can(
    tmp_path: Path, driver: str, said: str, torch: bool
) -> None:
    """The torch of this Python is a CPU build: on a machine with a GPU it does not fit, whatever its version."""
    code, output = prepared(tmp_path, driver, pip=False, torch=torch)
    assert said in output and code == 5, "there is no network"


UV = """echo "$@" >> asked
case "$*" in *torch?=*) ;; *) exit 0;; esac
there=$("$4" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch-2.11.0+cu128.dist-info
mkdir "$there"
printf 'Name: torch\nVersion: 2.11.0+cu128\nRequires-Dist: setuptools<82; python_version >= "3.12"\n' > "$there/METADATA"
"""
"""An installer that finds a torch which is older than ours."""


def test_torch_comes_from_the_index_of_its_cuda_alone_and_stays(tmp_path: Path) -> None:
    """No torch after 2.11 is built for CUDA 12.8: with others to choose from, an installer would take one for a newer CUDA."""
    code, output = prepared(tmp_path, "12.8", pip=False, uv=UV)
    torch, others = (tmp_path / "asked").read_text().splitlines()
    assert code == 6 and "torch for CUDA 12.8 (cu128)" in output, "nothing else was installed"
    assert torch.endswith("--index-url https://download.pytorch.org/whl/cu128 torch>=2.8,<=9.9")
    assert "-r" in others.split() and "index" not in others
    assert (tmp_path / ".brightrun/constraints.txt.own").read_text() == "numpy==9.9\ntorch==2.11.0+cu128\n"


def test_a_torch_that_fits_is_used_where_it_lies(tmp_path: Path) -> None:
    """Nothing of 3 GB is fetched: the environment sees the image's torch, though it was made from another environment."""
    code, output = prepared(tmp_path, "")
    assert "using the image's torch" in output and code == 5
    seen = subprocess.run(
        [tmp_path / ".brightrun/env/bin/python", "-c", "import torch; print(torch.__version__)"],
        capture_output=True,
        text=True,
    )
    assert seen.returncode == 0, seen.stderr
    assert f"torch=={seen.stdout.strip()}" in (tmp_path / ".brightrun/constraints.txt.own").read_text().splitlines()


def test_a_driver_that_no_torch_of_ours_runs_with_is_said_so(tmp_path: Path) -> None:
    code, output = prepared(tmp_path, "11.8")
    assert code == 7 and "torch needs 12.6 or newer" in output
