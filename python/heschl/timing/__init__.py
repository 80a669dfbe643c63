"""When things happen: frame grids, words and their times, sound files, resampling.

Nothing here knows of models or electrodes. Modules: `grid` (frames as exact integers), `words` (words with start and
end), `transcripts` (read from tables, TIMIT, TextGrid, BIDS events), `validate` (all that is wrong with them), `align`
(words to frames and back), `audio` (sound files), `resample` (between uniform grids without delay or aliasing).
"""
