"""A trained run of the smallest preset, and the command line inside of this process."""

import shutil
from typing import NamedTuple

import pytest

from experiments import char_lm


class Result(NamedTuple):
    code: int
    out: str
    err: str


def command(capsys, *argv):
    """Runs char_lm as from the command line."""
    capsys.readouterr()
    code = 0
    try:
        char_lm.main(list(map(str, argv)))
    except SystemExit as stop:
        code = stop.code
    return Result(code, *capsys.readouterr())


@pytest.fixture
def char_lm_command(capsys):
    """`(*argv) -> Result`."""
    return lambda *argv: command(capsys, *argv)


@pytest.fixture(scope="package")
def trained_hello(tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "hello"
    argv = ["--preset=hello", f"--workdir={workdir}", "--config.num_steps=200"]
    char_lm.main(argv)
    return workdir


@pytest.fixture
def hello(trained_hello, tmp_path):
    """A copy of that workdir, for one test."""
    return shutil.copytree(trained_hello, tmp_path / "hello")
