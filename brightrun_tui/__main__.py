"""``brightrun``, also as ``python -m brightrun_tui``: until everything is imported, Ctrl-C ends it without a word."""

import signal


def main() -> None:
    """Run ``brightrun``."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from brightrun_tui.cli import main as begin

    signal.signal(signal.SIGINT, before)
    begin()


if __name__ == "__main__":
    main()
