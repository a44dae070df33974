"""The pairs of texts of a config."""

from rnnjax.data.text_pairs import Corpus, Pair, read_pairs
from rnnjax.tasks.translation.config import EMBEDDED, TranslationConfig
from rnnjax.tasks.translation.dates import date_pairs
from rnnjax.tasks.translation.numbers import number_pairs


def load_pairs(config: TranslationConfig) -> Corpus:
    """The pairs of a config, in splits: generated numbers or dates, or `read_pairs`.

    Raises:
        UserError: see `read_pairs`; or a package that generates data is missing.
    """
    if config.data not in EMBEDDED:
        return read_pairs(config.data, config.columns)
    generated = number_pairs() if config.data == "embedded" else date_pairs()
    return Corpus({
        split: [Pair(*texts, f"{split}:{n}") for n, texts in enumerate(pairs, 1)]
        for split, pairs in generated.items()
    })  # fmt: skip
