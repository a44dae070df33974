"""Writes log_mel.npz, values of librosa 0.11.0: python tests/reference/make_log_mel.py

Needs `pip install librosa`, which the test does not.
"""

from pathlib import Path

import numpy as np

CASES = {"8000": (8000, 40), "16000": (16000, 80)}
"""Samples a second and bands."""


def main():
    import librosa

    stored = {}
    for name, (rate, bands) in CASES.items():
        rng = np.random.default_rng(rate)
        time = np.arange(rate // 10) / rate
        sweep = 0.4 * np.sin(2 * np.pi * (200 + 0.2 * rate * time) * time)
        samples = (32768 * (sweep + rng.normal(scale=0.01, size=len(time)))).astype(np.int16)
        mels = librosa.feature.melspectrogram(
            y=samples / 32768, sr=rate, n_fft=rate // 40, win_length=rate // 40,
            hop_length=rate // 100, center=False, power=2.0, n_mels=bands,
        )  # fmt: skip
        stored[f"samples_{name}"] = samples
        stored[f"log_mel_{name}"] = np.log(1e-6 + mels).T.astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("log_mel.npz"), **stored)


if __name__ == "__main__":
    main()
