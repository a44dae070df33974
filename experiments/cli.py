"""The command line that all experiments share: flags, presets, modes and plain error messages."""

import dataclasses
import functools
import sys
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from absl import app, flags, logging

from rnnjax.errors import UserError, did_you_mean
from rnnjax.training import read_config

_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run: checkpoints, metrics, report. Default: runs/EXPERIMENT."
)
_MODE = flags.DEFINE_string("mode", "train", "What to do; see the top of this help.")
_PRESET = flags.DEFINE_string("preset", "default", "Named config to start from (mode train).")
_RESTORE_FROM = flags.DEFINE_string(
    "restore_from", None, "Workdir or checkpoint whose parameters a new run starts from."
)


class Run(NamedTuple):
    """One call of an experiment.

    Attributes:
        config: preset and flags put together; in other modes than train, the checkpoint's config
            and the flags.
        workdir: folder of the run.
        restore_from: where a new run takes its parameters from, or None.
    """

    config: Any
    workdir: Path
    restore_from: str | None


def main(
    name: str,
    *,
    presets: Mapping[str, Any],
    modes: Mapping[str, Callable[[Run], None]],
) -> None:
    """Runs an experiment from the command line; does not return.

    A `UserError` is printed without a traceback and exits with code 2.

    Args:
        name: of the experiment; the default workdir is `runs/NAME`.
        presets: frozen config dataclasses by name, `default` among them. Each has `validate()`.
        modes: what to do by name, `train` among them.
    """
    config_class = type(presets["default"])
    _define_config_flags(config_class)
    app.run(functools.partial(_run, name, config_class, presets, modes))


def _run(name, config_class, presets, modes, argv) -> None:
    logging.set_verbosity(logging.WARNING)
    try:
        if len(argv) > 1:
            raise UserError(f"unexpected argument {argv[1]!r}: flags are written --name=value")
        mode = _chosen("mode", _MODE.value, modes)
        preset = _chosen("preset", _PRESET.value, presets)
        workdir = Path(_WORKDIR.value or f"runs/{name}")
        if mode == "train":
            config = presets[preset]
        else:
            known = {field.name for field in dataclasses.fields(config_class)}
            stored = read_config(workdir)
            config = config_class(**{key: stored[key] for key in known & stored.keys()})
        config = dataclasses.replace(config, **_given(config_class))
        config.validate()
        modes[mode](Run(config, workdir, _RESTORE_FROM.value))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _chosen(flag: str, value: str, valid: Mapping[str, Any]) -> str:
    if value not in valid:
        raise UserError(f"unknown --{flag}={value}; {did_you_mean(value, valid)}")
    return value


_DEFINERS: dict[type, Callable[..., Any]] = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def _define_config_flags(config_class: type) -> None:
    types_by_name = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        help_text = f"{field.metadata['help']} Default: {field.default!r}."
        _DEFINERS[_flag_type(types_by_name[field.name])](f"config.{field.name}", None, help_text)


def _flag_type(hint: Any) -> type:
    """`str` for `Literal["char", "byte"]`; a plain type for itself."""
    return hint if isinstance(hint, type) else type(typing.get_args(hint)[0])


def _given(config_class: type) -> dict[str, Any]:
    """The config fields that the command line sets."""
    values = {
        field.name: flags.FLAGS[f"config.{field.name}"].value
        for field in dataclasses.fields(config_class)
    }
    return {name: value for name, value in values.items() if value is not None}
