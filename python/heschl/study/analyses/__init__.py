"""The analyses of a study, a file each."""
