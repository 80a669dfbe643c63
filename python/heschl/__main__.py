"""``python -m heschl``: the command line."""

from heschl.cli import main

if __name__ == "__main__":
    main()
