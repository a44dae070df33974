"""The command line that all experiments share: flags, presets, modes and plain error messages."""

import contextlib
import dataclasses
import functools
import os
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags, logging

import rnnjax
from rnnjax import training
from rnnjax.errors import UserError, did_you_mean
from rnnjax.training import setting

HELP_FLAGS = {"--help", "-help", "-h", "--helpfull", "--helpshort"}
WIDTH = 100
ONLY_TO_TRAIN = (
    *("preset", "restore_from", "mesh", "profile"),
    *("coordinator", "num_processes", "process_id", "join_timeout", "lost_after"),
)


class Preset(NamedTuple):
    """A config with a name.

    Attributes:
        about: what it is for, in a line.
        config: a frozen dataclass with `validate()`.
    """

    about: str
    config: Any


class Run(NamedTuple):
    """One call of an experiment.

    Attributes:
        config: preset and flags put together; in other modes than train, the checkpoint's config
            and the flags.
        options: the experiment's own flags.
        workdir: folder of the run.
        restore_from: where a new run takes its parameters from, or None.
        placement: mode train: where to train.
        profile: mode train: steps to trace, or None.
    """

    config: Any
    options: Any
    workdir: Path
    restore_from: str | None
    placement: training.Placement = training.LOCAL
    profile: training.TracedSteps | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Shared:
    """The flags of every experiment."""

    workdir: str | None = setting(None, "Folder of one run. Default: runs/EXPERIMENT.")
    mode: str = setting("train", "What to do.")
    preset: str = setting("default", "Mode train: the named config to start from.")
    restore_from: str | None = setting(
        None, "Mode train: a workdir or checkpoint whose parameters a new run starts from."
    )
    mesh: str | None = setting(
        None,
        "Mode train: devices by axis, such as data:8 or data:16,model:4. data divides the rows of "
        "a batch, fsdp rows and parameters, model gates and vocabulary. Default: all devices over "
        "data, where they divide config.batch_size.",
    )
    profile: str | None = setting(
        None,
        "Mode train: FIRST:LAST, such as 100:110. These steps are traced into WORKDIR/profile, for "
        "XProf, TensorBoard and Perfetto, and the report tells which operations take longest.",
    )
    coordinator: str | None = setting(
        None,
        "Mode train, several processes: HOST:PORT of process 0, or auto, as Cloud TPU and other "
        "clusters say. Under SLURM the tasks of a step find each other without it.",
    )
    num_processes: int | None = setting(None, "With --coordinator=HOST:PORT: how many.")
    process_id: int | None = setting(None, "With --coordinator=HOST:PORT: which one, from 0.")
    join_timeout: int = setting(300, "Seconds that the processes wait for each other to start.")
    lost_after: int = setting(
        training.processes.HEARTBEAT_SECONDS,
        "Seconds without a sign of life after which a process counts as lost and the others end.",
    )


def main(
    name: str,
    *,
    about: str,
    presets: Mapping[str, Preset],
    options: Any,
    modes: Mapping[str, Callable[[Run], None]],
    argv: Sequence[str] | None = None,
) -> None:
    """Runs an experiment from the command line; see `plain_errors` for how the process ends.

    Args:
        name: of the experiment; the default workdir is `runs/NAME`.
        about: what `--help` begins with.
        presets: by name, `default` among them.
        options: a dataclass of the experiment's own flags, fields made by `training.setting`, with
            its defaults.
        modes: what to do by name, `train` among them.
        argv: the command line without the program; that of this process if None.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    logging.set_verbosity(logging.WARNING)
    if HELP_FLAGS & set(argv):
        print(_help(name, about, presets, options, modes))
        return
    training.make_gpus_deterministic()
    with plain_errors():
        run, mode, place = parse(name, presets, options, modes, argv)
        mode(run._replace(placement=place()))
        training.processes.leave()


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Ends the process with a code that launchers understand, and without a traceback.

    2: a `UserError`, which is printed. 69: another process of the run was lost. 75: SIGINT or
    SIGTERM came and the training has saved its state, so the same command goes on. 130: stopped at
    once, by a second signal or by Ctrl-C before the training began.
    """
    try:
        with training.end_at_second_signal(lambda: _end_at_once(training.EXIT_STOPPED)):
            yield
    except training.ProcessLost as error:
        print(f"error: {error}", file=sys.stderr)
        _end_at_once(training.EXIT_LOST)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except training.Interrupted:
        sys.exit(training.EXIT_SAVED)
    except KeyboardInterrupt:
        _end_at_once(training.EXIT_STOPPED)


def _end_at_once(code: int) -> typing.NoReturn:
    """As `sys.exit`, but waits neither for threads that write nor for other processes."""
    training.cancel_loss_message()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def parse_flags(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Gives flags their values; UserError for one that is unknown or cannot be read.

    Args:
        values: the flags.
        argv: the command line, the program first.
    """
    try:
        rest = values(argv)[1:]
    except flags.Error as error:
        raise UserError(f"{_in_our_words(error)} --help lists all flags.") from None
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}: flags are written --name=value")


def chosen(flag: str, value: str, valid: Mapping[str, Any]) -> str:
    """The value of a flag, which is one of the valid words; UserError otherwise."""
    if value not in valid:
        raise UserError(f"unknown --{flag}={value}; {did_you_mean(value, valid)}")
    return value


def parse(
    name: str,
    presets: Mapping[str, Preset],
    options: Any,
    modes: Mapping[str, Callable[[Run], None]],
    argv: Sequence[str],
) -> tuple[Run, Callable[[Run], None], Callable[[], training.Placement]]:
    """What a command line asks for, checked as far as that goes without doing it.

    Args:
        name: of the experiment; this and the others as for `main`.
        presets: by name.
        options: the experiment's own flags with their defaults.
        modes: by name.
        argv: the command line without the program.

    Returns:
        The run, what to do with it, and what joins other processes and gives the run its place.

    Raises:
        UserError: a flag, a name or a value cannot be used.
    """
    config_class = type(presets["default"].config)
    given = flags.FlagValues()
    for fields, prefix in ((_Shared, ""), (type(options), ""), (config_class, "config.")):
        _define(given, fields, prefix)
    parse_flags(given, [name, *argv])

    shared = dataclasses.replace(_Shared(), **_given(given, _Shared))
    mode = chosen("mode", shared.mode, modes)
    preset = chosen("preset", shared.preset, presets)
    workdir = Path(shared.workdir or f"runs/{name}")
    training.check_owner(workdir, name)
    if mode == "train":
        config = presets[preset].config
    else:
        for flag in ONLY_TO_TRAIN:
            if given[flag].present:
                raise UserError(f"--{flag} is for mode train; --workdir names the run to {mode}")
        config = stored_config(workdir, config_class)
    config = dataclasses.replace(config, **_given(given, config_class, "config."))
    config.validate()
    options = dataclasses.replace(options, **_given(given, type(options)))
    profile = None
    if shared.profile is not None:
        profile = training.parse_steps(shared.profile, config.num_steps)
    run = Run(config, options, workdir, shared.restore_from, profile=profile)
    place = functools.partial(_join, shared, config) if mode == "train" else lambda: training.LOCAL
    return run, modes[mode], place


def stored_config(workdir: str | Path, config_class: type[Any]) -> Any:
    """The config of a run; what there was no setting for when it began has its default."""
    stored = training.read_config(workdir)
    known = {field.name for field in dataclasses.fields(config_class)}
    return config_class(**{key: stored[key] for key in known & stored.keys()})


def _join(shared: _Shared, config: Any) -> training.Placement:
    """Joins the other processes, sees that all are about to do the same, lays out the devices."""
    training.processes.join(
        shared.coordinator,
        shared.num_processes,
        shared.process_id,
        timeout=shared.join_timeout,
        heartbeat=shared.lost_after,
    )
    training.check_agreement(
        {
            "config": dataclasses.asdict(config),
            "--mesh": shared.mesh,
            "code version": training.code_version(
                Path(__file__).parent, Path(rnnjax.__file__).parent
            ),
        }
    )
    return training.choose_placement(shared.mesh, config.batch_size)


class _Number(flags.ArgumentParser):
    """A parser whose complaints are in plain words."""

    def __init__(self, kind: type, words: str):
        self._kind, self._words = kind, words

    def parse(self, argument: Any) -> Any:
        try:
            return self._kind(argument)
        except ValueError:
            raise ValueError(f"takes {self._words}") from None

    def flag_type(self) -> str:
        return self._words


def _define(values: flags.FlagValues, fields: type, prefix: str) -> None:
    """A flag for each field; they have no defaults here, so that those given can be told."""
    for field, kind in _kinds(fields):
        name, about = prefix + field.name, field.metadata["help"]
        if kind is tuple:
            flags.DEFINE_multi_string(name, None, about, flag_values=values)
        elif kind is bool:
            flags.DEFINE_boolean(name, None, about, flag_values=values)
        elif kind is str:
            flags.DEFINE_string(name, None, about, flag_values=values)
        else:
            parser = _Number(kind, {int: "a whole number", float: "a number"}[kind])
            flags.DEFINE(parser, name, None, about, flag_values=values)


def _kinds(fields: type) -> list[tuple[dataclasses.Field, type]]:
    """Each field with its type, without the None of `int | None`; str for a `Literal` of words."""
    hints = typing.get_type_hints(fields)
    kinds = []
    for field in dataclasses.fields(fields):
        hint = hints[field.name]
        if isinstance(hint, types.UnionType):
            hint = next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)
        if typing.get_origin(hint) is typing.Literal:
            hint = type(typing.get_args(hint)[0])
        kinds.append((field, typing.get_origin(hint) or hint))
    return kinds


def _given(values: flags.FlagValues, fields: type, prefix: str = "") -> dict[str, Any]:
    """The fields that the command line sets."""
    found = {field.name: values[prefix + field.name] for field in dataclasses.fields(fields)}
    return {name: flag.value for name, flag in found.items() if flag.present}


def _in_our_words(error: flags.Error) -> str:
    text = str(error).removeprefix("flag ")
    return text.replace(" ?", "?") if text.endswith("?") else f"{text.rstrip('.')}."


def _help(name, about, presets, options, modes) -> str:
    parts = [
        about.strip(),
        f"Modes (--mode=NAME): {', '.join(modes)}.",
        "Flags:",
        _listing({f"--{f.name}": (f, f.default) for f in dataclasses.fields(_Shared)}),
        f"Flags of {name}:",
        _listing({f"--{f.name}": (f, f.default) for f in dataclasses.fields(options)}),
        "Presets (--preset=NAME):",
        "\n".join(_entry(key, preset.about) for key, preset in presets.items()),
        "Config; the defaults are those of the preset `default`:",
    ]
    config = presets["default"].config
    fields = sorted(dataclasses.fields(config), key=lambda f: f.name not in type(config).__dict__)
    parts.append(_listing({f"--config.{f.name}": (f, getattr(config, f.name)) for f in fields}))
    return "\n\n".join(parts)


def _listing(entries: Mapping[str, tuple[dataclasses.Field, Any]]) -> str:
    return "\n".join(
        _entry(
            name if default in (None, ()) else f"{name}={default!r}".replace("'", ""),
            field.metadata["help"],
        )
        for name, (field, default) in entries.items()
    )


def _entry(name: str, about: str) -> str:
    indent = " " * 34
    first = f"  {name}".ljust(len(indent))
    if not first.endswith(" "):
        first = f"{first}\n{indent}"
    return first + textwrap.fill(about, WIDTH - len(indent)).replace("\n", f"\n{indent}")
