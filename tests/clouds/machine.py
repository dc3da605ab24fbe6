"""A rented machine: a real sshd on a loopback port, a home directory of its own, and processes that die with it."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil

from brightrun_tui.domain.gpu import GpuCheck
from tests.clouds.link import Link

MARK = "BRIGHTRUN_STANDIN_MACHINE"
SSHD = "/usr/sbin/sshd"
SFTP_SERVER = "/usr/lib/openssh/sftp-server"

_SESSION = """#!/bin/sh
. {directory}/environment
cd "$HOME" || exit 1
case "${{SSH_ORIGINAL_COMMAND:-}}" in
  "") exec /bin/bash --norc ;;
  {sftp}) exec {sftp} ;;
  *) exec /bin/bash -c "$SSH_ORIGINAL_COMMAND" ;;
esac
"""

_CONFIG = """HostKey {directory}/host_key
AuthorizedKeysFile {home}/.ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
Subsystem sftp {sftp}
ForceCommand {directory}/session
SetEnv HOME={home}
AllowTcpForwarding yes
PidFile none
LogLevel ERROR
"""

_NVIDIA_SMI = """#!/bin/sh
[ {count} -gt 0 ] || {{ echo "No devices were found" >&2; exit 6; }}
i=0
while [ $i -lt {count} ]; do
  case "$*" in
    *--query-gpu=index,uuid*) echo "$i, GPU-standin-$i, {name}, {memory}, 0" ;;
    *--query-gpu=*) echo "{name}, {memory}" ;;
    *) echo "GPU $i: {name} (UUID: GPU-standin-$i)" ;;
  esac
  i=$((i + 1))
done
"""

GPU_CHECK = '[ "$2" = brightrun_tui.trainer.gpu_check ] && exec gpu-check\n'
"""Of a shell script that is taken for a Python: there is no GPU, so what one would answer to its check is answered for it."""
HAS_PACKAGES = 'case "$1$2" in -c*"version(name)"*) exit 0 ;; esac\n'
"""Of the same: the setup's question whether torch loads and all is there, which takes two seconds of a processor to ask."""
_IMAGE_PYTHON = "#!/bin/sh\n" + GPU_CHECK + HAS_PACKAGES + 'exec {python} "$@"\n'
"""Has everything, as a good image has."""


class Machine:
    """Lives below ``directory``; ``home`` is its home. Every process in it carries a mark, so that it can lose power.

    The mark is the directory: ids are the same in every stand-in cloud, and several may be at work on this computer.

    Args:
        environment: what the provider injects into the container (ids, the machine's own key).
        gpu: name and memory in MiB of the GPUs that nvidia-smi shows, and how many.
    """

    def __init__(
        self,
        directory: Path,
        machine_id: str,
        environment: dict[str, str],
        gpu: tuple[str, int, int] = ("NVIDIA GeForce RTX 4090", 24564, 1),
    ) -> None:
        self.id = machine_id
        self.directory = directory
        self.home = directory / "home"
        self.user = getpass.getuser()
        self.dead = False
        self._environment = environment
        self._gpu = gpu
        self.gpu_fault = ""
        self.links: list[Link] = []

    def add_link(self) -> Link:
        """A port that leads to the sshd once it is opened."""
        link = Link(self._session)
        self.links.append(link)
        return link

    async def prepare(self) -> None:
        """Write the files of the machine; nothing listens yet."""
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        binaries = self.directory / "bin"
        binaries.mkdir()
        name, memory, count = self._gpu
        _script(binaries / "nvidia-smi", _NVIDIA_SMI.format(name=name, memory=memory, count=count))
        found = GpuCheck(device=name, compute="bfloat16", faults=(self.gpu_fault,) if self.gpu_fault else ())
        _script(
            binaries / "gpu-check",
            f"#!/bin/sh\necho {shlex.quote(found.model_dump_json())}\nexit {len(found.faults)}\n",
        )
        _script(binaries / "image-python", _IMAGE_PYTHON.format(python=sys.executable))
        _script(binaries / "python3", f'#!/bin/sh\nexec {_base_python()} "$@"\n')
        (binaries / "python").symlink_to("python3")
        variables = {
            "HOME": str(self.home),
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            MARK: str(self.directory),
            "PYTHONPATH": sysconfig.get_path("purelib"),
            **{k: v for k, v in os.environ.items() if k.startswith(("PIP_", "OMP_", "UV_"))},
            **self._environment,
        }
        variables.pop("PIP_REQUIRE_VIRTUALENV", None)
        (self.directory / "environment").write_text(
            "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())
        )
        _script(self.directory / "session", _SESSION.format(directory=self.directory, sftp=SFTP_SERVER))
        (self.directory / "sshd_config").write_text(
            _CONFIG.format(directory=self.directory, home=self.home, sftp=SFTP_SERVER)
        )
        (self.home / ".ssh" / "authorized_keys").touch(mode=0o600)
        keygen = await asyncio.create_subprocess_exec(
            "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.directory / "host_key")
        )
        await keygen.wait()
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)

    @property
    def host_key(self) -> str:
        return (self.directory / "host_key.pub").read_text().strip()

    def authorise(self, public_key: str) -> None:
        with (self.home / ".ssh" / "authorized_keys").open("a") as file:
            file.write(f"\n{public_key}\n")

    def run(self, script: str) -> None:
        """Start a shell script inside the machine, as a container start command does."""
        with (self.directory / "boot.log").open("ab") as log:
            subprocess.Popen(
                ["/bin/bash", "-c", f'. {self.directory}/environment; cd "$HOME"; {script}'],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={MARK: str(self.directory)},
            )

    async def lose_power(self) -> None:
        """Every process in it is gone at once and its ports refuse; the files stay."""
        self.dead = True
        for link in self.links:
            await link.shut()
        await asyncio.to_thread(self._kill)

    def power_up(self) -> None:
        """The machine starts again; its old ports lead nowhere."""
        self.dead = False
        self.links = [Link(self._session) for _ in self.links]

    async def destroy(self) -> None:
        await self.lose_power()
        await asyncio.to_thread(shutil.rmtree, self.directory, True)

    def processes(self, word: str = "") -> list[psutil.Process]:
        """What runs inside it; with ``word``, only what has it on its command line."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                inside = process.environ().get(MARK) == str(self.directory) and process.status() != psutil.STATUS_ZOMBIE
                if inside and (not word or word in process.cmdline()):
                    found.append(process)
        return found

    def _kill(self) -> None:
        while processes := self.processes():
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
            time.sleep(0.01)

    async def _session(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.dead:
            raise ConnectionRefusedError(self.id)
        ours, theirs = socket.socketpair()
        with theirs, (self.directory / "sshd.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                SSHD,
                "-i",
                "-e",
                "-f",
                str(self.directory / "sshd_config"),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=log,
                env={MARK: str(self.directory), "PATH": "/usr/bin:/bin"},
            )
        asyncio.get_running_loop().create_task(process.wait())
        return await asyncio.open_connection(sock=ours)


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _base_python() -> str:
    """The interpreter below a virtual environment: what an image has; its packages come by PYTHONPATH."""
    return str(getattr(sys, "_base_executable", sys.executable))
