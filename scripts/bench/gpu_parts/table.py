"""From what the parts found to the rows of the table, and to a list of what is wrong."""

from __future__ import annotations

from typing import Any

GOALS = {"speed": 1.5, "memory": 1.0, "mfu": 0.45}
PLAN = (0.9, 1.35)
"""Planned over measured memory, from and to."""
PEERS = {
    "trl-liger": "TRL SFTTrainer + Liger",
    "trl": "TRL SFTTrainer",
    "trl-packed": "TRL SFTTrainer, packed",
    "transformers": "transformers + peft",
}


def rows_of(parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the comparisons with peers, with the card's own peak, and with what the planner foretells."""
    rows: list[dict[str, Any]] = []
    for name, mine in parts.items():
        if name.startswith("speed ") and name.endswith(": ours") and not mine.get("failed"):
            rows += _against_peers(name.removesuffix(": ours"), mine, parts)
    for name, found in parts.items():
        if name.startswith("profile "):
            rows += _against_the_card(name.removeprefix("profile "), found)
    ours, theirs = (parts.get(f"generation: {who}", {}).get("tokens_per_second") for who in ("ours", "continuous"))
    if ours and theirs:
        rows.append(
            _row(
                "generation: tokens written",
                "1/s",
                ours,
                theirs,
                "continuous batching",
                ours / theirs,
                1.0,
                ours >= theirs,
            )
        )
    return rows


def _against_peers(label: str, mine: dict[str, Any], parts: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for kind, peer in PEERS.items():
        theirs = parts.get(f"{label}: {kind}", {"failed": "it was not run"})
        if theirs.get("failed"):
            continue
        faster = mine["supervised_per_second"] / theirs["supervised_per_second"]
        rows.append(
            _row(
                f"{label}: supervised tokens",
                "1/s",
                mine["supervised_per_second"],
                theirs["supervised_per_second"],
                peer,
                faster,
                GOALS["speed"],
                faster >= GOALS["speed"],
            )
        )
        if theirs["peak"]:
            more = mine["peak"] / theirs["peak"]
            rows.append(
                _row(
                    f"{label}: peak memory",
                    "GB",
                    mine["peak"] / 1e9,
                    theirs["peak"] / 1e9,
                    peer,
                    more,
                    GOALS["memory"],
                    more <= GOALS["memory"],
                )
            )
    return rows


def _against_the_card(shape: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for way, step in found.get("steps", {}).items():
        share = step["flops_per_second"] / found["peak_flops"]
        rows.append(
            _row(
                f"{shape}, {way}: share of the matmul peak",
                "TFLOP/s",
                step["flops_per_second"] / 1e12,
                found["peak_flops"] / 1e12,
                "a large product here",
                share,
                GOALS["mfu"],
                share >= GOALS["mfu"],
            )
        )
        if step["peak"]:
            ratio = step["planned"] / step["peak"]
            low, high = PLAN
            rows.append(
                _row(
                    f"{shape}, {way}: planned memory",
                    "GB",
                    step["planned"] / 1e9,
                    step["peak"] / 1e9,
                    "measured",
                    ratio,
                    low,
                    low <= ratio <= high,
                )
            )
    return rows


def _row(
    what: str, unit: str, ours: float, peer: float, peer_name: str, ratio: float, goal: float, met: bool
) -> dict[str, Any]:
    return {
        "what": what,
        "unit": unit,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "peer_name": peer_name,
        "ratio": round(ratio, 3),
        "goal": goal,
        "met": met,
    }


def wrong_in(parts: dict[str, Any]) -> list[str]:
    """Say in words what is not right. A peer that fails is not a fault of ours."""
    wrong = []
    for name, found in parts.items():
        if found.get("failed") and not any(name.endswith(f": {kind}") for kind in (*PEERS, "continuous")):
            wrong.append(f"{name}: {found['failed'].strip().splitlines()[-1][:300]}")
        wrong += [f"{name}: {row['what']}: {row['found']}" for row in found.get("checks", ()) if not row["right"]]
        wrong += [f"{name}: {fault}" for fault in found.get("faults", ())]
    return wrong
