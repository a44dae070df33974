"""What becomes of sequences that are longer than a limit."""

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.training.length_limit import LengthLimit

LENGTHS = np.array([2, 5, 3, 4])


@pytest.mark.parametrize(
    ("policy", "kept", "cut", "fates"),
    [
        ("truncate", [0, 1, 2, 3], [2, 3, 3, 3], ("cut", "cut")),
        ("skip", [0, 2], [2, 5, 3, 4], ("left out", "kept whole")),
        ("keep", [0, 1, 2, 3], [2, 5, 3, 4], ("kept whole", "kept whole")),
    ],
)
def test_each_policy(policy, kept, cut, fates):
    limit = LengthLimit(max_length=3, too_long=policy)
    assert limit.kept(LENGTHS, "words").tolist() == kept
    assert limit.cut(LENGTHS).tolist() == cut
    splits = {"train": LENGTHS, "validation": LENGTHS[:2], "test": LENGTHS[:1]}
    assert limit.notes(splits, "texts", "words") == [
        f"2 training texts are longer than 3 words and {fates[0]}",
        f"1 validation texts are longer than 3 words and {fates[1]}",
    ]


def test_without_a_limit_nothing_changes():
    limit = LengthLimit()
    limit.validate()
    assert limit.kept(LENGTHS, "words").tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(limit.cut(LENGTHS), LENGTHS)
    assert limit.notes({"train": LENGTHS}, "texts", "words") == []


def test_what_cannot_work_is_named():
    message = r"every training text is longer than --config.max_length=1 words: the shortest has 2"
    with pytest.raises(UserError, match=message):
        LengthLimit(max_length=1, too_long="skip").kept(LENGTHS, "words")
    with pytest.raises(UserError, match=r"--config.max_length is 1 or more; got 0"):
        LengthLimit(max_length=0).validate()
    with pytest.raises(UserError, match=r"unknown --config.too_long=cut"):
        LengthLimit(too_long="cut").validate()
