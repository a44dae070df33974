"""A trained run of each experiment, small, and the command line inside of this process."""

import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from experiments import captioning, char_lm, ner
from rnnjax import training
from tests.training.toy import rows as of_split  # noqa: F401


class Result(NamedTuple):
    code: int
    out: str
    err: str


SENTENCES = """\
[Ada Lovelace|PER] met [Charles Babbage|PER] in [London|LOC].
[Marie Curie|PER] was born in [Warsaw|LOC].
The town of [Lund|LOC] lies in [Sweden|LOC].
[Nokia|ORG] was founded in [Finland|LOC].
[Alan Turing|PER] studied at [King's College|ORG].

[Emmy Noether|PER] taught in [Erlangen|LOC].
The river runs through [Vienna|LOC] slowly.
[Siemens|ORG] hired [Hertha Ayrton|PER].
Nobody knows where it began.
[Grace Hopper|PER] left [Yale|ORG].
[Lise Meitner|PER] fled to [Stockholm|LOC].
[Philips|ORG] makes lamps in [Eindhoven|LOC].
"""

UNSEEN = """\
[Max Born|PER] worked in [London|LOC].
[Siemens|PER] moved to [Vienna|LOC].
Nobody met.
"""

SMALL_TAGGER = [
    "--config.embed_size=8",
    "--config.character_embed_size=4",
    "--config.character_size=4",
    "--config.case_size=4",
    "--config.hidden_size=8",
    "--config.num_buckets=1",
    "--config.batch_size=6",
    "--config.warmup_steps=0",
    "--config.average=none",
]
NO_NOISE = [
    "--config.dropout=0",
    "--config.input_dropout=0",
    "--config.word_dropout=0",
    "--config.swap_rate=0",
]


def command(capsys, experiment, *argv):
    """Runs an experiment as from the command line."""
    capsys.readouterr()
    code = 0
    try:
        experiment.EXPERIMENT.main(list(map(str, argv)))
    except SystemExit as stop:
        code = stop.code
    return Result(code, *capsys.readouterr())


def assert_told(result, words):
    """One line says what was wrong, and code 2 that something was."""
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1


@pytest.fixture
def run(request, capsys):
    """`(workdir, *flags) -> Result` of the `EXPERIMENT` of a file; it has to end well."""

    def run(workdir, *flags):
        result = command(capsys, request.module, f"--workdir={workdir}", *flags)
        assert result.code == 0, result.err
        return result

    return run


@pytest.fixture
def refuses(request, capsys):
    """`(words, workdir, *flags)`: it ends as `assert_told` says."""

    def refuses(words, workdir, *flags):
        assert_told(command(capsys, request.module, f"--workdir={workdir}", *flags), words)

    return refuses


def run_docs(task, workdir):
    """Runs the ten lines of Python of docs/TASK.md in the current folder, with a run of its own."""
    page = Path(__file__).parents[2] / f"docs/{task}.md"
    (code,) = re.findall(r"^```py\n(.*?)^```", page.read_text(), re.M | re.S)
    assert len(code.strip().splitlines()) <= 10
    Path("runs").mkdir()
    Path(f"runs/{task}").symlink_to(workdir)
    exec(compile(code, str(page), "exec"), {})


def contents(folder):
    """Every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def message(result):
    """What a command that ended with one error said."""
    assert result.code == 2, result
    assert re.search("^error: ", result.err, re.M)
    assert result.err.count("error:") == 1
    assert "Traceback" not in result.err
    return result.err


@pytest.fixture
def no_report(monkeypatch):
    """Trainings end without the page, whose pictures take a second: other tests look at it."""
    monkeypatch.setattr(training, "write_report", lambda *args, **named: "none")


@pytest.fixture
def char_lm_command(capsys):
    """`(*argv) -> Result`."""
    return lambda *argv: command(capsys, char_lm, *argv)


@pytest.fixture
def ner_command(capsys):
    """`(*argv) -> Result`."""
    return lambda *argv: command(capsys, ner, *argv)


@pytest.fixture
def captioning_command(capsys):
    """`(*argv) -> Result`."""
    return lambda *argv: command(capsys, captioning, *argv)


@pytest.fixture(scope="package")
def trained_hello(tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "hello"
    argv = ["--preset=hello", f"--workdir={workdir}", "--config.num_steps=200"]
    char_lm.EXPERIMENT.main(argv)
    return workdir


@pytest.fixture
def hello(trained_hello, tmp_path):
    """A copy of that workdir, for one test."""
    return shutil.copytree(trained_hello, tmp_path / "hello")


@pytest.fixture(scope="package")
def tagged_folder(tmp_path_factory):
    """A corpus whose validation split is the training split; not to be changed."""
    folder = tmp_path_factory.mktemp("sentences")
    for split in ("train", "dev"):
        (folder / f"{split}.inline").write_text(SENTENCES)
    (folder / "test.inline").write_text(UNSEEN)
    return folder


@pytest.fixture(scope="package")
def trained_ner(tmp_path_factory, tagged_folder):
    """The workdir of a short training of a tagger; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "ner"
    ner.EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={tagged_folder}", *SMALL_TAGGER, *NO_NOISE,
        "--config.num_steps=60", "--config.learning_rate=0.05", "--config.eval_every=20",
        "--config.log_every=1",
    ])  # fmt: skip
    return workdir


@pytest.fixture
def tagger_run(trained_ner, tmp_path):
    """A copy of that workdir, for one test."""
    return shutil.copytree(trained_ner, tmp_path / "ner")
