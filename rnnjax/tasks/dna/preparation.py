"""From sequences to the batches that a network trains on."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from rnnjax import data
from rnnjax.data.labelled import check_labels, classes_of
from rnnjax.data.named_splits import also_in_training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, digest_of
from rnnjax.data.vocabulary import SavedVocabulary
from rnnjax.errors import UserError
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.gene_states import states_of
from rnnjax.tasks.dna.nucleotides import encode
from rnnjax.tasks.dna.sources import load_sequences


@dataclasses.dataclass(frozen=True)
class DnaVocabulary(SavedVocabulary):
    """The problem and the classes of a network.

    Attributes:
        problem: see `DnaConfig`.
        labels: of the classes, in the order of their ids; of genes none.
    """

    problem: str
    labels: tuple[str, ...] = ()


def prepare(config: DnaConfig, vocabulary: DnaVocabulary | None = None) -> Prepared:
    """Loads the sequences of a config and makes batches.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the sequences cannot be used, or the vocabulary lacks a class.
    """
    splits = load_sequences(config)
    labels = classes_of(splits["train"]) if config.problem == "classes" else ()
    vocabulary = vocabulary or DnaVocabulary(config.problem, labels)
    check_labels(labels, vocabulary.labels, config.data)
    # Errors in the test split are found before the training and not after it.
    every = {split: sequence_examples(its, config, vocabulary) for split, its in splits.items()}
    batches = TrainingBatches(every["train"], batch_size=config.batch_size, seed=config.seed)
    validation = EvaluationBatches(every["validation"], batch_size=config.batch_size)
    content = [[one.fields for one in splits[split]] for split in ("train", "validation")]
    sizes = ", ".join(f"{split} {len(its):,}" for split, its in splits.items())
    what = f"classes {', '.join(vocabulary.labels)[:60]}" if labels else "genes"
    mean = np.mean([len(one.fields["sequence"]) for one in splits["train"]])
    padding = batches.padding_share("bases")
    text = f"{what}: {sizes} sequences; {mean:.0f} bases on average, {padding:.0%} padding."
    seen = also_in_training(splits, "sequences", lambda one: one.fields["sequence"].upper())
    text = "\n".join([text, *(f"{note}." for note in seen)])
    return Prepared(batches, validation, text, splits, digest_of(content), vocabulary)


def sequence_examples(
    examples: Sequence[data.Example], config: DnaConfig, vocabulary: DnaVocabulary
) -> Examples:
    """Sequences in numbers: `bases` int32 `[T]`, see `encode`, and what is known of them.

    That is `states` int32 `[T]` where an example has tags, and `label` int32 where it has a label.

    Raises:
        UserError: a sequence is empty, shorter than a k-mer or has another letter than those of
            nucleotides, or its tags are no genes.
    """
    ids = {label: np.int32(n) for n, label in enumerate(vocabulary.labels)}
    arrays = []
    for one in examples:
        bases = encode(one.fields["sequence"], one.place)
        if len(bases) < config.kmer:
            raise UserError(
                f"{one.place}: the sequence has {len(bases)} bases: expected {config.kmer} or more "
                f"(--config.kmer={config.kmer})"
            )
        arrays.append({"bases": bases})
        if tags := one.fields.get("tags"):
            states = states_of(tags, bases, one.place, signals=config.signals)
            arrays[-1]["states"] = states
        if label := one.fields.get("label"):
            arrays[-1]["label"] = np.asarray(ids[label])
    lengths = np.array([len(its["bases"]) for its in arrays])
    buckets = data.bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
    fields = [name for name in ("bases", "states") if name in arrays[0]]
    return Examples(
        get=arrays.__getitem__,
        size=len(arrays),
        ragged={"lengths": Ragged(fields, lengths, buckets)},
        noun="sequence",
        name_of=lambda n: examples[n].place,
    )
