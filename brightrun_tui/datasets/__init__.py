"""Read, recognise, validate, fingerprint and split datasets. No torch.

What is asked of the room as a whole is imported when it is first named: the worker, which only splits, neither loads nor gets
what reads files. Parsers that not every start needs (ijson, pyarrow) are imported when a file calls for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brightrun_tui.datasets.checking import Examined, check, examine
    from brightrun_tui.datasets.opening import open_dataset, read
    from brightrun_tui.datasets.preparing import prepare, read_prepared
    from brightrun_tui.datasets.source import fingerprint
    from brightrun_tui.datasets.splitting import split
else:
    _HOMES = {
        "Examined": "checking",
        "check": "checking",
        "examine": "checking",
        "fingerprint": "source",
        "open_dataset": "opening",
        "prepare": "preparing",
        "read": "opening",
        "read_prepared": "preparing",
        "split": "splitting",
    }

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found


__all__ = ["Examined", "check", "examine", "fingerprint", "open_dataset", "prepare", "read", "read_prepared", "split"]
