"""What the launchers share: experiments by name, and a command line with plain messages."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import experiments
from experiments import cli
from rnnjax.errors import UserError, did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations, and whose complaints are `UserError`s."""

    def __init__(self, about: str):
        super().__init__(
            description=about,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises UserError."""
        raise UserError(f"{message}; --help lists all flags")


def experiment_names() -> list[str]:
    """The experiments that can be trained."""
    folder = Path(experiments.__file__).parent
    files = sorted(folder.glob("*.py"))
    return [file.stem for file in files if "\nPRESETS" in file.read_text(encoding="utf-8")]


def experiment(name: str) -> ModuleType:
    """The module of an experiment.

    Raises:
        UserError: there is none of that name.
    """
    names = experiment_names()
    if name not in names:
        raise UserError(f"unknown --experiment={name}; {did_you_mean(name, names)}")
    return importlib.import_module(f"experiments.{name}")


def parse_run(module: ModuleType, argv: Sequence[str]) -> cli.Run:
    """What an experiment would make of a command line; raises UserError as the experiment does."""
    run, _, _ = cli.parse(module.NAME, module.PRESETS, module.Options(), module.MODES, list(argv))
    return run


def guarded(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> NoReturn:
    """Runs a launcher and ends the process with its code; others as in `cli.plain_errors`."""
    with cli.plain_errors():
        sys.exit(main(sys.argv[1:] if argv is None else argv))
