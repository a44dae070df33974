"""How a cell was made: what makes two cells equal, and lets a cell be printed and pickled."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec

Options = ParamSpec("Options")


class Origin(NamedTuple):
    """A factory and the arguments that it was called with, without defaults.

    Attributes:
        factory: a function that can be imported.
        positional: values of the arguments that may stand without their name.
        named: names and values of the others.
    """

    factory: Callable[..., Any]
    positional: tuple[Any, ...]
    named: tuple[tuple[str, Any], ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by name, defaults too."""
        bound = inspect.signature(self.factory).bind(*self.positional, **dict(self.named))
        bound.apply_defaults()
        return bound.arguments

    def __repr__(self) -> str:
        values = [_readable(value) for value in self.positional]
        values += [f"{name}={_readable(value)}" for name, value in self.named]
        return f"{self.factory.__name__}({', '.join(values)})"


def cell_factory(make: Callable[Options, Any]) -> Callable[Options, Any]:
    """Marks a function that makes cells, so that it gives equal cells for equal arguments.

    ::

        @rnnjax.cell_factory
        def my_cell(hidden_size): ...

    A program that is compiled for one cell then serves an equal one, and a cell can be pickled: as
    the name of its factory, which must stand at the top of a module, and its arguments. Arguments
    that cannot be hashed leave a cell equal to itself alone.
    """
    signature = inspect.signature(make)

    @functools.wraps(make)
    def made(*args: Options.args, **kwargs: Options.kwargs) -> Any:
        cell = make(*args, **kwargs)
        positional, named = [], []
        value: Any
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            value = tuple(value) if isinstance(value, list) else value
            if getattr(value, "shape", None) == () and hasattr(value, "item"):  # numpy's or jax's
                value = value.item()
            parameter = signature.parameters[name]
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                if value is not parameter.default:
                    named.append((name, value))
            else:
                positional.append(value)
        origin = Origin(made, tuple(positional), tuple(sorted(named)))
        try:
            hash(origin)
        except TypeError:
            return cell
        object.__setattr__(cell, "origin", origin)
        return cell

    return made


def _readable(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_readable, value))}]"
    return getattr(value, "__name__", None) or repr(value)
