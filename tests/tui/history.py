"""The history of `seed.fill`, made once for all processes of a test session and copied: as if made there and then."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

from brightrun_tui.paths import Paths, get_paths
from tests.made_once import made_once
from tests.tui import seed

MOMENT = re.compile(r"(?<![\d.])1\d{9}\.\d+")
"""Seconds since 1970, as JSON has them and as the key of a notice does."""
TEXTS = {"doc", "value", "key"}


def _make(home: Path) -> None:
    with patch.dict(os.environ, {"BRIGHTRUN_HOME": str(home)}), ThreadPoolExecutor(1) as aside:
        aside.submit(asyncio.run, seed.fill(get_paths())).result()  # whoever asks first may be within a loop
    (home / "made").write_text(f"{time.time()}")


def fill(paths: Paths) -> None:
    """Do what `seed.fill` does, in a quarter of its time. ``paths`` are those of an installation that is still empty."""
    made = made_once("tui-history", _make)
    old, new = f"{made}/", f"{paths.data.parent}/"
    later = time.time() - float((made / "made").read_text())

    def moved(text: str) -> str:
        """The same, said there and then."""
        return MOMENT.sub(lambda one: repr(float(one[0]) + later), text.replace(old, new))

    def copy(source: str, target: str) -> str:
        if source.endswith(".jsonl"):
            Path(target).write_text(moved(Path(source).read_text("utf-8")), "utf-8")
            return target
        return str(shutil.copy2(source, target))

    shutil.copytree(made / "data", paths.data, copy_function=copy, dirs_exist_ok=True)
    with closing(sqlite3.connect(paths.database)) as db, db:
        db.create_function("moved", 1, moved)
        for (table,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            if table == "model_versions":  # as old as its files say, whose sums are written down
                db.execute("UPDATE model_versions SET doc = replace(doc, ?, ?)", (old, new))
                continue
            for _, column, *_ in db.execute(f"PRAGMA table_info({table})").fetchall():
                if column == "time" or column.endswith("_at"):
                    db.execute(f"UPDATE {table} SET {column} = {column} + ? WHERE {column} IS NOT NULL", (later,))
                elif column in TEXTS:
                    db.execute(f"UPDATE {table} SET {column} = moved({column}) WHERE typeof({column}) = 'text'")
