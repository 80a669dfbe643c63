"""When things happen: frame grids, words and their times, sound files, resampling.

Nothing here knows of models or electrodes. Modules: `grid` (frames as exact integers), `words` (words with
start and end), `audio` (sound files), `resample` (from one uniform grid to another without delay or
aliasing).
"""
