"""Flags that several experiments share."""

import math
from dataclasses import dataclass

from rnnjax.decode import FILTERS
from rnnjax.errors import UserError
from rnnjax.models.decoding import Search
from rnnjax.training import setting


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How a symbol is drawn; an experiment's options inherit from it."""

    num_samples: int = setting(3, "Sampling: how many, drawn side by side.")
    temperature: float = setting(0.8, "Sampling: 0 takes the likeliest symbol.")
    top_k: int = setting(0, "Sampling: draw from the k likeliest symbols; 0: from all.")
    top_p: float = setting(1.0, "Sampling: draw from the nucleus of this mass.")
    min_p: float = setting(
        0.0, "Sampling: draw from symbols with at least this share of the likeliest one's chance."
    )
    repetition_penalty: float = setting(
        1.0, "Sampling: above 1, symbols of the prompt and those drawn before become less likely."
    )
    seed: int = setting(
        1, "Sampling: seed of the first sample, the next has one more; the report's have 0."
    )

    @property
    def filters(self) -> dict[str, float]:
        """The filters of `rnnjax.decode.filter_logits`."""
        return {name: getattr(self, name) for name in FILTERS}

    @property
    def seeds(self) -> list[int]:
        """A seed for each sample, so that each can be drawn again alone."""
        return list(range(self.seed, self.seed + self.num_samples))


@dataclass(frozen=True, kw_only=True)
class BeamOptions:
    """How texts are searched for; an experiment's options inherit from it."""

    beam_size: int = setting(5, "Texts pursued side by side; 1: the likeliest symbol each time.")
    length_penalty: float = setting(
        0.6, "Exponent of the length that scores are divided by; 0 favours short texts."
    )
    num_best: int = setting(
        1, "Mode predict: texts that are given, the best first: NUMBER, SCORE and TEXT of each."
    )
    num_groups: int = setting(
        1, "Groups of the beam (diverse beam search), of which each avoids what others write."
    )
    coverage_penalty: float = setting(
        0.0, "Attention: how much a text loses in rank for parts of its source that it left out."
    )
    diversity: float = setting(0.5, "With groups: nats by which a symbol of others is less likely.")

    @property
    def search(self) -> Search:
        """The settings of the beam search.

        Raises:
            UserError: more texts are asked for than the beam holds, or the coverage penalty is no
                number of 0 or more.
        """
        if not 1 <= self.num_best <= max(1, self.beam_size):
            raise UserError(
                f"--num_best is 1 .. {self.beam_size}, the --beam_size; got {self.num_best}"
            )
        if not (self.coverage_penalty >= 0 and math.isfinite(self.coverage_penalty)):
            raise UserError(f"--coverage_penalty is 0 or more; got {self.coverage_penalty}")
        return Search(
            self.beam_size,
            self.length_penalty,
            self.num_groups,
            self.diversity,
            self.num_best,
            self.coverage_penalty,
        )
