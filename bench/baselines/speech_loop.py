"""Hidden states of a Wav2Vec2 by transformers alone: a loop over batches, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class BareLoop:
    """What one would write by hand: load, normalise, batch sounds of equal length, stack the hidden states."""

    def __init__(self, folder: Path) -> None:
        import transformers

        self.model = transformers.AutoModel.from_pretrained(folder).eval()
        self.extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)

    def extract(self, batches: Sequence[Sequence[NDArray[np.float32]]]) -> list[NDArray[np.float32]]:
        """Give (n_layers, n_frames, width) of every sound."""
        import torch

        out = []
        with torch.inference_mode():
            for batch in batches:
                inputs = self.extractor(list(batch), sampling_rate=16000, return_tensors="pt").input_values
                states = self.model(inputs, output_hidden_states=True).hidden_states
                stacked = torch.stack(states).numpy()
                out += [stacked[:, i] for i in range(len(batch))]
        return out
