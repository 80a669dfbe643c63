"""The study.toml that `heschl init` writes: every section, commented."""

from __future__ import annotations

from pathlib import Path

from heschl.checks import InputError
from heschl.files import replacing
from heschl.study.kinds.registry import KINDS

_HEAD = """\
# A study of heschl. Paths are relative to this file. Then: heschl check, heschl plan, heschl run study.toml
name = "My study"
# note = "shown on every figure"
# preset = "chen2024"           # also score as the code published with the paper does, and say what changes
seed = 0

[stimuli]
sounds = "stimuli/*.wav"        # a stimulus is named by its file, below the glob's fixed part
words = "words.csv"             # stimulus,word,start,end in s; or .tsv, BIDS events.tsv, "*.wrd", "*.TextGrid"
# phones = "*.phn"              # for features of kind "phones"
# only = ["story1_*"]           # analyse these stimuli alone; exclude = [...] leaves some out
# texts = "texts/*.txt"         # running text, to hold the words against
# overlaps = "cut"              # a word ends where the next begins; "auto" does so in .wrd and .phn files

[responses]
tail = "silence"                # where a response outlasts its sound: pad the sound, or "crop" the response
repeats = "average"             # trials of one stimulus: average them, or "separate"
missing = "raise"               # NaN: an error, or "mask", a response that leaves the fit of its electrode

[responses.subjects]            # .npz (responses, lengths, stimuli, electrodes, sfreq; regions, positions), .zarr, .nc
S1 = "S1.npz"                   # or a file for each recording session: ["S1_run-1.npz", "S1_run-2.npz"]

[responses.groups]              # optional: electrodes by name, for tables and figures
# stg = "STG*"

# [responses.electrodes]        # which are analysed; all of them without this section
# regions = ["*temporal*"]
# names = ["STG*"]              # exclude = [...] leaves some out
# speech_responsive = true      # by the paper's test; trials must begin 0.2 s before their sounds

[grid]
model = "wav2vec2"              # everything is brought to the frames of this model; or: rate = 50.0

"""

_TAIL = """\
# Every space may say: layers = [0, 6, 12] | "every 4" | "last" | "6 to 12"; pca = 0.95 | 100, principal components of
# the training rows; standardize = false.

[encoding]
tmin = 0.0                      # lags in s, both ends included; positive: the past of the stimulus
tmax = 0.38
alphas = { low = 1e1, high = 1e7, n = 13 }   # ridge penalties, scikit-learn's scale; or a list
folds = 5                       # of whole stimuli: outer folds score, inner folds choose penalty and layer
standardize = true              # z-score features on the training rows
alpha_per_target = true
folds_by = "text"               # the same words by any speaker, and copies of a sound, share a fold;
                                # "sound": copies of a sound alone; "stimulus": presentations of one name alone
scoring = "r2"                  # what inner folds choose λ and layer by; or "pooled_r2", "r", "r_squared"
n_permutations = 200            # of the exchange test (which electrodes follow which features); 0: without
device = "auto"                 # "cpu", "cuda" (all GPUs, a process each); "auto": a GPU where that pays

[controls]
shuffle = true                  # the same with each stimulus' response replaced by another's

[shared]                        # what two models share; leave this section out if you do not ask
speech = "wav2vec2"
language = "gpt2"
n_components = 50               # canonical components taken as the shared part
layers = "best"                 # of each outer fold, by inner scores; or ["9", "6"]
level = "frames"                # or "words"
coords = "variates"             # or "features"
scope = "train"                 # learn on training folds; "all" as published. preset = "chen2024" does all as published
semantic = "glove"              # probes of the shared part
acoustic = "mel"
context = true
# probe_dimensions = 50         # principal components of each probe, so that none predicts more for being wider
sweep = [10, 25, 100]

# [joint.sound_and_words]       # spaces in one model: what each explains alone, and in common; any number of them
# spaces = ["mel", "wav2vec2", "gpt2"]         # wide ones want a pca in their own section

# [word_lags]                   # a row for each word, responses averaged in a window at lags about its onset
# spaces = ["gpt2"]
# tmin = -2.0
# tmax = 2.0
# step = 0.1
# window = 0.2
# pca = 50

[store]
# folder = "/data/features"     # features that studies share; by default with the results
dtype = "float32"               # "float16" halves them
"""

TEMPLATE = _HEAD + "".join(f"{kind.template}\n" for kind in KINDS.values()) + _TAIL
"""The whole file; each kind of features contributes its lines."""


def write_template(path: str | Path) -> Path:
    """Write a study.toml to start from.

    Parameters
    ----------
    path : str or Path
        Where.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        Where something exists already.
    """
    path = Path(path)
    if path.exists():
        raise InputError(str(path), "a file that exists", "a new name", "Nothing is overwritten.")
    with replacing(path) as temporary:
        temporary.write_text(TEMPLATE, encoding="utf-8")
    return path
