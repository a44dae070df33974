import io
import math
import re

import matplotlib.image
import numpy as np

from rnnjax import visuals

RED, BLUE = (0xE5, 0x3E, 0x3E), (0x42, 0x85, 0xF4)


def amount_of(png, colour, tolerance=0.02):
    """Share of the pixels left of the scale of colours that have a colour."""
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]
    pixels = pixels[:, : int(0.85 * pixels.shape[1])]
    return (np.abs(pixels - np.array(colour) / 255).max(-1) < tolerance).mean()


def test_coloured_text_is_escaped_and_keeps_its_lines():
    shown = visuals.coloured_text('<"\n', ["red", "", "blue"], ["a < b", 'it "is"', "c"])
    assert shown == (
        '<p class="text"><span style="background:red" title="a &lt; b">&lt;</span>'
        '<span title="it &quot;is&quot;">&quot;</span>'
        '<span style="background:blue" title="c">↵\n</span></p>'
    )
    words = visuals.coloured_text(["<b> ", "film"], ["red", ""])
    assert (
        words
        == '<p class="text"><span style="background:red">&lt;b&gt; </span><span>film</span></p>'
    )


def test_colours():
    assert visuals.surprise_colour(math.nan) == ""
    assert visuals.surprise_colour(0.0).endswith(" 0.00)")
    assert visuals.surprise_colour(4.0).endswith(" 0.50)")
    assert visuals.surprise_colour(99.0).endswith(" 1.00)")
    assert visuals.signed_colour(-0.5) == "rgb(var(--red) / 0.50)"
    assert visuals.signed_colour(1.5) == "rgb(var(--blue) / 1.00)"


def test_pages_escape_what_comes_from_outside():
    sections = [visuals.Section("<p>", text="<q>", table="<a>   1")]
    page = visuals.render_page("<em>", "<i>", {"<u>": "<s>"}, sections)
    assert '<pre class="lines">&lt;a&gt;   1</pre>' in page
    assert "pre.lines { white-space: pre;" in page  # wrapped columns cannot be read on a phone
    for tag in ("em", "i", "u", "s", "q"):
        assert f"<{tag}>" not in page
        assert f"&lt;{tag}&gt;" in page


def test_pictures_are_in_the_page_once_and_without_a_script():
    page = visuals.render_page(
        "", "", {}, [visuals.Section("<p>", png=b"one"), visuals.Section("")]
    )
    boxes = re.findall(r'<label class="picture">(.*?)</label>', page)
    assert boxes == [
        '<input type="checkbox"><img alt="&lt;p&gt;" src="data:image/png;base64,b25l">'
    ]
    assert page.count("b25l") == 1
    assert "<script" not in page
    assert re.search(r":checked \+ img \{[^}]*max-width: none", page)


def test_activations_are_red_where_negative_and_blue_where_positive():
    low, high = np.full(160, -1.0), np.full(160, 1.0)
    text = "a $ b\n" * 26 + "世界 \t"
    assert amount_of(visuals.draw_activations(text, {"a": low}), RED) > 0.3
    assert amount_of(visuals.draw_activations(text, {"a": low}), BLUE) == 0
    assert amount_of(visuals.draw_activations(text, {"a": high}), BLUE) > 0.3
    both = visuals.draw_activations(text, {"a": low, "b": high})
    assert min(amount_of(both, RED), amount_of(both, BLUE)) > 0.15
    many = visuals.draw_activations(text * 9, {"a": np.tile(low, 9)})
    assert many == visuals.draw_activations((text * 9)[:320], {"a": np.tile(low, 2)})


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
    assert amount_of(visuals.draw_gradient_norms(norms), (0x1F, 0x77, 0xB4)) > 0


def test_the_line_in_the_band_of_gradient_norms_is_the_median():
    norms = np.exp(-0.5 * np.arange(20.0)) * np.arange(1.0, 12.0)[:, None]
    drawn = visuals.draw_gradient_norms(norms)
    outlier, moved = norms.copy(), norms.copy()
    outlier[10] *= 1e6  # Moves the mean, and none of the quantiles.
    moved[5] *= 1.1  # Moves the median, and hardly the mean.
    assert visuals.draw_gradient_norms(outlier) == drawn
    assert visuals.draw_gradient_norms(moved) != drawn
