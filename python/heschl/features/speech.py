"""Hidden states of speech encoders, every layer, with the exact times of their frames."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.device import Batches, exact, place
from heschl.features.hub import source_of
from heschl.features.loading import load_config, load_feature_extractor, load_weights, stack_layers
from heschl.features.windows import windows
from heschl.notices import warn
from heschl.timing.grid import FrameGrid

BATCH_S = 64.0
"""Of sound in a pass, s, padding included."""
OVERLAP_S = 10.0
"""Of two windows of a long sound, s: every frame has half of it on either side, but at the sound's ends."""
PADDING_TOLERANCE = 1e-5
"""Deviation by padding, relative to a layer's largest value, that is rounding."""


class SpeechModel:
    """A pretrained speech encoder: Wav2Vec2 and relatives (HuBERT, WavLM, Data2VecAudio …), or Whisper's.

    Layers are transformers' ``hidden_states``. Layer "0" is the input of the first block: for Wav2Vec2 and
    its relatives the convolutional front end, projected to the model's width, plus the convolutional position
    embedding (and its layer norm, but in models with ``do_stable_layer_norm``); for Whisper the two
    convolutions of the mel spectrum plus the position embedding. Layers "1" to "L" are the outputs of the
    blocks; where a model ends in a layer norm of its own (Whisper, ``do_stable_layer_norm``), layer "L" is
    behind that norm.

    A sound is normalised as a whole, as the checkpoint's feature extractor asks. One longer than `window` goes through
    the model in windows that share 10 s (at most a third; Whisper's normalise each by itself), and each frame is taken
    from the window in which it lies farther from the ends; frames keep the very times that they have in one pass.

    Parameters
    ----------
    model : str or Path
        A folder as ``save_pretrained`` writes it, or a name on the Hub.
    window : float
        Longest sound that goes through the model in one pass, s: time and memory of attention grow with its square.
        Whisper's is 30 s, whatever is said here.
    device : {"cpu", "cuda", "auto"}
        Where it runs.
    revision : str, optional
        Of a model on the Hub: a branch, a tag, a commit.
    cache_dir : str or Path, optional
        Where models of the Hub are kept; by default where Hugging Face's libraries keep them (HF_HOME).

    Attributes
    ----------
    sfreq : int
        Sampling rate of the sound it takes, Hz.
    grid : FrameGrid
        The times of its frames, from the strides in its configuration.
    layers : list of str
        "0" to "L".
    width : int
        Features per layer.
    pads : bool
        Whether sounds of different lengths may share a pass, the shorter ones padded and masked: whether that leaves
        their features as they are is tried when the model is loaded. (It does not where the front end normalises over
        time, as Wav2Vec2-base's, or a positional convolution sees the padding.)
    settings : dict
        All of this in plain values.

    Raises
    ------
    InputError
        For a folder without weights or with missing ones, an architecture of another kind, a feature
        extractor that does not fit the model.

    Warns
    -----
    UserWarning
        Where the checkpoint does not say how its input is normalised; the family's usual way is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from heschl.features import SpeechModel
    >>> import tempfile
    >>> from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model
    >>> config = Wav2Vec2Config(
    ...     hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
    ...     conv_dim=[8] * 7, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Wav2Vec2Model(config).save_pretrained(folder)
    ...     _ = Wav2Vec2FeatureExtractor().save_pretrained(folder)
    ...     model = SpeechModel(folder)
    >>> model.layers, model.grid.rate, model.extract(np.zeros(16000, dtype=np.float32)).shape
    (['0', '1', '2'], 50.0, (3, 49, 16))
    """

    def __init__(
        self, model: str | Path, *, window: float = 60.0, device: str = "cpu", revision: str | None = None,
        cache_dir: str | Path | None = None,
    ) -> None:  # fmt: skip
        self._source = source_of(model, revision, cache_dir)
        config = load_config(self._source)
        self._whisper = config.model_type == "whisper"
        if not (self._whisper or (hasattr(config, "conv_kernel") and hasattr(config, "conv_stride"))):
            raise InputError(
                f"model {self._source!r}",
                f"the architecture {config.model_type!r}",
                "a speech encoder: Wav2Vec2, HuBERT, WavLM, Data2VecAudio, Whisper …",
            )
        self._extractor = load_feature_extractor(self._source) or self._usual_extractor(config)
        self._check_extractor(config)
        self.sfreq = int(self._extractor.sampling_rate)
        self.grid = _whisper_grid(self._extractor) if self._whisper else _convolution_grid(config, self.sfreq)
        seconds = self._extractor.n_samples / self.sfreq if self._whisper else window
        if not (math.isfinite(seconds) and seconds >= 1.0):
            raise InputError("window", f"{seconds} s", "1 s or more")
        self._size = self.grid.n_frames(seconds)
        self._overlap = min(round(OVERLAP_S * self.grid.rate), self._size // 3)
        weights = load_weights(self._source, config)
        self._model = place(weights.get_encoder() if self._whisper else weights, device)
        self._device = next(self._model.parameters()).device
        self._batches = Batches(self._device, BATCH_S)
        self.width = int(config.hidden_size)
        self.layers = [str(layer) for layer in range(_n_blocks(config) + 1)]
        self.pads = not self._whisper and self._padding_is_exact()
        self.settings = {
            "model": str(model),
            "revision": getattr(config, "_commit_hash", None),
            "architecture": config.model_type,
            "sampling rate, Hz": self.sfreq,
            "input": "log-mel, each window by itself" if self._whisper else _normalisation(self._extractor),
            "window, s": seconds,
            "shared by windows, s": self._overlap / self.grid.rate,
            "layer 0": "input of the first block: the projected front end with its position embedding",
        }

    def extract(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the model on one sound.

        Parameters
        ----------
        sound : (n_samples,) array of float32
            One channel at ``sfreq``, as recorded.

        Returns
        -------
        (n_layers, n_frames, width) array of float32
            ``n_frames`` is ``grid.n_frames(n_samples / sfreq)``. What Whisper computes of the silence that
            fills its fixed length is cut off.

        Raises
        ------
        InputError
            For a sound that is not one channel of finite samples or is shorter than one frame; for a model whose
            frames are not those of its configuration.
        """
        (blocks,) = self.extract_many([sound])
        return np.concatenate(list(blocks), axis=1)

    def extract_many(
        self, sounds: Iterable[NDArray[np.float32]], *, batch: float | None = None
    ) -> Iterator[Iterable[NDArray[np.float32]]]:
        """Run the model on many sounds, in order; those that may share a pass do where they follow each other.

        Parameters
        ----------
        sounds : iterable of (n_samples,) arrays of float32
            See `extract`. Best sorted by length; they are taken one pass ahead.
        batch : float, optional
            Sound in one pass, padding included, in s. By default 64 s; on a GPU up to four times that, as its memory
            takes, and less where that runs out.

        Yields
        ------
        iterable of (n_layers, n_frames, width) arrays of float32
            The features of a sound, block after block in time: one, but for a sound of several windows. To be gone
            through before the next sound is asked for.

        Raises
        ------
        InputError
            See `extract`; after what came before it was given.
        """
        waiting: list[NDArray[np.float32]] = []
        for sound in sounds:
            try:
                sound = self._checked(sound)
            except InputError:
                yield from self._pass(waiting)
                raise
            longest = max(len(sound), *(len(other) for other in waiting), 1)
            alone = self.grid.n_frames(len(sound) / self.sfreq) > self._size
            alike = self.pads or self._whisper or all(len(other) == len(sound) for other in waiting)
            most = self._batches.amount if batch is None else batch
            if waiting and (alone or not alike or longest * (len(waiting) + 1) > most * self.sfreq):
                yield from self._pass(waiting)
                waiting = []
            if alone:
                yield self._windows(sound)
            else:
                waiting.append(sound)
        yield from self._pass(waiting)

    def _checked(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        sound = np.asarray(sound, dtype=np.float32)
        if sound.ndim != 1 or not np.isfinite(sound).all():
            raise InputError(
                "sound",
                f"shape {sound.shape}" if sound.ndim != 1 else "NaN or infinite samples",
                "(n_samples,) finite samples of one channel",
            )
        if self.grid.n_frames(len(sound) / self.sfreq) == 0:
            raise InputError(
                "sound",
                f"{len(sound)} samples at {self.sfreq} Hz",
                f"a sound of at least one frame, {self.grid.width / self.grid.unit_hz:.4g} s",
            )
        return sound

    def _pass(self, sounds: Sequence[NDArray[np.float32]]) -> Iterator[list[NDArray[np.float32]]]:
        """Run the model once on sounds that may share a pass; where a GPU has too little memory on fewer at a time."""
        for some, layers in self._batches.run(sounds, self._seconds, self._together):
            for i, sound in enumerate(some):
                yield [np.ascontiguousarray(layers[:, i, : self.grid.n_frames(len(sound) / self.sfreq)])]

    def _seconds(self, sounds: Sequence[NDArray[np.float32]]) -> float:
        return max(map(len, sounds)) * len(sounds) / self.sfreq

    def _together(self, sounds: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the layers of sounds in one pass, (n_layers, n_sounds, n_frames, width)."""
        if self._whisper:
            inputs = self._prepared(list(sounds))
            mask = None
        else:
            inputs = np.zeros((len(sounds), max(map(len, sounds))), dtype=np.float32)
            mask = np.zeros(inputs.shape, dtype=np.int64)
            for row, valid, sound in zip(inputs, mask, sounds, strict=True):
                row[: len(sound)], valid[: len(sound)] = self._prepared(sound)[0], 1
        return self._run(inputs, mask if mask is not None and not mask.all() else None)

    def _windows(self, sound: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Run the model on a long sound, window after window: each begins with a frame of the whole sound's grid."""
        per_frame = self.grid.stride * self.sfreq / self.grid.unit_hz  # samples; whole by construction
        whole = sound if self._whisper else self._prepared(sound)[0]
        for window in windows(self.grid.n_frames(len(sound) / self.sfreq), self._size, self._overlap):
            begin = round(window.start * per_frame)
            n = self._extractor.n_samples if self._whisper else math.ceil(self._needed(window.stop - window.start))
            part = whole[begin : begin + n]
            for _, layers in self._batches.run([part], self._seconds, self._window):
                yield np.ascontiguousarray(layers[:, 0, window.first - window.start : window.last - window.start])

    def _window(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the layers of one window of a sound that is prepared as a whole, but for Whisper."""
        return self._run(self._prepared(parts[0]) if self._whisper else parts[0][None], None)

    def _needed(self, n_frames: int) -> float:
        """Return how many samples so many frames need."""
        return (self.grid.width + self.grid.stride * (n_frames - 1)) * self.sfreq / self.grid.unit_hz

    def _prepared(self, sounds: Any) -> NDArray[np.float32]:
        """Return the model's input for one sound (or several, for Whisper): normalised, or log-mel."""
        inputs = self._extractor(sounds, sampling_rate=self.sfreq, return_tensors="np")
        return np.asarray(inputs[self._extractor.model_input_names[0]], dtype=np.float32)

    def _run(self, inputs: NDArray[np.float32], mask: NDArray[np.int64] | None) -> NDArray[np.float32]:
        """Return the hidden states of a batch, (n_layers, n_sounds, n_frames, width)."""
        masks = {} if mask is None else {"attention_mask": torch.from_numpy(mask).to(self._device)}
        with torch.inference_mode(), exact(self._device), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of transformers, about its own calls into torch
            values = torch.from_numpy(inputs).to(self._device)
            states = self._model(values, output_hidden_states=True, **masks).hidden_states
        layers = stack_layers(states, self._source)
        seconds = self._extractor.n_samples / self.sfreq if self._whisper else inputs.shape[-1] / self.sfreq
        expected = (len(self.layers), len(inputs), self.grid.n_frames(seconds), self.width)
        if layers.shape != expected:
            raise InputError(
                f"model {self._source!r}",
                f"hidden states of shape {layers.shape}",
                f"{expected} (layers, sounds, frames, width), as its configuration says",
            )
        return layers

    def _padding_is_exact(self) -> bool:
        """Return whether noise that is padded and masked beside a longer one keeps its features."""
        rng = np.random.default_rng(0)
        n = math.ceil(self._needed(12))
        sounds = [rng.standard_normal(length).astype(np.float32) for length in (n, 3 * n)]
        (alone,) = next(self._pass(sounds[:1]))
        try:
            (beside,) = next(self._pass(sounds))
        except (RuntimeError, ValueError, TypeError):  # the model does not take a mask
            return False
        scale = np.abs(alone).max(axis=(1, 2), keepdims=True)
        return bool((np.abs(alone - beside) <= PADDING_TOLERANCE * scale).all())

    def _usual_extractor(self, config: Any) -> Any:
        usual = (
            transformers.WhisperFeatureExtractor(
                feature_size=config.num_mel_bins, chunk_length=math.ceil(config.max_source_positions / 50)
            )
            if config.model_type == "whisper"
            else transformers.Wav2Vec2FeatureExtractor()
        )
        warn(
            f"model {self._source!r} has no preprocessor_config.json: its input is prepared by the usual "
            f"{type(usual).__name__} ({usual.sampling_rate} Hz)",
            UserWarning,
        )
        return usual

    def _check_extractor(self, config: Any) -> None:
        """Refuse a feature extractor that makes input of another kind or size than the model takes."""
        extractor = self._extractor
        found = [extractor.model_input_names[0]]
        expected = ["input_values"]
        if config.model_type == "whisper":
            found += [getattr(extractor, name, None) for name in ("feature_size", "nb_max_frames")]
            expected = ["input_features", config.num_mel_bins, 2 * config.max_source_positions]
        if found != expected:
            raise InputError(
                f"model {self._source!r}: feature extractor {type(extractor).__name__}",
                f"input {found}",
                f"input {expected}",
            )


def _normalisation(extractor: Any) -> str:
    return "mean 0, variance 1 over the sound" if extractor.do_normalize else "as recorded"


def _n_blocks(config: Any) -> int:
    return int(config.encoder_layers if config.model_type == "whisper" else config.num_hidden_layers)


def _convolution_grid(config: Any, sfreq: int) -> FrameGrid:
    """Compose unpadded strided convolutions: strides multiply, the receptive field grows by them."""
    stride, width = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        width += (kernel - 1) * stride
        stride *= step
    if width % 2:  # the middle of an odd receptive field lies at half a sample
        return FrameGrid(unit_hz=2.0 * sfreq, stride=2 * stride, centre=width, width=2 * width)
    return FrameGrid(unit_hz=float(sfreq), stride=stride, centre=width // 2, width=width)


def _whisper_grid(extractor: Any) -> FrameGrid:
    """Every second mel frame (the second convolution's stride); mel frame i is centred at i hops."""
    return FrameGrid(unit_hz=float(extractor.sampling_rate), stride=2 * extractor.hop_length, centre=0, width=1)
