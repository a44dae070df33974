import math

import numpy as np
import pytest

from rnnjax.tasks.language.pages import inspection_pictures, score_page, step_table
from rnnjax.tasks.language.text_score import TextScore, perplexity, score_of_text


def test_cells_without_gates_have_no_picture_of_saturation():
    found = inspection_pictures("ab", {"a": [0, 0]}, {"layer 1": {}}, np.ones((3, 20)))
    assert set(found) == {"units", "gradient"}


def test_step_table_marks_the_target_and_sums_to_one():
    logits = np.log([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9]]) + 5
    lines = step_table("abc", [0, 2], [1, 2], logits).splitlines()[2:]
    assert "[   3.39  20.0%]" in lines[0]
    assert lines[0].count("[") == lines[1].count("[") == 1
    assert "[   4.89  90.0%]" in lines[1]
    assert "70.0%" in lines[0]


def test_scores_of_symbols_become_those_of_characters():
    log_probability = np.log([0.5, 0.25, 0.5, 0.125])
    score = score_of_text("aé!", [1, 2, 1], log_probability, np.array([1, 7, 2, 3]))
    np.testing.assert_allclose(score.log_probability, np.log([0.5, 0.125, 0.125]))
    assert score.rank.tolist() == [1, 7, 3]
    assert score.num_scored == 3
    assert score.total == pytest.approx(-7 * math.log(2))
    assert score.bits_per_character == pytest.approx(7 / 3)
    assert score.perplexity == pytest.approx(2 ** (7 / 3))


def test_scores_leave_out_what_has_none():
    score = TextScore("ab", np.array([np.nan, math.log(0.25)]), np.array([0, 2]))
    assert (score.num_scored, score.bits_per_character) == (1, pytest.approx(2))
    empty = TextScore("a", np.array([np.nan]), np.array([0]))
    assert math.isnan(empty.perplexity)
    assert math.isnan(empty.bits_per_character)
    page = score_page([score, empty], "Read after '\\n'.")
    assert "p = 0.25, rank 2, 2.00 bits" in page
    assert "unscored" in page
    assert (perplexity(1e4), perplexity(0)) == (math.inf, 1)
