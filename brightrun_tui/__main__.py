"""``brightrun``, also as ``python -m brightrun_tui``: until everything is imported, Ctrl-C ends it without a word."""

import sys


def main() -> None:
    """Run ``brightrun``."""
    import signal

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from brightrun_tui.cli import main as begin

    signal.signal(signal.SIGINT, before)
    begin()


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # with -m that is the directory that somebody happens to be in, and nothing in it is ours
    main()
