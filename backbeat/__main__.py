"""`backbeat`, and `python -m backbeat` where the script is not on the path: quiet where Ctrl-C comes as it loads."""

from __future__ import annotations

from backbeat.interrupts import ends_at_once


def program() -> None:
    """The command line as a process of its own."""
    with ends_at_once():
        from backbeat.cli import main
    main()


if __name__ == "__main__":
    program()
