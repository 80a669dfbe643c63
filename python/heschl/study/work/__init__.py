"""Work in pieces: kept, shared out, reported."""
