"""A Textual app under a heartbeat: ``watched.py ours|plotext FILE …``. FILE gets every beat once the app has ended.

A beat is due every `BEAT` seconds; what it comes late is the loop's lag. Beside it stands the processor time that the loop's own
thread has used since the beat before: on a busy machine the lag alone would blame the app for what others do.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

BEAT = 0.005
BLAME = float(os.environ.get("BENCH_BLAME", "0"))
"""With this many seconds: what the loop's thread was doing when it was away for longer, on ``FILE.blame``."""


class Heart:
    def __init__(self) -> None:
        self.beats: list[tuple[float, float, float]] = []
        self.blamed: list[str] = []
        self.last = time.monotonic()

    async def beat(self) -> None:
        if BLAME:
            threading.Thread(target=self._watch, args=(threading.get_ident(),), daemon=True).start()
        used = time.thread_time()
        while True:
            self.last = began = time.monotonic()
            await asyncio.sleep(BEAT)
            now, then, used = time.monotonic(), used, time.thread_time()
            self.beats.append((now, now - began - BEAT, used - then))

    def _watch(self, loop_thread: int) -> None:
        told = 0.0
        while True:
            time.sleep(BLAME / 4)
            if time.monotonic() - self.last > BLAME and told != self.last:
                told = self.last
                frame = sys._current_frames().get(loop_thread)
                self.blamed.append(f"{told:.3f}\n" + "".join(traceback.format_stack(frame)[-9:]))


def our_app() -> object:
    """Return the monitor, read-only so that no engine is started for the runs that the benchmark makes up."""
    from brightrun_tui.importing import without_garbage_collection
    from brightrun_tui.paths import get_paths

    with without_garbage_collection():  # as `opening.open_app` does
        from brightrun_tui.tui.app import BrightRunApp

    app = BrightRunApp(get_paths(), read_only=True, first_mode="monitor")
    app.watched_run = sys.argv[3] if len(sys.argv) > 3 else ""
    app.owns_terminal = True
    return app


def plotext_app() -> object:
    """Return four charts of textual-plotext over ``POINTS`` points, drawn anew every second, and a `Log` that follows a
    file.
    """
    from textual.app import App
    from textual.containers import Grid
    from textual.widgets import Log
    from textual_plotext import PlotextPlot

    points, log = int(sys.argv[3]), Path(sys.argv[4])

    class Charts(App[None]):
        CSS = "Grid { grid-size: 2 2; height: 2fr; } Log { height: 1fr; }"
        BINDINGS = [("q", "quit", "Quit")]  # noqa: RUF012

        def compose(self):  # type: ignore[no-untyped-def]
            with Grid():
                for name in ("Loss", "Learning rate", "Gradient norm", "Speed"):
                    yield PlotextPlot(name=name)
            yield Log()

        def on_mount(self) -> None:
            self.ys = [1 / (1 + step / 1000) for step in range(points)]
            self.stream = log.open()
            self.draw()
            self.set_interval(1.0, self.draw)
            self.set_interval(0.5, self.follow)

        def draw(self) -> None:
            for plot in self.query(PlotextPlot):
                plot.plt.clear_data()
                plot.plt.title(plot.name)
                plot.plt.plot(self.ys, marker="braille")
                plot.refresh()
            self.ys.append(0.5)

        def follow(self) -> None:
            if lines := self.stream.readlines():
                self.query_one(Log).write_lines(lines)

    return Charts()


async def main() -> None:
    heart = Heart()
    app = our_app() if sys.argv[1] == "ours" else plotext_app()
    task = asyncio.create_task(heart.beat())
    try:
        await app.run_async()  # type: ignore[attr-defined]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        Path(sys.argv[2]).write_text(json.dumps(heart.beats))
        if BLAME:
            Path(sys.argv[2] + ".blame").write_text("\n".join(heart.blamed))


asyncio.run(main())
