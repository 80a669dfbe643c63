"""Analyses, a file each; `registry` has the table of them, `fits` what their pieces compute."""
