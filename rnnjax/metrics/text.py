"""Scores of texts."""

import math
import sys


def perplexity(nats: float) -> float:
    """``exp(nats)`` of a mean loss; infinite where that is beyond all numbers."""
    return math.exp(nats) if nats < math.log(sys.float_info.max) else math.inf
