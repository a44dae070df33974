"""Small data and small networks for every task, so that tests can go through all of them."""

import dataclasses
import random
import wave
from typing import NamedTuple

import numpy as np
import scipy.io
from PIL import Image

from experiments import summaries
from tests.experiments.conftest import SENTENCES, SMALL_TAGGER


class Small(NamedTuple):
    """What a test gives to the command of a task; `{folder}` is that of `write_data`."""

    flags: list[str]
    use: list[str]  # a mode that uses the trained model


TASKS = {
    "activity": Small(
        ["data={folder}/videos.npz", "num_buckets=1", "frame_size=6"], ["--mode=inspect"]
    ),
    "captioning": Small(
        ["image_size=48", "feature_size=6", "attention_size=6", "num_buckets=1"],
        ["--mode=evaluate"],
    ),
    "char_lm": Small(["data=hello", "window=5"], ["--mode=sample", "--length=5"]),
    "dna": Small(
        ["data={folder}/genes.tsv", "signals=False", "num_buckets=1"],
        ["--mode=predict", "--sequence=ATGGCTTAA"],
    ),
    "draw": Small(
        ["data={folder}/images.npz", "num_glimpses=2", "latent_size=3"], ["--mode=evaluate"]
    ),
    "long_range": Small(["length=6"], ["--mode=predict", "--text=0.1 0.5* 0.2 0.3*"]),
    "music": Small(["data={folder}/scales.mat"], ["--mode=generate", "--num_frames=4"]),
    "naming": Small(["data={folder}/names.tsv", "num_buckets=1"], ["--mode=predict", "--text=aa"]),
    "ner": Small(
        [
            "data={folder}/tagged",
            "swap_rate=0.5",
            *[flag.removeprefix("--config.") for flag in SMALL_TAGGER],
        ],
        ["--mode=predict", "--text=Ada left Lund."],
    ),
    "reading": Small(
        ["data={folder}/stories.txt", "num_buckets=1", "hops=2"],
        ["--mode=predict", "--story=Ada is in Rome.", "--question=Where is Ada?"],
    ),
    "sentiment": Small(
        ["data={folder}/stars.tsv", "min_count=1", "num_buckets=1"],
        ["--mode=predict", "--text=word3 word1"],
    ),
    "sequential_mnist": Small([], ["--mode=evaluate"]),
    "series": Small(["window=12", "horizon=2"], ["--mode=evaluate"]),
    "speech": Small(
        ["data={folder}/sounds", "num_bands=8", "num_buckets=1", "num_layers=1"],
        ["--mode=inspect", "--split=validation"],
    ),
    "summarisation": Small(
        ["data={folder}/pairs.tsv", "min_count=1", "num_buckets=1", "attention_size=6"],
        ["--mode=predict", "--text=word3 word1"],
    ),
    "translation": Small(
        ["data={folder}/pairs.tsv", "level=word", "min_count=1", "num_buckets=1",
         "attention_size=6"],
        ["--mode=predict", "--text=word3 word1"],
    ),
    "vqa": Small(
        ["data={folder}/asked.tsv", "image_size=8", "questions=2", "feature_size=5",
         "attention_size=6"],
        ["--mode=inspect"],
    ),
    "word_lm": Small(
        ["data={folder}/text", "window=6", "embed_size=8"], ["--mode=score", "--text=word1 word2"]
    ),
}  # fmt: skip
assert sorted(TASKS) == sorted(summaries()), "a task has no small version here"


def flags_of(task, folder, **config):
    """The flags of a small training: 8 units, 4 rows, two updates."""
    default = {"hidden_size": 8, "batch_size": 4, "num_steps": 2, "warmup_steps": 0,
               "eval_every": 0, "log_every": 1, "average": "ema"}  # fmt: skip
    flags = [f"{name}={value}" for name, value in default.items()]
    flags += [flag.format(folder=folder) for flag in TASKS[task].flags]
    flags += [f"{name}={value}" for name, value in config.items()]
    return [f"--config.{flag}" for flag in flags]


def only_training(experiment):
    """The experiment without scores, samples and what its report shows."""

    def scores(config, *_):
        return {"loss": 0.0, experiment.measures(config).metric: 0.0}

    return dataclasses.replace(
        experiment, scores=scores, sample=None, report=lambda trained: ({}, [])
    )


def write_data(folder):
    """Writes the files that the tasks read."""
    draw = random.Random(0)

    def text():
        return " ".join(f"word{draw.randrange(6)}" for _ in range(draw.randrange(3, 7)))

    tables = {
        "names.tsv": ["name\tclass"] + [f"{draw.choice('ab') * n}\tx" for n in range(1, 30)]
        + [f"{draw.choice('cd') * n}\ty" for n in range(1, 30)],
        "genes.tsv": ["sequence\ttags"]
        + [f"CC{gene}TT\tOO{'E' * len(gene)}OO" for n in range(40)
           for gene in ["ATG" + "GCTGAA" * (1 + n % 4) + "TAA"]],
        "stars.tsv": ["label\ttext"] + [f"{1 + n % 3}\t{text()}" for n in range(40)],
        "stories.txt": [
            f"{n} {line}" for _ in range(20)
            for place in [draw.choice(["Rome", "Lund"])]
            for n, line in enumerate([f"Ada is in {place}.", f"Where is Ada?\t{place}\t1"], 1)
        ],
        "pairs.tsv": ["source\ttarget"] + [f"{text()}\t{text()}" for _ in range(40)],
    }  # fmt: skip
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    rows = ["image\tquestion\tanswer"]
    for n in range(12):
        Image.fromarray(np.full((8, 8, 3), 20 * n, np.uint8)).save(folder / f"asked{n}.png")
        rows += [f"asked{n}.png\t{q}\t{draw.choice(['yes', 'no'])}"
                 for q in ("Is it dark?", "Is it very dark?")]  # fmt: skip
    (folder / "asked.tsv").write_text("\n".join(rows) + "\n")
    rolls = np.empty((1, 8), object)
    for n in range(8):
        rolls[0, n] = np.eye(88)[40 + n : 52]
    scipy.io.savemat(
        folder / "scales.mat", dict.fromkeys(["traindata", "validdata", "testdata"], rolls)
    )
    random_numbers = np.random.default_rng(0)
    videos = random_numbers.integers(0, 256, (24, 5, 6, 6), np.uint8)
    lengths = random_numbers.integers(2, 6, 24)
    labels = np.array(["moves", "rests"] * 12)
    np.savez(folder / "videos.npz", frames=videos, labels=labels, lengths=lengths)
    (folder / "sounds/clips").mkdir(parents=True, exist_ok=True)
    images = random_numbers.random((40, 4, 5)) < 0.5
    np.savez(folder / "images.npz", x_train=images[:32], x_test=images[32:])
    for split in ("train", "valid"):
        rows = ["file\ttext"]
        for n in range(12):
            with wave.open(str(folder / f"sounds/clips/{split}{n}.wav"), "wb") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(random_numbers.integers(-9999, 9999, 2400, np.int16).tobytes())
            rows.append(f"clips/{split}{n}.wav\t{draw.choice(['ab', 'ba', 'a'])}")
        (folder / f"sounds/{split}.tsv").write_text("\n".join(rows) + "\n")
        (folder / "tagged").mkdir(exist_ok=True)
        (folder / "text").mkdir(exist_ok=True)
        (folder / "tagged" / f"{split}.inline").write_text(SENTENCES)
        (folder / "text" / f"{split}.txt").write_text("\n".join(text() for _ in range(30)) + "\n")
