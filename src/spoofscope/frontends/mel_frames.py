"""What w2v-BERT 2.0 hears: log mel energies, two frames of 10 ms at a time.

As transformers' SeamlessM4TFeatureExtractor computes them, which follows Kaldi: 25 ms windows at 16
kHz, pre-emphasis 0.97, Povey window, 80 filters from 20 Hz. Each mel band of a clip has mean 0 and
variance 1. A last frame without a partner is left out, as the extractor masks it; it counts for the
mean and the variance.
"""

import torch
import torchaudio.compliance.kaldi
from torch import Tensor, nn

BANDS, STRIDE = 80, 2
_WINDOW, _HOP = 400, 160

HOP = STRIDE * _HOP
RECEPTIVE_FIELD = _WINDOW + (STRIDE - 1) * _HOP
"""Samples from one pair of frames to the next, and those that a pair is made of."""


def paired_mel_frames(waveform: Tensor, lengths: Tensor, sample_rate: int) -> Tensor:
    """Inputs of the encoder, float32 (B, N, 160), N those of the longest row; zeros pad the others.

    Args:
        waveform: (B, n_samples), in about [-1, 1].
        lengths: (B,), samples of each row that are signal, at least `RECEPTIVE_FIELD`.
        sample_rate: Hz.
    """
    rows = []
    # Half precision would change the energies of quiet bands, and so all values of the band.
    with torch.autocast(waveform.device.type, enabled=False):
        for samples, length in zip(waveform.float(), lengths.tolist(), strict=True):
            mel = torchaudio.compliance.kaldi.fbank(
                samples[None, :length] * 2**15,
                num_mel_bins=BANDS,
                dither=0.0,
                window_type="povey",
                sample_frequency=float(sample_rate),
            )
            mel = (mel - mel.mean(dim=0)) / (mel.var(dim=0) + 1e-7).sqrt()
            pairs = mel.shape[0] // STRIDE
            rows.append(mel[: pairs * STRIDE].reshape(pairs, STRIDE * BANDS))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)
