"""What a network says of DNA: strands, gradients, scores, and folds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.tasks.dna import cross_validation, networks
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.dna_model import DnaModel
from rnnjax.tasks.dna.gene_scores import gene_scores
from rnnjax.tasks.dna.gene_states import STATES
from rnnjax.tasks.dna.networks import batch_loss, make_model
from rnnjax.tasks.dna.nucleotides import PROBABILITIES, encode
from rnnjax.tasks.dna.preparation import DnaVocabulary, sequence_examples
from tests.tasks.dna.test_nucleotides import OTHER
from tests.tasks.dna.test_sources import GENE, TAGS

SMALL = {"cell": "gru", "hidden_size": 4, "kmer": 2, "batch_size": 3, "num_buckets": 1}


def tiny(problem, **options):
    config = DnaConfig(problem=problem, **{**SMALL, **options})
    vocabulary = DnaVocabulary(problem, ("+", "-", "?") if problem == "classes" else ())
    return DnaModel(make_model(config, vocabulary), vocabulary, config)


@pytest.mark.parametrize("both", [True, False])
def test_both_strands_of_a_sequence_have_one_class(both):
    """The k-mers of even size are read off the centre, which the other strand shifts."""
    model = tiny("classes", both_strands=both, positions=8, kmer=3)
    sequences = ["ACGTTGCN", "GGATR"]
    turned = [its[::-1].translate(OTHER) for its in sequences]
    for a, b in zip(model.classify(sequences), model.classify(turned), strict=True):
        same = np.allclose([*a.probabilities.values()], [*b.probabilities.values()], rtol=1e-5)
        assert same == both


def test_both_strands_have_the_mean_of_their_scores():
    one = tiny("classes", kmer=1)
    both = one._replace(config=DnaConfig(**{**vars(one.config), "both_strands": True}))
    sequence = "ACGTTGCAA"
    strands = one.classify([sequence, sequence[::-1].translate(OTHER)])
    logs = np.mean([np.log([*its.probabilities.values()]) for its in strands], axis=0)
    found = [*both.classify([sequence])[0].probabilities.values()]
    np.testing.assert_allclose(found, special.softmax(logs), rtol=1e-5)  # float32


@pytest.mark.parametrize("problem", ["classes", "genes"])
def test_bases_behind_the_end_are_not_read(problem):
    model = tiny(problem, kmer=3)
    bases = np.zeros((9, 2), np.int32)
    bases[:6, 0], bases[:, 1] = encode("ACGTTG", "x"), encode("ACGTTGCAA", "x")
    lengths, other = np.array([6, 9]), bases.copy()
    other[6:, 0] = encode("CAT", "x")
    found = [
        networks.scores_of(model.model, model.config, {"bases": its, "lengths": lengths})
        for its in (bases, other)
    ]
    if problem == "genes":
        fields = [
            networks.field_of(
                model.model, model.config, {"bases": its, "lengths": lengths}, found[0]
            )[1][:6, 0]
            for its in (bases, other)
        ]
        np.testing.assert_array_equal(*fields)
        found = [scores[:6, 0] for scores in found]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("problem", ["classes", "genes"])
def test_gradient_times_input_is_the_slope_of_the_score(problem):
    """Against central differences in the probability of each base, in float64."""
    with jax.enable_x64(True):
        model = tiny(problem)
        graph, params = nnx.split(model.model, nnx.Param)
        params = jax.tree.map(lambda x: jnp.asarray(np.asarray(x, np.float64)), params)
        model = model._replace(model=nnx.merge(graph, params))
        example = data.Example({"sequence": GENE, "tags": TAGS}, "x")
        bases = jnp.asarray(encode(GENE, "x"))[:, None]
        batch = {"bases": bases, "lengths": jnp.array([len(GENE)])}
        given = np.asarray(PROBABILITIES, np.float64)[np.asarray(bases)]
        at = TAGS.index("I")  # the first donor, after two bases of a codon
        state = STATES.index("donor2")

        @jax.jit
        def score(probabilities):
            out = networks.scores_of(model.model, model.config, batch, probabilities=probabilities)
            chosen = out[at, 0] if problem == "genes" else out[0]
            wanted = state if problem == "genes" else chosen.argmax()
            return chosen[wanted] - chosen.mean()

        h = 1e-5
        slopes = np.zeros_like(given[:, 0])
        for t, n in np.argwhere(given[:, 0]):
            step = np.zeros_like(given)
            step[t, 0, n] = h
            slopes[t, n] = (score(given + step) - score(given - step)) / (2 * h)
        (found,) = model.relevance([example], ("start", "donor"))
    np.testing.assert_allclose(found[:, -1], slopes, rtol=1e-3, atol=1e-6)  # the batch is float32


def test_the_metrics_of_an_evaluation_are_the_scores_of_the_tags():
    model = tiny("genes", signals=False)
    rng = np.random.default_rng(0)
    examples = [
        data.Example({"sequence": "".join(rng.choice(list("ACGT"), n)),
                      "tags": "O" * (n - 20) + "E" * 18 + "OO"}, "x")
        for n in (40, 30, 50)
    ]  # fmt: skip
    examples[0].fields["tags"] = model.find_genes(examples)[0].tags  # one is right
    (batch,) = EvaluationBatches(
        sequence_examples(examples, model.config, model.vocabulary), batch_size=3
    )
    loss = nnx.jit(batch_loss, static_argnums=0)(model.config, model.model, batch, None)
    found = {name: float(total / count) for name, (total, count) in loss.metrics.items()}
    tagged = model.find_genes(examples)
    scores = gene_scores([one.fields["tags"] for one in examples], [one.tags for one in tagged])
    assert found["f1"] == pytest.approx(scores["nucleotide_f1"])
    assert found["exact"] == pytest.approx(100 / 3)
    assert loss.count == 120
    for one in tagged:
        assert one.coding.shape == (len(one.tags),)
        assert (one.coding >= 0).all()
        assert (one.coding <= 1 + 1e-5).all()


def test_each_fold_is_tested_by_a_model_that_never_saw_it(monkeypatch):
    rng = np.random.default_rng(0)
    letters = [list(("AC", "GT")[n % 2]) for n in range(20)]
    sequences = ["".join(rng.choice(its, 8)) for its in letters]
    examples = [data.Example({"sequence": s, "label": "ab"[s[0] in "AC"]}, s) for s in sequences]
    trained = []

    def spy(its, **options):
        trained.append({its.get(n)["bases"].tobytes() for n in range(its.size)})
        return original(its, **options)

    original = cross_validation.TrainingBatches
    monkeypatch.setattr(cross_validation, "TrainingBatches", spy)
    config = DnaConfig(
        problem="classes", **{**SMALL, "batch_size": 16}, num_steps=40, learning_rate=0.03,
        positions=8, average="none",
    )  # fmt: skip
    folds = [np.array([3, 1, 4, 7, 9]), np.setdiff1d(np.arange(20), [3, 1, 4, 7, 9])]
    found = cross_validation.cross_validated(examples, config, folds)
    everything = {encode(s, "x").tobytes() for s in sequences}
    for seen, fold in zip(trained, folds, strict=True):
        tested = {encode(sequences[n], "x").tobytes() for n in fold}
        assert seen == everything - tested
    right = found == [one.fields["label"] for one in examples]
    assert right[folds[0]].all()  # trained on 15
