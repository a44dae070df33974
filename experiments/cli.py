"""The command lines of experiments: flags from dataclasses, help, and plain error messages."""

import contextlib
import dataclasses
import difflib
import errno
import io
import os
import re
import signal
import sys
import textwrap
import threading
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, cast

import jax
from absl import flags

from experiments import stop_at_once
from rnnjax import training
from rnnjax.data.examples import HALF_PAIR
from rnnjax.errors import UserError
from rnnjax.training.loop import NO_MEMORY

WIDTH = 100
INDENT = " " * 34
EXIT_BROKEN_PIPE = 141
"""As of a program that SIGPIPE ends: the reader of the output has gone."""
SECONDS_FOR_OTHERS = 10.0
"""Time in which the other processes of a run may end with the same error."""


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Ends the process with a code that launchers understand, and without a traceback.

    2: a `UserError`, which is printed. 69: another process of the run was lost. 75: SIGINT or
    SIGTERM came and the training has saved its state, so the same command goes on. 130: stopped at
    once, by a second signal or by Ctrl-C before the training began. 141: nobody reads the output.
    """
    if signal.getsignal(signal.SIGINT) is stop_at_once:
        signal.signal(signal.SIGINT, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr does where it is not in UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with training.end_at_second_signal(
            _stop, first=lambda: signal.getsignal(signal.SIGINT) is _interrupt
        ):
            yield
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        sys.exit(EXIT_BROKEN_PIPE)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _forget_output()
        _fail(f"the output cannot be written: {error.strerror}")
    except training.ProcessLost as error:
        _lost(error)
    except UserError as error:
        _fail(str(error))
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and NO_MEMORY not in str(error):
            if training.processes.count() == 1:
                raise
            _lost(training.ProcessLost(error, "they go on from the last checkpoint"))
        _fail(_too_large(error))
    except training.Interrupted:
        sys.exit(training.EXIT_SAVED)
    except KeyboardInterrupt:
        _stop()


def _lost(error: training.ProcessLost) -> typing.NoReturn:
    print(f"error: {error}", file=sys.stderr)
    _end_at_once(training.EXIT_LOST)


def _fail(message: str) -> typing.NoReturn:
    """Ends with code 2; other processes of the run, which an exit waits for, may wait for this."""
    print(f"error: {message}", file=sys.stderr)
    if training.processes.count() > 1:
        timer = threading.Timer(SECONDS_FOR_OTHERS, _end_at_once, [2])
        timer.daemon = True
        timer.start()
    sys.exit(2)


def _stop() -> typing.NoReturn:
    print("Stopped.", file=sys.stderr)
    _end_at_once(training.EXIT_STOPPED)


def _forget_output() -> None:
    """Discards the remaining output, so that Python does not try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(*_: object) -> None:
    """As of Python's own handler; `end_at_second_signal` ends who catches it and goes on."""
    raise KeyboardInterrupt


def _too_large(error: Exception) -> str:
    what = str(error).partition(NO_MEMORY)[2].strip(": ").splitlines() or [str(error)]
    return (
        f"too little memory on this device: {what[0].strip().rstrip('.') or 'out of memory'}. "
        "Lower --config.batch_size, the length of what is read, or the sizes of the network."
    )


def _end_at_once(code: int) -> typing.NoReturn:
    """As `sys.exit`, but waits neither for threads that write nor for other processes."""
    training.cancel_loss_message()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def parse_flags(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Gives flags their values by a command line, the program first.

    Raises:
        UserError: a flag is unknown, or its value cannot be read.
    """
    try:
        rest = values(argv)[1:]
    except flags.UnrecognizedFlagError as error:
        near = nearest_flag(error.flagname, list(values))
        hint = f" Did you mean --{near}?" if near else ""
        raise UserError(
            f"Unknown command line flag '{error.flagname}'.{hint} --help lists all flags."
        ) from None
    except flags.Error as error:
        raise UserError(f"{_in_our_words(error)} --help lists all flags.") from None
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}: flags are written --name=value")


def nearest_flag(name: str, valid: Sequence[str]) -> str:
    """The flag that a name most likely stands for; empty: none is near.

    Prefixes do not count: it is spelt like the name, has it as one of its words (steps: num_steps)
    or as the first letters of its words (lr: learning_rate).
    """
    word = name.removeprefix("config.").replace("-", "_")

    def likeness(flag: str) -> tuple[float, bool]:
        last = flag.removeprefix("config.")
        words = last.split("_")
        known = word in (last, "".join(part[0] for part in words)) or word in words
        ratio = difflib.SequenceMatcher(None, word, last).ratio()
        return max(ratio, 0.9 * known), flag.startswith("config.") == name.startswith("config.")

    near = max(valid, key=likeness)
    return near if likeness(near)[0] >= 0.6 else ""


class Flags(training.Settings):
    """A dataclass whose fields are flags of their names."""

    flag_prefix = ""


def parse_fields(argv: Sequence[str], *groups: type[training.Settings]) -> list[dict[str, Any]]:
    """The fields of each dataclass that a command line, the program first, sets by their flags.

    Raises:
        UserError: a flag is unknown, or its value cannot be read.
    """
    for flag in argv:
        if HALF_PAIR.search(flag) and not os.path.lexists(flag.partition("=")[2] or flag):
            raise UserError(f"{flag!r} is not UTF-8, and names no file")
    values = flags.FlagValues()
    for group in groups:
        _define(values, group)
    parse_flags(values, argv)
    found = [{name: values[flag] for name, flag in _flags(group).items()} for group in groups]
    return [{name: flag.value for name, flag in group.items() if flag.present} for group in found]


def check_modes(
    given: Collection[str], mode: str, modes: Sequence[str], config: type, *groups: Any
) -> None:
    """Raises UserError for a given flag of the groups that is not for this one of the task's modes.

    The fields of the config are the flags of the training.
    """
    for group in groups:
        for field in dataclasses.fields(group):
            its = field.metadata["modes"]
            if field.name not in given or not its or mode in its:
                continue
            hint = ""
            if its == ("train",):
                hint = f"; --workdir names the run to {mode}"
            elif mode == "train" and hasattr(config, field.name):
                hint = f"; that of the training is --config.{field.name}"
            valid = " or ".join(one for one in modes if one in its)
            raise UserError(f"--{_flags(group)[field.name]} is for mode {valid}, not {mode}{hint}")


def describe_fields(
    defaults: training.Settings,
    fields: Sequence[dataclasses.Field] | None = None,
    modes: Sequence[str] = (),
) -> str:
    """The flags of a dataclass, all or some of its fields, with their defaults, modes and help."""
    flags, names = {}, _flags(type(defaults))
    for field in dataclasses.fields(cast(Any, defaults)) if fields is None else fields:
        name, default = f"--{names[field.name]}", getattr(defaults, field.name)
        shown = name if default in (None, ()) else f"{name}={default!r}".replace("'", "")
        its = [mode for mode in modes if mode in field.metadata["modes"]]
        which = f"Mode{'s' * (len(its) > 1)} {', '.join(its)}: " if its else ""
        flags[shown] = which + field.metadata["help"]
    return describe(flags)


def _flags(group: Any) -> dict[str, str]:
    """The flag of each field: its name, without the _ behind a word that is one of Python's."""
    names = [field.name for field in dataclasses.fields(group)]
    return {name: group.flag_prefix + name.removesuffix("_") for name in names}


def describe(entries: Mapping[str, str]) -> str:
    """Names and what is said about them, in two columns."""
    lines = []
    for name, about in entries.items():
        first = f"  {name}".ljust(len(INDENT))
        if not first.endswith(" "):
            first = f"{first}\n{INDENT}"
        text = textwrap.fill(about, WIDTH - len(INDENT)).replace("\n", f"\n{INDENT}")
        lines.append(first + text)
    return "\n".join(lines)


def _define(values: flags.FlagValues, group: Any) -> None:
    """A flag for each field; they have no defaults here, so that those given can be told.

    The type is that of the field, without the None of `int | None`; str for a `Literal` of words.
    """
    hints, names = typing.get_type_hints(group), _flags(group)
    define: dict[Any, Callable[..., Any]] = {
        tuple: flags.DEFINE_multi_string, bool: flags.DEFINE_boolean, str: flags.DEFINE_string,
        int: flags.DEFINE_integer, float: flags.DEFINE_float,
    }  # fmt: skip
    for field in dataclasses.fields(group):
        name, about, kind = names[field.name], field.metadata["help"], hints[field.name]
        if isinstance(kind, types.UnionType):
            kind = next(one for one in typing.get_args(kind) if one is not types.NoneType)
        if typing.get_origin(kind) is typing.Literal:
            kind = type(typing.get_args(kind)[0])
        define[typing.get_origin(kind) or kind](name, None, about, flag_values=values)


def _in_our_words(error: flags.Error) -> str:
    text = str(error).removeprefix("flag ")
    text = re.sub(r"invalid literal for int.*", "takes a whole number", text, flags=re.DOTALL)
    text = re.sub(r"could not convert string to float.*", "takes a number", text, flags=re.DOTALL)
    return f"{text.rstrip('.')}."
