"""Captioners in float64 numpy: the decoder of an image, with counts of locations."""

import numpy as np

from tests.cells import oracles
from tests.models import decoder_oracle
from tests.models.decoder_oracle import linear, log_likelihoods, parameters, softmax

__all__ = ["log_likelihoods", "parameters", "softmax", "told"]

START = 1


def told(decoder, p, features, words, locations=None):
    """What a captioner makes of one image `[S, F]` and the words of one caption.

    Args:
        decoder: its name.
        p: from `parameters`.
        features: of the image.
        words: ids.
        locations: of decoder "hard": where it looks; None: the likeliest.
    """
    if "project" in p:
        features = np.maximum(linear(p["project"], features), 0)
    return decoder_oracle.told(
        decoder,
        p,
        features,
        [START, *words[:-1]],
        positions=locations,
        extra=counts if hasattr(p.get("attention"), "w_count") else None,
    )


def counts(a, features, query):
    """How many locations fit the query."""
    answers = np.array([np.tanh(i @ a.w_location + query @ a.w_query + a.b) for i in features])
    return oracles.sigmoid(answers @ a.w_count - np.log(len(features))).sum(axis=0)
