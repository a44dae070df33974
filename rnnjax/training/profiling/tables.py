"""The table of the operations that take longest, for the terminal and for the report."""

from collections import defaultdict
from collections.abc import Sequence

from rnnjax.training.profiling.operations import Operation, Profile
from rnnjax.visuals.page import Section, escape, wide_table

TOP = 15
"""Operations in the table."""

SCOPE_HEAD = ("scope", "ms a step", "share")
HEAD = ("operation", "ms a step", "share", "runs a step", "scope", "comes from")
NUMBERS = (1, 2, 3)


def profile_text(profile: Profile) -> str:
    """The shares of the scopes and the operations that take longest, in fixed width."""
    return "\n".join([
        f"{_title(profile)}: {_summary(profile)}",
        _aligned([SCOPE_HEAD, *_scopes(profile)]),
        _aligned([HEAD, *_top(profile)]),
    ])  # fmt: skip


def profile_section(profile: Profile) -> Section:
    """The same for the report."""
    tables = "".join(
        _html(head, rows) for head, rows in ((SCOPE_HEAD, _scopes(profile)), (HEAD, _top(profile)))
    )
    text = f'<p class="soft">{escape(_title(profile))}: {escape(_summary(profile))}</p>'
    return Section("Top operations", html=text + tables)


def _title(profile: Profile) -> str:
    return f"Steps {profile.first} to {profile.last}"


def _summary(profile: Profile) -> str:
    devices = "the device" if profile.devices == 1 else f"each of {profile.devices} devices"
    return (
        f"{1e3 * profile.seconds:.2f} ms a step, {1e3 * profile.busy:.2f} ms of it in operations "
        f"of {devices}."
    )


def _scopes(profile: Profile) -> list[tuple[str, ...]]:
    seconds: dict[str, float] = defaultdict(float)
    for one in profile.operations:
        seconds[one.scope or "other"] += one.seconds
    return [
        (name, f"{1e3 * seconds[name]:.3f}", f"{seconds[name] / profile.busy:.1%}")
        for name in sorted(seconds, key=lambda name: -seconds[name])
    ]


def _top(profile: Profile) -> list[tuple[str, ...]]:
    return [
        (
            one.name,
            f"{1e3 * one.seconds:.3f}",
            f"{one.seconds / profile.busy:.1%}",
            f"{one.runs:.4g}",
            one.scope,
            _origin(one),
        )
        for one in profile.operations[:TOP]
    ]


def _origin(one: Operation) -> str:
    return f"{one.source or one.kind}{' (backward)' if one.backward else ''}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  "
        + "  ".join(
            cell.rjust(width) if n in NUMBERS else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _html(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str]) -> str:
        kinds = (' class="number"' if n in NUMBERS else "" for n in range(len(cells)))
        boxes = zip(cells, kinds, strict=True)
        return f"<tr>{''.join(f'<td{kind}>{escape(cell)}</td>' for cell, kind in boxes)}</tr>"

    return wide_table(head, map(row, rows), NUMBERS)
