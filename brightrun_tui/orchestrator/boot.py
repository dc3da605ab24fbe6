"""The engine as a service of the user's systemd, so that endpoints answer again after a reboot without anybody logging in."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.files import write_atomic
from brightrun_tui.paths import typed_path
from brightrun_tui.process import python

UNIT = "brightrun.service"
SECONDS = 30.0
_PLACES = (
    *("BRIGHTRUN_HOME", "BRIGHTRUN_CONFIG", "HF_HOME", "HF_HUB_CACHE"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"),
)


@dataclass(frozen=True)
class Installed:
    """``unit``: the file. ``linger``: whether the service starts at boot; without, it starts when the user logs in."""

    unit: Path
    linger: bool

    @property
    def linger_command(self) -> str:
        """What makes it start at boot; it may ask for an administrator's password."""
        return f"loginctl enable-linger {getuser()}"


def unit_text() -> str:
    """Return the unit. The engine finds what is found now, by the same variables of the environment. It leaves runs and
    endpoints alone when it is stopped: they outlive the engine, and the next one finds them.
    """
    environment = "".join(f'Environment="{_quoted(f"{name}={value}")}"\n' for name, value in _environment().items())
    return (
        "[Unit]\n"
        "Description=Bright Run: training runs and endpoints\n"
        "\n"
        "[Service]\n"
        f"ExecStart={_escaped(shlex.join(python('-m', 'brightrun_tui.orchestrator')))}\n"
        f"{environment}"
        "KillMode=process\n"
        "Restart=on-failure\n"
        "RestartSec=5\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def install() -> Installed:
    """Write the unit and have systemd start it from now on. May be repeated.

    Raises:
        EngineError: this machine has no systemd for users; says what else can be done.
    """
    _require_systemd()
    unit = _unit_file()
    try:
        unit.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(unit, unit_text(), mode=0o644)
    except OSError as error:
        raise EngineError(
            f"the unit cannot be written ({error.strerror or error})", where=str(unit), kind=ErrorKind.NO_SYSTEMD
        ) from None
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", UNIT)
    return Installed(unit, _lingers())


def uninstall() -> bool:
    """Take the unit away; returns whether there was one. Runs and endpoints go on. Raises as `install` does."""
    unit = _unit_file()
    if not unit.exists():
        return False
    _require_systemd()
    _systemctl("disable", UNIT)
    unit.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    return True


def _environment() -> dict[str, str]:
    """Return the variables that are set and say where things are, because systemd would start the engine without them.
    None is secret.
    """
    found = {name: os.path.realpath(typed_path(value)) for name in _PLACES if (value := os.environ.get(name))}
    return found | (
        {"PATH": path} if (path := os.environ.get("PATH")) else {}
    )  # the command vllm may be anywhere on it


def _escaped(text: str) -> str:
    """Escape percent signs, which mean something in a unit."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """Return what may stand between quotation marks of a unit."""
    return _escaped(text).replace("\\", "\\\\").replace('"', '\\"')


def _unit_file() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "systemd" / "user" / UNIT


def _require_systemd() -> None:
    if shutil.which("systemctl") and _run("systemctl", "--user", "show-environment").returncode == 0:
        return
    raise EngineError(
        "there is no systemd for users here (a container, or a login without a session)",
        where="systemctl --user",
        fix=f"have something start this at boot, such as a line “@reboot {shlex.join(python('-m', 'brightrun_tui'))} engine "
        "start” in crontab -e, or the container's own start command",
        kind=ErrorKind.NO_SYSTEMD,
    )


def _systemctl(*arguments: str) -> None:
    done = _run("systemctl", "--user", *arguments)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise EngineError(
            f"systemd refused: {said[-1] if said else f'code {done.returncode}'}",
            where=f"systemctl --user {shlex.join(arguments)}",
            kind=ErrorKind.NO_SYSTEMD,
        )


def _lingers() -> bool:
    done = _run("loginctl", "show-user", getuser(), "--property=Linger", "--value")
    return done.returncode == 0 and done.stdout.strip() == "yes"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
