"""How many threads a CPU run should use right now: measured, and measured again.

On a quiet machine all cores are fastest. Beside other busy programs (the app itself, a browser, another run) threads
that wait for each other cost more than they bring: on two cores, one thread was up to 2.5 times faster than two, where both
share every operation. Rows side by side (row_parallel) hardly wait, so with them all cores are the first choice.
The result does not depend on it: the worker asks MKL for products that are the same for any number of threads.
"""

from __future__ import annotations

import os
import time

import torch

FIRST_TRIAL_SECONDS = 5.0
LONGEST_TRIAL_SECONDS = 120.0
WORTH = 1.1
"""Speed a trial must gain before the number of threads is changed."""


class ThreadChooser:
    """Between two steps, tries half or all of the threads for one step, and keeps what is faster.

    Trials come seldom when they keep confirming the choice. ``OMP_NUM_THREADS``, where the user has set it, is obeyed.
    """

    def __init__(self, *, start_with_all: bool) -> None:
        every = torch.get_num_threads()
        self._counts = (every,) if os.environ.get("OMP_NUM_THREADS") else (max(1, every // 2), every)
        self._chosen = self._counts[-1 if start_with_all else 0]
        self._usual_speed = 0.0
        self._wait = FIRST_TRIAL_SECONDS
        self._next_trial = time.monotonic() + self._wait
        torch.set_num_threads(self._chosen)

    def after_step(self, tokens: int, seconds: float) -> None:
        """Learn from the step that was just taken, and set the threads of the next one."""
        if len(set(self._counts)) == 1:
            return
        speed = tokens / max(seconds, 1e-9)
        used = torch.get_num_threads()
        if used == self._chosen:
            self._usual_speed = speed if not self._usual_speed else 0.7 * self._usual_speed + 0.3 * speed
        elif speed > WORTH * self._usual_speed:
            self._chosen, self._usual_speed, self._wait = used, speed, FIRST_TRIAL_SECONDS
        else:
            self._wait = min(2 * self._wait, LONGEST_TRIAL_SECONDS)
        trial = used == self._chosen and time.monotonic() >= self._next_trial
        if trial:
            self._next_trial = time.monotonic() + self._wait
        torch.set_num_threads(next(c for c in self._counts if c != self._chosen) if trial else self._chosen)
