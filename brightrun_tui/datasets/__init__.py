"""Read, recognise, validate, fingerprint and split datasets. No torch.

Parsers that not every start needs (ijson, pyarrow) are imported when a file calls for them.
"""

from brightrun_tui.datasets.checking import Examined, check, examine
from brightrun_tui.datasets.opening import open_dataset, read
from brightrun_tui.datasets.preparing import prepare, read_prepared
from brightrun_tui.datasets.source import fingerprint
from brightrun_tui.datasets.splitting import split

__all__ = ["Examined", "check", "examine", "fingerprint", "open_dataset", "prepare", "read", "read_prepared", "split"]
