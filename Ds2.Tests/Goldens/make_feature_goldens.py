#!/usr/bin/env python3
"""Writes feature_goldens.json: torchaudio's features of small synthetic signals, for Ds2.Tests/Features.

Run with Debian's python3-torchaudio: /usr/bin/python3 make_feature_goldens.py
Everything is computed in double precision, so that the goldens carry no rounding of their own. The tests build
the signals themselves, from the same formulas, and resampled audio is not involved.
"""
import json
import math
import os

import torch
import torchaudio

RATE = 16000


def noise(count, state=1):
    """The minimal standard generator (Park and Miller): a few lines in any language."""
    values = []
    for _ in range(count):
        state = state * 48271 % 2147483647
        values.append(state / 2147483647 * 2 - 1)
    return values


def signals():
    t = [i / RATE for i in range(8000)]
    yield "noise", [0.1 * v for v in noise(4000)]
    yield "chirp", [0.5 * math.sin(2 * math.pi * (100 * x + 3500 * x * x)) for x in t]
    yield "tones", [0.3 * math.sin(2 * math.pi * 440 * x) + 0.05 * math.sin(2 * math.pi * 3000 * x) for x in t[:5001]]
    # A click in silence: most frames lie on the floor of 80 dB under the maximum, or of 1e-10.
    yield "click", [0.9 if i == 1600 else 0.0 for i in range(3200)]
    yield "shortest", [0.2 * v for v in noise(257, 7)]


def mfcc(samples):
    transform = torchaudio.transforms.MFCC(
        RATE, 13, norm="ortho", log_mels=False,
        melkwargs=dict(n_fft=512, win_length=320, hop_length=160, n_mels=40, f_min=0.0, f_max=8000.0,
                       mel_scale="slaney", norm="slaney", center=True, pad_mode="reflect", power=2.0,
                       window_fn=torch.hamming_window)).double()
    return transform(samples)


def spectrogram(samples):
    stft = torch.stft(samples, 320, hop_length=160, win_length=320, window=torch.hamming_window(320, dtype=torch.double),
                      center=True, pad_mode="reflect", return_complex=True)
    return torch.log1p(stft.abs())


def envelope(coefficients):
    """The inverse orthonormal DCT over 161 rows: 13 coefficients as a smooth spectrum."""
    k = torch.arange(161, dtype=torch.double)[:, None]
    m = torch.arange(13, dtype=torch.double)[None, :]
    basis = math.sqrt(2 / 161) * torch.cos(math.pi * m * (2 * k + 1) / 322)
    basis[:, 0] = 1 / math.sqrt(161)
    return basis @ coefficients


def sample(matrix):
    """Every value of a small matrix is too much for a repository: one of 7, row-major, reaches all rows and frames."""
    return [round(v, 6) for v in matrix.flatten().tolist()[::7]]


def main():
    goldens = []
    for name, values in signals():
        # The tests hold single-precision samples; so does this.
        samples = torch.tensor(values, dtype=torch.float32).double()
        coefficients = mfcc(samples)
        spectrum = spectrogram(samples)
        normalised = (spectrum - spectrum.mean()) / spectrum.std()
        goldens.append(dict(
            signal=name, samples=len(values), frames=coefficients.shape[1],
            mfccRaw=[round(v, 6) for v in coefficients.flatten().tolist()],
            mfcc=sample(envelope(coefficients)), spectrogram=sample(spectrum), normalised=sample(normalised)))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "feature_goldens.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(dict(torch=torch.__version__, torchaudio=torchaudio.__version__, cases=goldens), file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
