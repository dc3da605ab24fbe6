"""The GPUs of this machine, as NVIDIA's management library tells of them: parts (MIG) too, and who holds memory there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import psutil

from brightrun_tui.domain.slots import Card

OURS = "brightrun_tui.serving"
"""In the command line of every server of an endpoint. What this user's servers hold is not other people's: whether a run fits
beside them is for the plan to tell. A worker, on the other hand, is known by its run, or is another installation's."""


def cards_here() -> tuple[Card, ...]:
    """Return every GPU, or MIG instance, that this process may use, in the driver's order; none where there is no driver.
    Blocking: milliseconds, more where the driver must wake up first."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        found = [card for index in range(pynvml.nvmlDeviceGetCount()) for card in _parts(index)]
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()
    return _visible(tuple(found), os.environ.get("CUDA_VISIBLE_DEVICES"))


def _parts(index: int) -> list[Card]:
    """Return the instances of a GPU that is cut into some, else the GPU itself; nothing if it does not answer."""
    import pynvml

    gpu = _told(pynvml.nvmlDeviceGetHandleByIndex, index)
    if gpu is None:
        return []
    mode = _told(pynvml.nvmlDeviceGetMigMode, gpu)
    if not mode or not mode[0]:
        return _card(gpu, str(index))
    count = _told(pynvml.nvmlDeviceGetMaxMigDeviceCount, gpu) or 0
    parts = [(number, _told(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, gpu, number)) for number in range(count)]
    return [card for number, part in parts if part is not None for card in _card(part, f"{index}:{number}")]


def _card(handle: Any, index: str) -> list[Card]:
    import pynvml

    uuid = _told(pynvml.nvmlDeviceGetUUID, handle)
    # the second form tells what the driver itself keeps apart from what is used; old drivers have the first only
    memory = _told(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2) or _told(
        pynvml.nvmlDeviceGetMemoryInfo, handle
    )
    if uuid is None or memory is None:
        return []
    ours, who = _users(_told(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or [])
    return [
        Card(
            id=_text(uuid),
            index=index,
            name=_text(_told(pynvml.nvmlDeviceGetName, handle) or "GPU"),
            memory=int(memory.total),
            free=int(memory.free),
            others=max(0, int(memory.used) - ours),
            who=who,
        )
    ]


def _users(processes: list[Any]) -> tuple[int, str]:
    """Return bytes that processes of ours hold, and who holds the others, in words."""
    ours, who = 0, ""
    for one in processes:
        held = int(one.usedGpuMemory or 0)
        try:
            process = psutil.Process(int(one.pid))
            if process.uids().real == os.getuid() and any(word.startswith(OURS) for word in process.cmdline()):
                ours += held
            elif not who:
                who = f"{process.name()} of {process.username()}"
        except psutil.Error:
            continue  # it is gone, or another container's
    return ours, who


def _visible(cards: tuple[Card, ...], chosen: str | None) -> tuple[Card, ...]:
    """Return those that ``CUDA_VISIBLE_DEVICES`` names, in its order; as CUDA does, what stands behind an unknown one is not
    seen.
    """
    if chosen is None:
        return cards
    seen: list[Card] = []
    for word in (part.strip() for part in chosen.split(",")):
        fitting = [card for card in cards if word and _is_named(card, word)]
        if not fitting:
            break
        seen += [card for card in fitting if card not in seen]
    return tuple(seen)


def _is_named(card: Card, word: str) -> bool:
    return card.index.partition(":")[0] == word if word.isdecimal() else card.id.startswith(word)


def _told(ask: Callable[..., Any], *what: Any) -> Any:
    """Return what NVML answers; None if it cannot."""
    import pynvml

    try:
        return ask(*what)
    except pynvml.NVMLError:
        return None


def _text(said: Any) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
