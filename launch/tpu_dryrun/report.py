"""The memory, work and least time of a compiled step, as text."""

from collections import Counter
from typing import Any, NamedTuple

from launch.tpu_dryrun.chips import GIB, Slice
from launch.tpu_dryrun.compilation import Compiled, DoesNotFit
from launch.tpu_dryrun.cost import Collective, Cost


class Roofline(NamedTuple):
    """The least seconds of a step by each of the things that it needs.

    Attributes:
        arithmetic: matrix multiplications at the chip's peak.
        memory: traffic with the main memory at its bandwidth.
        exchange: what chips must send each other, at the bandwidth between them.
    """

    arithmetic: float
    memory: float
    exchange: float

    @property
    def seconds(self) -> float:
        """Of a step, if all three overlap completely."""
        return max(self)

    @property
    def exchange_share(self) -> float:
        """Of a step in which the exchange overlaps with nothing, and the other two completely."""
        return self.exchange / (max(self.arithmetic, self.memory) + self.exchange)

    @property
    def bound(self) -> str:
        """The resource that the step waits for."""
        names = ("arithmetic", "memory bandwidth", "exchange between chips")
        return names[self.index(max(self))]


def roofline(cost: Cost, target: Slice) -> Roofline:
    """The roofline of a step (Williams, Waterman & Patterson 2009)."""
    chip = target.chip
    sent = sum(one.sent * times for one, times in cost.collectives.items())
    return Roofline(
        cost.flops / chip.flops,
        cost.num_bytes / chip.hbm_bandwidth,
        sent / (chip.ici_bandwidth / 2),
    )


def describe(
    compiled: Compiled, config: Any, target: Slice, price_per_chip_hour: float | None
) -> str:
    """The report on a step that fits."""
    memory, cost, task, chip = compiled.memory, compiled.cost, compiled.task, target.chip
    least = roofline(cost, target)
    lines = [
        f"Memory of each chip, of {chip.hbm / GIB:.0f} GiB:",
        *(f"  {name:<12} {_gib(number)}" for name, number in memory._asdict().items()),
        f"  {'at most':<12} {_gib(memory.total)}, {memory.total / chip.hbm:.1%}: it fits",
        "Work of each chip in a step:",
        f"  {'arithmetic':<12} {cost.flops:.4g} FLOP in matrix multiplications",
        f"  {'traffic':<12} {cost.num_bytes:.4g} bytes of main memory",
        *_collectives(cost.collectives),
        "Least time of a step, with everything at its peak:",
        f"  {'arithmetic':<12} {_ms(least.arithmetic)} at {chip.flops / 1e12:.0f} TFLOP/s",
        f"  {'traffic':<12} {_ms(least.memory)} at {chip.hbm_bandwidth / 1e9:.0f} GB/s",
        f"  {'exchange':<12} {_ms(least.exchange)} at {chip.ici_bandwidth / 2e9:.0f} GB/s",
        f"  {'roofline':<12} {_ms(least.seconds)}, bound by {least.bound}; "
        f"exchange is {least.exchange_share:.1%} of a step in which it overlaps with nothing",
        f"At the roofline {task.units / least.seconds:,.0f} {task.unit}s a second.",
    ]
    if cost.unknown_loops:
        lines.append(
            f"{cost.unknown_loops} loops do not count up to a constant: what they do counts once."
        )
    hours = config.num_steps * least.seconds / 3600
    spent = f"{config.num_steps:,} updates take {hours:.3g} hours at least"
    if price_per_chip_hour is not None:
        total = hours * target.num_chips * price_per_chip_hour
        spent += f" and cost {total:,.2f} ({target.num_chips} chips at {price_per_chip_hour:g})"
    return "\n".join([*lines, f"{spent}."])


def advise(fault: DoesNotFit, config: Any, target: Slice) -> str:
    """Advice for a step that does not fit."""
    fields = vars(config)
    share = fault.available / fault.needed
    ideas = [f"--sweep finds the largest --config.batch_size that fits; now {config.batch_size}"]
    if fields.get("remat") == "none":
        ideas.append("--config.remat=gates (or sqrt): compute activations again instead of keeping")
    if fields.get("compute_dtype") == "float32":
        ideas.append("--config.compute_dtype=bfloat16: operands of half the size")
    if fields.get("window", 0) > 1:
        ideas.append(f"--config.window below {config.window}: fewer steps to go back over")
    slices = (Slice(target.chip, shape) for shape in target.chip.slices)
    if larger := next((one for one in slices if one.num_chips > target.num_chips), None):
        ideas.append(f"a larger slice, --topology={larger.name}: fewer rows a chip")
    return "\n".join([
        f"It does not fit: at least {fault.needed / GIB:.2f} GiB are needed of "
        f"{fault.available / GIB:.2f} GiB that a program can have on a chip ({share:.0%} of it is "
        "there). What helps:",
        *(f"  {idea}" for idea in ideas),
    ])  # fmt: skip


def _collectives(found: Counter[Collective]) -> list[str]:
    order = sorted(found.items(), key=lambda item: -item[0].sent * item[1])
    shown = [
        f"  {'exchange':<12} {times:,} x {one.kind} of {one.num_bytes:,} bytes "
        f"among {one.group_size} chips"
        for one, times in order[:8]
    ]
    if rest := order[8:]:
        total = sum(one.num_bytes * times for one, times in rest)
        shown.append(f"  {'':<12} {sum(n for _, n in rest):,} smaller ones, {total:,} bytes in all")
    return shown or [f"  {'exchange':<12} none"]


def _gib(number: float) -> str:
    return f"{number / GIB:8.3f} GiB"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:9.4f} ms"
