"""The table of the operations that take longest, for the terminal and for the report."""

from collections import defaultdict

from rnnjax.training.profiling.operations import Profile
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.page import Section, escape, number_cell, wide_table

TOP = 15
"""Operations in the table."""

SCOPE_HEAD = ("scope", "ms a step", "share")
HEAD = ("operation", "ms a step", "share", "runs a step", "scope", "comes from")
NUMBERS = (1, 2, 3)

Rows = list[tuple[str, ...]]


def profile_text(profile: Profile) -> str:
    """The shares of the scopes and the operations that take longest, in fixed width."""
    tables = (aligned(rows, NUMBERS) for rows in (_scopes(profile), _top(profile)))
    return "\n".join([_summary(profile), *tables])


def profile_section(profile: Profile) -> Section:
    """The same for the report."""
    tables = "".join(map(_html, (_scopes(profile), _top(profile))))
    return Section(
        "Top operations", html=f'<p class="soft">{escape(_summary(profile))}</p>{tables}'
    )


def _summary(profile: Profile) -> str:
    devices = "the device" if profile.devices == 1 else f"each of {profile.devices} devices"
    return (
        f"Steps {profile.first} to {profile.last}: {1e3 * profile.seconds:.2f} ms a step, "
        f"{1e3 * profile.busy:.2f} ms of it in operations of {devices}."
    )


def _scopes(profile: Profile) -> Rows:
    seconds: dict[str, float] = defaultdict(float)
    for one in profile.operations:
        seconds[one.scope or "other"] += one.seconds
    order = sorted(seconds, key=lambda name: -seconds[name])
    return [SCOPE_HEAD, *((name, *_share(seconds[name], profile)) for name in order)]


def _top(profile: Profile) -> Rows:
    rows: Rows = [HEAD]
    for one in profile.operations[:TOP]:
        origin = f"{one.source or one.kind}{' (backward)' if one.backward else ''}"
        share = _share(one.seconds, profile)
        rows.append((one.name, *share, f"{one.runs:.4g}", one.scope, origin))
    return rows


def _share(seconds: float, profile: Profile) -> tuple[str, str]:
    return f"{1e3 * seconds:.3f}", f"{seconds / profile.busy:.1%}"


def _html(rows: Rows) -> str:
    lines = (
        "".join(
            number_cell(escape(cell)) if n in NUMBERS else f"<td>{escape(cell)}</td>"
            for n, cell in enumerate(row)
        )
        for row in rows[1:]
    )
    return wide_table(rows[0], (f"<tr>{line}</tr>" for line in lines), NUMBERS)
