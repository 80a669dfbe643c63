"""The command line, ``heschl`` or ``python -m heschl``: in a core install it says which extra it needs."""

from __future__ import annotations

import sys

NEEDS_EXTRA = 2


def main() -> None:
    """Run the command line; the entry point ``heschl``."""
    try:
        from heschl.cli import app
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "heschl":
            raise
        print(
            f"error: the command line needs the package {error.name!r}, which is not installed. "
            "Install it: pip install 'heschl[study]'",
            file=sys.stderr,
        )
        raise SystemExit(NEEDS_EXTRA) from None
    app()


if __name__ == "__main__":
    main()
