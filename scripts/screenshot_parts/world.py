"""What the pictures show: a history, a rented run with alerts, files of several kinds, stand-ins for Hub and clouds."""

from __future__ import annotations

import json
import math
import time
from contextlib import ExitStack
from pathlib import Path

from brightrun_tui.domain.events import Body, Event, body_of
from brightrun_tui.domain.money import GIB, Lease
from brightrun_tui.domain.run import Notice
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.store import events, leases, open_database, runs
from tests.clouds.server import CloudServer
from tests.planning.hub_stand_in import StandIn
from tests.tui import seed

RENTED, STEPS, TOTAL = "r-0100", 420, 600


async def fill_world(paths: Paths) -> None:
    """Fill the store with the history of the tests, and a rented run whose card is hot and whose budget is nearly
    spent.
    """
    await seed.fill(paths)
    credentials.save("judge", "sk-a-key-for-pictures", paths)
    async with open_database(paths.database) as db:
        await seed.add_run(
            db, paths, "tickets-bilingual-with-a-long-name", RENTED, "running", steps=0, total=TOTAL, log=True
        )
        told = [Event(n, when, body) for n, (when, body) in enumerate(_told())]
        await events.ingest(db, RENTED, told, 1)
        files = RunDirectory(paths.run_directory(RENTED))
        files.events.write_bytes(b"".join(event.to_line() for event in told))
        files.log.write_text("", encoding="utf-8")
        spec = (await runs.get(db, RENTED)).spec.model_copy(update={"provider": "runpod"})
        notice = Notice(
            time=time.time() - 60, level="warning", code="budget_warn_80", message="83 % of the budget is spent"
        )
        await runs.update(db, RENTED, spec=spec, cost_usd=4.31, notices=(notice,))
        lease = Lease(
            name="br-picture-1",
            run_id=RENTED,
            provider="runpod",
            state="live",
            provider_id="pod-31",
            gpu="NVIDIA A40",
            quoted_per_hour=0.44,
            price_per_hour=0.44,
            created_at=time.time() - 9000,
            running_since=time.time() - 8900,
            heard_at=time.time(),
            gpu_memory=48 * GIB,
        )
        await leases.save(db, lease)


def _told() -> list[tuple[float, Body]]:
    """Return what a worker tells: every step with its loss and speed, every tenth with what the card does."""
    begin = time.time() - 2.0 * STEPS
    said: list[tuple[float, Body]] = [
        (begin, body_of("phase", {"phase": "loading", "detail": "Qwen2.5 7B, 4-bit"})),
        (begin + 40, body_of("phase", {"phase": "training", "detail": "5,120 records, micro-batch 4 × 4"})),
    ]
    for step in range(1, STEPS + 1):
        at = begin + 2.0 * step
        values = {
            "train_loss": 0.9 + 2.1 * math.exp(-step / 60) + 0.06 * math.sin(step * 1.7),
            "learning_rate": 2e-4 * (1 - step / TOTAL),
            "grad_norm": 0.5 + 0.1 * math.sin(step / 3),
            "tokens_per_second": 2400 + 80 * math.sin(step / 5),
        }
        if step % 40 == 0:
            values["eval_loss"] = 1.0 + 2.0 * math.exp(-step / 70)
        said.append((at, body_of("metric", {"step": step, "values": values})))
        if step % 10 == 0:
            said.append((at, body_of("hardware", _hardware(step))))
        if step % 100 == 0:
            said.append(
                (at, body_of("checkpoint", {"step": step, "path": f"checkpoints/step-{step}", "eval_loss": 1.2}))
            )
    progress = {"step": STEPS, "total_steps": TOTAL, "epoch": 2.1, "tokens_per_second": 2410.0, "eta_seconds": 372.0}
    return [*said, (time.time(), body_of("progress", progress))]


def _hardware(step: int) -> dict[str, object]:
    return {
        "device": "NVIDIA A40",
        "memory_used": int((31 + math.sin(step / 20)) * GIB),
        "memory_total": 48 * GIB,
        "utilisation": 0.9 + 0.08 * math.sin(step / 7),
        "temperature": min(91.0, 55 + step / 8),
        "temperature_limit": 93.0,
        "power": 270 + 20 * math.sin(step / 9),
        "power_limit": 300.0,
        "throttled": step > 400,
        "disk_free": 62 * GIB,
        "disk_total": 100 * GIB,
    }


def make_files(directory: Path) -> dict[str, str]:
    """Make a table with German headings, one with copies in it, and one that cannot be used; by the names that shots
    give them.
    """
    directory.mkdir(parents=True)
    german, copies, broken = (directory / name for name in ("kunden.csv", "shop.jsonl", "notizen.csv"))
    rows = [f"2024-01-{n % 28 + 1:02};Wann öffnet Haus {n}?;Haus {n} öffnet um acht Uhr.\n" for n in range(60)]
    german.write_text("Datum;Kundenfrage;Unsere Antwort\n" + "".join(rows), encoding="utf-8")
    records = [{"prompt": f"Where is order {n}?", "completion": f"Order {n} is on its way to you."} for n in range(60)]
    odd = [
        {"prompt": "Who are you?", "completion": ""},
        {"prompt": "mail me: ann@example.com", "completion": "I will."},
    ]
    copies.write_text("".join(json.dumps(record) + "\n" for record in [*records, *records[4:9], *odd]))
    broken.write_text("Datum;Notiz\n" + "".join(f"2024-01-{n + 1:02};Besuch\n" for n in range(20)))
    return {"german": str(german), "copies": str(copies), "broken": str(broken)}


def stand_ins(stack: ExitStack) -> dict[str, str]:
    """Stand in for Hub and clouds on this machine until the stack is left; returns the environment in which they are
    found.
    """
    listed = [
        {
            "id": f"acme/lamp-{size}b",
            "gated": gated,
            "downloads": 1200 * size,
            "tags": ["license:apache-2.0"],
            "safetensors": {"parameters": {"BF16": size * 10**9}, "total": size * 10**9},
        }
        for size, gated in ((1, False), (7, "auto"), (13, False))
    ]
    hub = StandIn({}, listed=listed).start()
    stack.callback(hub.stop)
    clouds = stack.enter_context(CloudServer())
    return {**clouds.environment, "HF_ENDPOINT": hub.url, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
