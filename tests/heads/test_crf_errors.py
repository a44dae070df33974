import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.heads import crf
from tests.heads import enumeration

T, B, K = 4, 2, 3
PARAMS = crf.CRFParams(np.zeros((K, K), np.float32), np.zeros(K), np.zeros(K))
SCORES = np.zeros((T, B, K), np.float32)
LENGTHS = np.array([4, 2])
ALLOWED = enumeration.constraints(("O", "B-X", "I-X"), "BIO")

FUNCTIONS = {
    "log_partition": crf.log_partition,
    "marginals": crf.marginals,
    "viterbi": crf.viterbi,
    "k_best": lambda *arguments, **options: crf.k_best(*arguments, 2, **options),
    "log_likelihood": lambda params, scores, lengths, **options: crf.log_likelihood(
        params, scores, np.zeros((T, B), int), lengths, **options
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": SCORES[0]}, r"scores have shape \[T, B, K\].*got \[2, 3\]"),
        ({"scores": SCORES[:0]}, r"T and K at least 1; got \[0, 2, 3\]"),
        ({"scores": SCORES.astype(int)}, "scores are floating; got int"),
        (
            {"scores": np.zeros((T, B, 5))},
            r"K = 5 tags, for which transitions of the params is .* \[5, 5\]; got .* \[3, 3\]",
        ),
        ({"params": PARAMS._replace(end=np.zeros(2))}, r"end of the params .* \[3\]; got .*\[2\]"),
        (
            {"allowed": ALLOWED._replace(start=ALLOWED.start[:2])},
            r"start of the constraints is bool of shape \[3\]; got bool of shape \[2\]",
        ),
        (
            {"allowed": ALLOWED._replace(end=np.zeros(K))},
            "end of the constraints is bool .* got float",
        ),
        (
            {"lengths": np.array([4, 2, 1])},
            r"lengths are .* of shape \[2\], .*; got .* \[3\]",
        ),
        ({"lengths": np.array([4.0, 2.0])}, "lengths are integers .* got float"),
        ({"lengths": np.array([4, 5])}, "lengths are within 0 .. T = 4; got 5"),
        ({"lengths": jnp.array([-1, 4])}, "lengths are within 0 .. T = 4; got -1"),
    ],
)
def test_what_does_not_fit_is_named(function, change, message):
    inputs = {"params": PARAMS, "scores": SCORES, "lengths": LENGTHS, "allowed": ALLOWED} | change
    allowed = inputs.pop("allowed")
    with pytest.raises(UserError, match=message):
        function(*inputs.values(), allowed=allowed)


@pytest.mark.parametrize("tags", [np.zeros((T, B + 1), int), np.zeros((T, B))])
def test_tags_that_do_not_fit_are_named(tags):
    for score in (crf.sequence_score, crf.log_likelihood):
        with pytest.raises(UserError, match=r"tags are integers of shape \[T, B\] = \[4, 2\]"):
            score(PARAMS, SCORES, tags, LENGTHS)


@pytest.mark.parametrize("tag", [-1, 3])
def test_a_tag_that_does_not_exist_is_named(tag):
    tags = np.zeros((T, B), int)
    tags[0, 1] = tag
    for score in (crf.sequence_score, crf.log_likelihood):
        with pytest.raises(UserError, match=rf"tags are in 0 \.\. 2; got {tag}"):
            score(PARAMS, SCORES, tags, LENGTHS)


def test_numbers_below_one_are_refused():
    with pytest.raises(UserError, match="k is at least 1; got 0"):
        crf.k_best(PARAMS, SCORES, LENGTHS, 0)
    with pytest.raises(UserError, match="at least 1 tag; got 0"):
        crf.init(jax.random.key(0), 0)


def test_traced_lengths_beyond_the_end_count_as_the_end():
    found = jax.jit(crf.log_partition)(PARAMS, SCORES, np.array([9, 1]))
    np.testing.assert_allclose(found, [4 * np.log(3), np.log(3)], rtol=1e-6)
