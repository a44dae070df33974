"""A whole sweep: real processes of a real experiment."""

import csv
import json

import pytest

from launch import command
from launch.sweep.__main__ import sweep
from rnnjax import training

FLAGS = ["--", "--preset=hello", "--config.num_steps=20", "--config.eval_every=10"]


def call(capsys, folder, *arguments):
    code = sweep([
        "--experiment=char_lm", f"--folder={folder}", "--grid", "hidden_size=4", *arguments, *FLAGS
    ])  # fmt: skip
    return code, *capsys.readouterr()


def test_a_sweep_trains_tells_and_goes_on(tmp_path, capsys):
    code, out, err = call(capsys, tmp_path, "--seeds", "2", "--jobs", "2")
    assert code == 0, err
    folder = tmp_path / "sweep_char_lm"
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["0", "1"]
    for row in rows:
        meta = training.read_meta(folder / f"hidden_size=4,seed={row['seed']}")
        best = meta.best_so_far["best_score"]
        assert float(row["validation loss, nats/char"]) == pytest.approx(best, rel=1e-12)
    assert "±" in out
    assert out.strip() == (folder / "results.md").read_text().strip()
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")

    # An interrupted run is one with checkpoints and without results; a finished one stays as it is.
    workdirs = [folder / f"hidden_size=4,seed={seed}" for seed in (0, 1)]
    stamps = [(workdir / "report.html").stat().st_mtime_ns for workdir in workdirs]
    before = json.loads((workdirs[1] / "results.json").read_text())
    (workdirs[1] / "results.json").unlink()
    code, out, err = call(capsys, tmp_path, "--seeds", "2", "--table")
    assert (code, "seed=1 not finished" in err) == (0, True)
    assert call(capsys, tmp_path, "--seeds", "2")[0] == 0
    assert (workdirs[0] / "report.html").stat().st_mtime_ns == stamps[0]
    assert (workdirs[1] / "report.html").stat().st_mtime_ns != stamps[1]
    assert "Resuming" in (folder / "hidden_size=4,seed=1.log").read_text()
    assert json.loads((workdirs[1] / "results.json").read_text()) == before


def test_a_failed_run_is_told_with_its_log(tmp_path, capsys, monkeypatch):
    workdir = tmp_path / "sweep_char_lm/hidden_size=4,seed=0"
    workdir.mkdir(parents=True)
    (workdir / "config.json").mkdir()  # cannot be written
    code, _, err = call(capsys, tmp_path)
    assert code == 1
    assert f"seed=0 failed with exit code 2; log: {workdir}.log" in err
    assert "python -m launch.sweep --experiment=char_lm" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--experiment=char_ml"], "unknown --experiment=char_ml; did you mean 'char_lm'?"),
        (["--experiment=char_lm", "--seed=3"], "unrecognized arguments: --seed=3"),
        (["--grid", "cell=lstm"], "the following arguments are required: --experiment"),
    ],
)
def test_a_bad_command_line_is_told_in_a_line(capsys, arguments, said):
    with pytest.raises(SystemExit) as stop:
        command.guarded(sweep, arguments)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")


def test_the_help_names_the_command(capsys):
    with pytest.raises(SystemExit):
        sweep(["--help"])
    assert capsys.readouterr().out.startswith("usage: python -m launch.sweep [-h] --experiment")
