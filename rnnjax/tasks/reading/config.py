"""The settings of a reader of stories, of its data and of its training."""

import dataclasses

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadingConfig(TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting("embedded", "embedded, a folder of bAbI files, or one of them.")
    encoding: str = setting("utf-8", "Encoding of the files.")
    num_buckets: int = setting(4, "Numbers of sentences that stories are padded to.")
    vectors: str | None = setting(None, "A file of word vectors: GloVe, word2vec or fastText text.")
    cell: str = setting("gru", "Any cell, by its name or as MODULE:FACTORY; see README.")
    embed_size: int = setting(32, "D, numbers that a word is turned into.")
    hidden_size: int = setting(64, "H, units that read a sentence, and a question.")
    hops: int = setting(
        3, "How often the story is attended to; 1: the attentive reader; 0: a plain network."
    )
    dropout: float = setting(0.1, "On words' vectors and before the answer, a mask a sentence.")
    supervise_attention: float = setting(
        0.0, "Weight of a loss that shows training which sentences are the facts; 0: it must guess."
    )

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.check_at_least(1, "embed_size", "num_buckets")
        self.check_at_least(0, "hops", "supervise_attention")
        self.check_at_most(10, "hops")
