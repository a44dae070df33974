"""Cross-validation of classes: many small trainings that share one compiled step."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from flax import nnx

from rnnjax import data, training
from rnnjax.data.labelled import classes_of, drawn_folds
from rnnjax.data.padded_batches import TrainingBatches
from rnnjax.errors import UserError
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.dna_model import DnaModel
from rnnjax.tasks.dna.networks import batch_loss, make_model
from rnnjax.tasks.dna.preparation import DnaVocabulary, sequence_examples
from rnnjax.tasks.dna.sources import load_sequences

SECTIONS = 10
"""Lines of progress."""


def report(config: DnaConfig, folds: int, folder: Path) -> str:
    """Cross-validates over all sequences of a config; writes `crossvalidation.json`.

    Args:
        config: of the trainings, which make `num_steps` updates without evaluations between them.
        folds: how many; 0: one for each sequence (leave-one-out).

    Returns:
        How many sequences are right, in a line or two.

    Raises:
        UserError: the config is for genes, or there are fewer than 2 folds or sequences.
    """
    if config.problem != "classes":
        raise UserError("mode crossvalidate is for --config.problem=classes")
    examples = [one for its in load_sequences(config).values() for one in its]
    folds = folds or len(examples)
    if not 2 <= folds <= len(examples):
        raise UserError(f"--folds is 2 to {len(examples)}, the sequences, or 0; got {folds}")
    labels = np.array([one.fields["label"] for one in examples])
    found = cross_validated(examples, config, drawn_folds(len(examples), folds))
    wrong = labels != found
    places = [examples[n].place for n in np.flatnonzero(wrong)]
    classes = {c: f"{np.mean(~wrong[labels == c]):.2%}" for c in classes_of(examples)}
    rows = [
        {"place": one.place, "label": one.fields["label"], "found": str(said)}
        for one, said in zip(examples, found, strict=True)
    ]
    path = training.write_results(folder, {"crossvalidation.json": rows})
    return (
        f"{folds} folds: {np.mean(~wrong):.2%} of {len(labels):,} sequences right, {wrong.sum()} "
        f"errors; {', '.join(f'{c} {share}' for c, share in classes.items())}\n"
        f"Errors: {', '.join(places[:10])}{', ...' * (len(places) > 10)}; all: {path}"
    )


def cross_validated(
    examples: Sequence[data.Example], config: DnaConfig, folds: Sequence[np.ndarray]
) -> np.ndarray:
    """The class that each example gets from the model of the fold that holds it, `[N]`.

    Args:
        examples: N, with labels.
        config: of each training.
        folds: the indices 0 .. N - 1, divided.
    """
    vocabulary = DnaVocabulary("classes", classes_of(examples))
    every = sequence_examples(examples, config, vocabulary)
    graph, params = nnx.split(make_model(config, vocabulary), nnx.Param)
    loss_fn = training.loss_of_params(graph, functools.partial(batch_loss, config))
    step, new_state = training.make_training(config, loss_fn)
    found = np.empty(len(examples), object)
    seen = right = 0
    for n, fold in enumerate(folds, 1):
        rest = np.setdiff1d(np.arange(len(examples)), fold)
        lengths = every.ragged["lengths"]
        its = every._replace(
            get=[every.get(index) for index in rest].__getitem__,
            size=len(rest),
            ragged={"lengths": lengths._replace(lengths=lengths.lengths[rest])},
        )
        batches = TrainingBatches(its, batch_size=config.batch_size, seed=config.seed)
        state = new_state(params, None)
        for update in range(config.num_steps):
            state, _ = step(state, batches[update])
        model = nnx.merge(graph, training.evaluation_params(state))
        said = DnaModel(model, vocabulary, config).classify([examples[i] for i in fold])
        found[fold] = [one.label for one in said]
        seen += len(fold)
        right += sum(examples[i].fields["label"] == found[i] for i in fold)
        if n % max(1, len(folds) // SECTIONS) == 0:
            training.say(f"fold {n} of {len(folds)}: {right / seen:.2%} of {seen:,} right so far")
    return found
