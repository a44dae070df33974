"""Flags that several experiments share."""

from dataclasses import dataclass

from rnnjax.decode import FILTERS
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
