"""The states of a base in a gene, and the sequences of states that are genes.

A gene of the forward strand is exons with introns between them. Its coding bases, introns left out,
are codons: ATG, any but stop codons, and a stop codon. A state knows the place in the codon, also
within an intron, so that every path through the states keeps the reading frame.
"""

import itertools
import re
from typing import Any

import numpy as np

from rnnjax.errors import UserError
from rnnjax.heads.crf import Constraints
from rnnjax.tasks.dna.nucleotides import BIT

STATES = (
    "outside", "start0", "start1", "codon0", "codon1", "codon2", "stop0", "stop1", "stop2",
    "donor0", "intron0", "acceptor0", "donor1", "intron1", "acceptor1",
    "donor2", "intron2", "acceptor2",
)  # fmt: skip
"""The third base of ATG is `codon2`; the digit of an intron is how many bases of the codon
precede it; `donor` is its first base and `acceptor` its last one."""

STOPS = ("TAA", "TAG", "TGA")
TAGS = "OEI"
TAG_OF_STATE = np.array(
    [0 if s == "outside" else 2 if s.startswith(("donor", "intron", "acc")) else 1 for s in STATES]
)
"""0: outside of genes and untranslated; 1: coding; 2: intron; as in `TAGS`."""

ID = {name: n for n, name in enumerate(STATES)}
_CODON = [ID[f"codon{n}"] for n in range(3)]
_NEXT = {
    "outside": "outside start0", "start0": "start1", "start1": "codon2",
    "codon0": "codon1 donor1", "codon1": "codon2 donor2", "codon2": "codon0 stop0 donor0",
    "stop0": "stop1", "stop1": "stop2", "stop2": "outside",
    "acceptor0": "codon0 stop0", "acceptor1": "codon1", "acceptor2": "codon2",
    **{f"donor{n}": f"intron{n}" for n in range(3)},
    **{f"intron{n}": f"intron{n} acceptor{n}" for n in range(3)},
}  # fmt: skip

EXPECTED = {
    "start0": "ATG, with which a gene begins", "stop0": "a stop codon at the end of a gene",
    "codon2": "no stop codon in the frame before the end of a gene",
    **{f"donor{n}": "GT, with which an intron begins" for n in range(3)},
    **{f"acceptor{n}": "AG, with which an intron ends" for n in range(3)},
}  # fmt: skip


def frame_constraints() -> Constraints:
    """The transitions that keep the frame: a gene has codons from start to stop, and is whole."""
    transitions = np.zeros((len(STATES), len(STATES)), bool)
    for state, following in _NEXT.items():
        transitions[ID[state], [ID[name] for name in following.split()]] = True
    start = np.isin(STATES, ["outside", "start0"])
    return Constraints(transitions, start, np.isin(STATES, ["outside", "stop2"]))


def signal_states(bases: Any) -> Any:
    """Which states the bases themselves allow, bool `[T, B, K]`.

    A gene begins where ATG may stand, ends where a stop codon may, and has no codon that is surely
    a stop codon; an intron begins where GT may stand and ends where AG may. A codon with an intron
    in it is not seen as a whole here, and its last three bases, which begin with G or AG, are no
    stop codon.

    Args:
        bases: sets of bases, int `[T, B]` (see `nucleotides.encode`).
    """
    xp = bases.__array_namespace__()  # numpy or jax.numpy
    ahead = xp.pad(bases, ((0, 2), (0, 0)))
    size = len(bases)

    def word(letters: str) -> Any:
        found = [ahead[n : n + size] & BIT[letter] != 0 for n, letter in enumerate(letters)]
        return xp.stack(found).all(axis=0)

    def ending(at_start: Any, letters: int) -> Any:
        return xp.pad(at_start, ((letters - 1, 0), (0, 0)))[:size]

    stop = word("TAA") | word("TAG") | word("TGA")
    # Only stop codons: no base but T, then A and A or G, or G and A.
    first, second, third = (ahead[n : n + size] for n in range(3))
    purine = BIT["A"] | BIT["G"]
    surely = (first == BIT["T"]) & (
        (second == BIT["A"]) & (third != 0) & (third & ~purine == 0)
        | (second == BIT["G"]) & (third == BIT["A"])
        | (second == purine) & (third == BIT["A"])
    )
    allowed = {"start0": word("ATG"), "stop0": stop, "codon2": ~ending(surely, 3)}
    for n in range(3):
        allowed |= {f"donor{n}": word("GT"), f"acceptor{n}": ending(word("AG"), 2)}
    everywhere = xp.ones(xp.shape(bases), bool)
    return xp.stack([allowed.get(state, everywhere) for state in STATES], axis=-1)


def states_of(tags: str, bases: np.ndarray, place: str, *, signals: bool = True) -> np.ndarray:
    """The states of a tagged sequence, int32 `[T]`.

    Args:
        tags: O (outside), E (coding) or I (intron) of each base; a gene lies between Os.
        bases: its sets of bases, int `[T]`.
        signals: whether the bases must allow the states, see `signal_states`.

    Raises:
        UserError: the tags are no genes.
    """
    if wrong := re.search(f"[^{TAGS}]", tags):
        raise UserError(
            f"{place}: tag {wrong.start() + 1} is {wrong[0]!r}: expected O (outside), E (coding) "
            "or I (intron)"
        )
    if len(tags) != len(bases):
        raise UserError(f"{place} has {len(bases):,} bases and {len(tags):,} tags")
    states = np.zeros(len(tags), np.int32)
    for gene in re.finditer("[EI]+", tags):
        coding = gene[0].count("E")
        name = f"{place}: the gene at {gene.start() + 1} to {gene.end()}"
        if coding % 3 or coding < 6:
            raise UserError(
                f"{name} has {coding} coding bases: expected a multiple of three, 6 or more"
            )
        done = 0
        for tag, run in itertools.groupby(range(*gene.span()), tags.__getitem__):
            at = list(run)
            if tag == "E":
                states[at] = [_coding_state(done + n, coding) for n in range(len(at))]
                done += len(at)
            else:
                states[at] = ID[f"intron{done % 3}"]
                states[at[-1]] = ID[f"acceptor{done % 3}"]
                states[at[0]] = ID[f"donor{done % 3}"]
    rules = frame_constraints()
    follows = np.append(True, rules.transitions[states[:-1], states[1:]])
    follows[[0, -1]] &= [rules.start[states[0]], rules.end[states[-1]]]
    if not follows.all():
        raise UserError(
            f"{place}: at base {int(np.argmin(follows)) + 1} an intron is shorter than 3 bases, or "
            "lies within or beside the start codon or within the stop codon"
        )
    if signals:
        allowed = signal_states(bases[:, None])[np.arange(len(tags)), 0, states]
        if not allowed.all():
            wrong_at = int(np.argmin(allowed))
            raise UserError(
                f"{place}: base {wrong_at + 1}: expected {EXPECTED[STATES[states[wrong_at]]]} "
                "(--config.signals=False: only the frame binds)"
            )
    return states


def _coding_state(n: int, coding: int) -> int:
    if n < 2:
        return ID[f"start{n}"]
    return ID[f"stop{n - coding + 3}"] if n >= coding - 3 else _CODON[n % 3]


def tags_of(states: np.ndarray) -> str:
    """The tags of states, a letter a base."""
    return "".join(TAGS[tag] for tag in TAG_OF_STATE[states])


def exons_of(tags: str) -> list[tuple[tuple[int, int], ...]]:
    """The genes of tags: the first and the last base of each of their exons, from 1."""
    return [
        tuple((gene.start() + exon.start() + 1, gene.start() + exon.end())
              for exon in re.finditer("E+", gene[0]))
        for gene in re.finditer("[EI]*E[EI]*", tags)
    ]  # fmt: skip
