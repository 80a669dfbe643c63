"""Hidden states of speech encoders, every layer, with the exact times of their frames."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from heschl.checks import InputError
from heschl.features.loading import load_config, load_feature_extractor, load_weights, place, source_of, stack_layers
from heschl.timing.grid import FrameGrid


class SpeechModel:
    """A pretrained speech encoder: Wav2Vec2 and relatives (HuBERT, WavLM, Data2VecAudio …), or Whisper's.

    Layers are transformers' ``hidden_states``. Layer "0" is the input of the first block: for Wav2Vec2 and
    its relatives the convolutional front end, projected to the model's width, plus the convolutional position
    embedding (and its layer norm, but in models with ``do_stable_layer_norm``); for Whisper the two
    convolutions of the mel spectrum plus the position embedding. Layers "1" to "L" are the outputs of the
    blocks; where a model ends in a layer norm of its own (Whisper, ``do_stable_layer_norm``), layer "L" is
    behind that norm.

    Parameters
    ----------
    model : str or Path
        A folder as ``save_pretrained`` writes it, or a name on the Hub.
    device : {"cpu", "cuda", "auto"}
        Where it runs.

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

    def __init__(self, model: str | Path, *, device: str = "cpu") -> None:
        self._source = source_of(model)
        config = load_config(self._source)
        whisper = config.model_type == "whisper"
        if not (whisper or (hasattr(config, "conv_kernel") and hasattr(config, "conv_stride"))):
            raise InputError(
                f"model {self._source!r}",
                f"the architecture {config.model_type!r}",
                "a speech encoder: Wav2Vec2, HuBERT, WavLM, Data2VecAudio, Whisper …",
            )
        self._extractor = load_feature_extractor(self._source) or self._usual_extractor(config)
        self._check_extractor(config)
        self.sfreq = int(self._extractor.sampling_rate)
        self.grid = _whisper_grid(self._extractor) if whisper else _convolution_grid(config, self.sfreq)
        self._longest = int(self._extractor.n_samples) if whisper else None
        weights = load_weights(self._source, config)
        self._model = place(weights.get_encoder() if whisper else weights, device)
        self.width = int(config.hidden_size)
        self.layers = [str(layer) for layer in range(_n_blocks(config) + 1)]

    def extract(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the model on one sound.

        Parameters
        ----------
        sound : (n_samples,) array of float32
            One channel at ``sfreq``, as recorded: it is normalised here as the checkpoint's feature extractor
            asks.

        Returns
        -------
        (n_layers, n_frames, width) array of float32
            ``n_frames`` is ``grid.n_frames(n_samples / sfreq)``. What Whisper computes of the silence that
            fills its fixed length is cut off.

        Raises
        ------
        InputError
            For a sound that is not one channel of finite samples, is shorter than one frame or longer than
            the model's fixed length; for a model whose frames are not those of its configuration.
        """
        sound = np.asarray(sound, dtype=np.float32)
        if sound.ndim != 1 or not np.isfinite(sound).all():
            raise InputError(
                "sound",
                f"shape {sound.shape}" if sound.ndim != 1 else "NaN or infinite samples",
                "(n_samples,) finite samples of one channel",
            )
        n_frames = self.grid.n_frames(len(sound) / self.sfreq)
        if n_frames == 0:
            raise InputError(
                "sound",
                f"{len(sound)} samples at {self.sfreq} Hz",
                f"a sound of at least one frame, {self.grid.width / self.grid.unit_hz:.4g} s",
            )
        if self._longest is not None and len(sound) > self._longest:
            raise InputError(
                "sound",
                f"{len(sound) / self.sfreq:.6g} s",
                f"at most {self._longest / self.sfreq:g} s, the fixed length of {self._source!r}",
                "Cut longer sounds into stimuli.",
            )
        inputs = self._extractor(sound, sampling_rate=self.sfreq, return_tensors="pt")
        values = inputs[self._extractor.model_input_names[0]].to(next(self._model.parameters()).device)
        with torch.inference_mode():
            states = self._model(values, output_hidden_states=True).hidden_states
        layers = stack_layers(states, self._source)
        self._check_frames(layers, n_frames)
        return np.ascontiguousarray(layers[:, :n_frames])

    def _check_frames(self, layers: NDArray[np.float32], n_frames: int) -> None:
        if self._longest is not None:
            n_frames = self.grid.n_frames(self._longest / self.sfreq)
        expected = (len(self.layers), n_frames, self.width)
        if layers.shape != expected:
            raise InputError(
                f"model {self._source!r}",
                f"hidden states of shape {layers.shape}",
                f"{expected} (layers, frames, width), as its configuration says",
            )

    def _usual_extractor(self, config: Any) -> Any:
        usual = (
            transformers.WhisperFeatureExtractor(
                feature_size=config.num_mel_bins, chunk_length=math.ceil(config.max_source_positions / 50)
            )
            if config.model_type == "whisper"
            else transformers.Wav2Vec2FeatureExtractor()
        )
        warnings.warn(
            f"model {self._source!r} has no preprocessor_config.json: its input is prepared by the usual "
            f"{type(usual).__name__} ({usual.sampling_rate} Hz)",
            UserWarning,
            stacklevel=3,
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
