"""Shared by the launchers: experiments by name, and a command line with plain messages."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import experiments
from experiments import cli
from experiments.experiment import Experiment
from rnnjax import training
from rnnjax.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and whose complaints are `UserError`s."""

    def __init__(self, module: str, about: str):
        super().__init__(
            prog=f"python -m {module}",
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        raise UserError(f"{message}; --help lists all flags")


def experiment(name: str) -> Experiment:
    """The experiment of that name; UserError if there is none."""
    training.chosen("experiment", name, experiments.summaries())
    return importlib.import_module(f"experiments.{name}").EXPERIMENT


def guarded(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> NoReturn:
    """Runs a launcher and ends the process with its code; others as in `cli.plain_errors`."""
    with cli.plain_errors():
        sys.exit(main(sys.argv[1:] if argv is None else argv))
