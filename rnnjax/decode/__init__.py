"""Decoding: from a step function to sequences of symbols."""

from rnnjax.decode.beam import BeamResult, beam_search, rank_by_coverage
from rnnjax.decode.ctc import ctc_beam_search, ctc_greedy
from rnnjax.decode.filters import FILTERS, filter_logits
from rnnjax.decode.replay import replay
from rnnjax.decode.sampling import (
    Sampling,
    begin_sampling,
    continue_sampling,
    keys_of_seeds,
    sample,
)
from rnnjax.decode.step import Step

__all__ = [
    "FILTERS", "BeamResult", "Sampling", "Step", "beam_search", "begin_sampling",
    "continue_sampling", "ctc_beam_search", "ctc_greedy", "filter_logits", "keys_of_seeds",
    "rank_by_coverage", "replay", "sample",
]  # fmt: skip
