"""Two hundred wrong command lines, drawn with a fixed seed: each ends in a line or two."""

import dataclasses
import importlib
import random

import pytest

from experiments import char_lm, ner, summaries
from experiments.run import SharedFlags
from launch import command, sweep, tpu_dryrun
from launch.sweep import __main__ as sweep_main
from launch.tpu_dryrun import __main__ as dryrun_main
from rnnjax import training
from tests.experiments.conftest import contents

EXPERIMENTS = [importlib.import_module(f"experiments.{name}") for name in summaries()]
VALUES = [
    *("", " ", "-1", "0", "1.5", "1e400", "nan", "inf", "99999999999999999999", "None", "maybe"),
    *("/no/such/path", "tfds:no_such_set", "a,b", "{}", "é", "-", "lsmt", "~", "*", "\\", "0x1"),
]
JUNK = ["", "-", "--", "---x", "=", "--=3", "hello", "-1", "--config", "--config.=1", "--no"]
NUMBER_OF_LINES = 200


def misspelt(draw, word):
    """The word with two letters swapped, or one left out or doubled."""
    at = draw.randrange(2, len(word) - 1)
    return draw.choice([
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
    ])  # fmt: skip


def flags_of(experiment):
    """The names of the flags of an experiment, but for those that join other processes."""
    config = experiment.EXPERIMENT.presets["default"].config
    groups = [("", SharedFlags), ("", experiment.EXPERIMENT.options), ("config.", config)]
    names = [prefix + field.name for prefix, group in groups for field in dataclasses.fields(group)]
    return [name for name in names if "process" not in name and name != "coordinator"]


def wrong_line(draw, experiment):
    """The flags of a wrong command line, without a workdir."""
    names = [name for name in flags_of(experiment) if name != "workdir"]
    modes = ["train", *experiment.EXPERIMENT.modes]
    line = [] if draw.random() < 0.4 else [f"--mode={draw.choice(modes)}"]
    for _ in range(draw.choice([1, 1, 2])):
        name, value = draw.choice(names), draw.choice(VALUES)
        kind = draw.randrange(5)
        if kind == 0:
            line.append(f"--{misspelt(draw, name)}={value}")
        elif kind == 1:
            line.append(draw.choice(JUNK))
        elif kind == 2:
            line.append(f"--mode={misspelt(draw, draw.choice(modes))}")
        else:
            line.append(f"--{name}={value}")
    return line


def check(code, err, line):
    """A code that launchers know, and at most two lines that begin with `error:`."""
    assert code in (0, 2), (line, code, err)
    assert "Traceback" not in err, (line, err)
    if code == 2:
        assert err.count("error: ") == 1, (line, err)
        assert len(err[err.index("error: ") :].splitlines()) <= 2, (line, err)


@pytest.mark.parametrize("part", range(4))
def test_wrong_lines_of_experiments(
    part, trained_hello, trained_ner, tmp_path, capsys, monkeypatch
):
    def ends_here(*args, **options):
        raise SystemExit(0)

    monkeypatch.setattr(training, "train", ends_here)
    monkeypatch.chdir(tmp_path)
    workdirs = {char_lm: trained_hello, ner: trained_ner}
    before = {path: contents(path) for path in workdirs.values()}
    draw, refused = random.Random(part), 0
    for n in range(NUMBER_OF_LINES // 5):
        experiment = EXPERIMENTS[(n + part) % len(EXPERIMENTS)]
        line = wrong_line(draw, experiment)
        if draw.random() < 0.5:
            line.insert(0, f"--workdir={workdirs.get(experiment, trained_hello)}")
        try:
            experiment.EXPERIMENT.main(line)
            code = 0
        except SystemExit as stop:
            code = stop.code
        check(code, capsys.readouterr().err, (experiment.__name__, line))
        if code:
            refused += 1
            assert {path: contents(path) for path in workdirs.values()} == before, line
    assert refused > NUMBER_OF_LINES // 5 * 0.7


def test_wrong_lines_of_launchers(tmp_path, capsys, monkeypatch):
    def ends_here(*args, **options):
        raise SystemExit(0)

    monkeypatch.setattr(sweep.pool, "run_all", ends_here)
    monkeypatch.setattr(sweep.plan, "submit", ends_here)
    monkeypatch.setattr(tpu_dryrun.__main__, "compile_step", ends_here)
    monkeypatch.setattr(tpu_dryrun.__main__, "largest_batch", ends_here)
    monkeypatch.chdir(tmp_path)
    draw = random.Random(9)
    flags = {
        sweep_main.sweep: ["experiment", "grid", "seeds", "jobs", "name", "folder", "sbatch"],
        dryrun_main.dryrun: ["experiment", "topology", "mesh", "price_per_chip_hour", "preset"],
    }
    values = [*VALUES, "cell=lstm", "hidden_size=big", "v5e:4x4", "v9:1x1", "data:3", "char_lm"]
    for n in range(NUMBER_OF_LINES // 5):
        main, names = list(flags.items())[n % 2]
        line = ["--experiment=ner"] if draw.random() < 0.7 else []
        line += ["--topology=v5e:2x2"] if n % 2 and draw.random() < 0.7 else []
        for _ in range(draw.choice([1, 2])):
            name = draw.choice(names)
            name = misspelt(draw, name) if draw.random() < 0.2 else name
            junk = draw.random() < 0.2
            line.append(draw.choice(JUNK) if junk else f"--{name}={draw.choice(values)}")
        with pytest.raises(SystemExit) as ended:
            command.guarded(main, line)
        check(ended.value.code, capsys.readouterr().err, (main.__name__, line))
