"""What the pieces of the analyses compute: arrays and settings in, a file out; they know no session and no results."""
