"""Decoding: from a step function to sequences of symbols."""

from rnnjax.decode.beam import BeamResult, beam_search
from rnnjax.decode.greedy import GreedyResult, greedy
from rnnjax.decode.replay import replay
from rnnjax.decode.sampling import (
    Sampling,
    begin_sampling,
    continue_sampling,
    filter_logits,
    sample,
)
from rnnjax.decode.step import Step

__all__ = [
    "BeamResult",
    "GreedyResult",
    "Sampling",
    "Step",
    "beam_search",
    "begin_sampling",
    "continue_sampling",
    "filter_logits",
    "greedy",
    "replay",
    "sample",
]
