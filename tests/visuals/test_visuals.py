import io
import math

import matplotlib.image
import numpy as np
import pytest

from rnnjax import visuals
from rnnjax.tasks.language.pages import inspection_pictures, score_page, step_table
from rnnjax.tasks.language.text_score import TextScore, perplexity, score_of_text

RED, BLUE = (0xE5, 0x3E, 0x3E), (0x42, 0x85, 0xF4)


def amount_of(png, colour, tolerance=0.02):
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]
    return (np.abs(pixels - np.array(colour) / 255).max(-1) < tolerance).mean()


def test_coloured_text_is_escaped_and_keeps_its_lines():
    shown = visuals.coloured_text('<"\n', ["red", "", "blue"], ["a < b", 'it "is"', "c"])
    assert shown == (
        '<p class="text"><span style="background:red" title="a &lt; b">&lt;</span>'
        '<span title="it &quot;is&quot;">&quot;</span>'
        '<span style="background:blue" title="c">↵\n</span></p>'
    )


def test_colours():
    assert visuals.surprise_colour(math.nan) == ""
    assert visuals.surprise_colour(0.0).endswith(",0.00)")
    assert visuals.surprise_colour(4.0).endswith(",0.50)")
    assert visuals.surprise_colour(99.0).endswith(",1.00)")
    assert visuals.signed_colour(-0.5) == "rgba(229,62,62,0.50)"
    assert visuals.signed_colour(1.5) == "rgba(66,133,244,1.00)"


def test_pages_escape_what_comes_from_outside():
    page = visuals.render_page("<em>", "<i>", {"<u>": "<s>"}, [visuals.Section("<p>", text="<q>")])
    for tag in ("em", "i", "u", "s", "q"):
        assert f"<{tag}>" not in page
        assert f"&lt;{tag}&gt;" in page


def test_activations_are_red_where_negative_and_blue_where_positive():
    low, high = np.full(160, -1.0), np.full(160, 1.0)
    text = "a $ b\n" * 26 + "世界 \t"
    assert amount_of(visuals.draw_activations(text, {"a": low}), RED) > 0.3
    assert amount_of(visuals.draw_activations(text, {"a": low}), BLUE) == 0
    assert amount_of(visuals.draw_activations(text, {"a": high}), BLUE) > 0.3
    both = visuals.draw_activations(text, {"a": low, "b": high})
    assert min(amount_of(both, RED), amount_of(both, BLUE)) > 0.15
    half = visuals.draw_activations(text[:80], {"a": low[:80]}, limit=40)
    assert 0.1 < amount_of(half, RED) < amount_of(visuals.draw_activations(text, {"a": low}), RED)


def test_saturation_and_gradients_are_drawn():
    def place_of_units(left, right):
        """Where the picture differs from one without units, as (row, column)."""
        shown, empty = (
            matplotlib.image.imread(io.BytesIO(visuals.draw_saturation({"l": {"i": units}})))
            for units in (([left] * 3, [right] * 3), ([], []))
        )
        return np.argwhere(np.abs(shown - empty).max(-1) > 0.2).mean(axis=0)

    shut, opened = place_of_units(0.9, 0.1), place_of_units(0.1, 0.9)
    assert shut[0] > opened[0] + 100
    assert shut[1] > opened[1] + 100
    norms = np.exp(-0.5 * np.arange(20.0)) * np.ones((3, 1))
    assert amount_of(visuals.draw_gradient_norms(norms), (0x2B, 0x6C, 0xB0)) > 0
    silent = inspection_pictures("ab", {"a": [0, 0]}, {"layer 1": {}}, norms)
    assert set(silent) == {"units", "gradient"}


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
