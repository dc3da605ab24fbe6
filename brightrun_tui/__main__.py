"""``python -m brightrun_tui`` is ``brightrun``."""

from brightrun_tui.cli import main

if __name__ == "__main__":
    main()
