"""Text is legible on its ground: contrasts computed from the style of the pages."""

import colorsys
import re

import matplotlib
import numpy as np
import pytest

from rnnjax import visuals
from rnnjax.visuals.page import STYLE
from rnnjax.visuals.pictures import red_to_blue, text_colour

LIGHT, DARK = (
    dict(re.findall(r"--([a-z]+): ([^;}]+?) *[;}]", block))
    for block in re.findall(r":root \{(.*?\})", STYLE, re.DOTALL)
)
SCHEMES = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
ENOUGH = 4.5
"""WCAG 2.1, success criterion 1.4.3, level AA."""


def contrast(one, other):
    """The contrast ratio of WCAG 2.1 of two colours, red, green and blue from 0 to 1."""

    def luminance(colour):
        linear = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def colour_of(css, variables, ground=(1, 1, 1)):
    """A CSS colour on a ground, red, green and blue from 0 to 1."""
    while (found := re.sub(r"var\(--([a-z]+)[^()]*\)", lambda m: variables[m[1]], css)) != css:
        css = found
    if css.startswith("#"):
        return [int(css[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    numbers = [float(n) for n in re.findall(r"[\d.]+", css)]
    if css.startswith("hsl"):
        hue, saturation, lightness, *alpha = numbers
        colour = colorsys.hls_to_rgb(hue / 360, lightness / 100, saturation / 100)
    else:
        *colour, a = [n / 255 for n in numbers[:3]] + numbers[3:]
        alpha = [a]
    alpha = np.prod(alpha)  # One number, or the factors of a product.
    return [alpha * c + (1 - alpha) * g for c, g in zip(colour, ground, strict=True)]


def test_the_contrast_of_known_colours():
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((1, 0, 0), (1, 1, 1)) == pytest.approx(3.998, abs=1e-3)
    half = colour_of("rgb(var(--red) / 0.5)", {"red": "255 0 51"})
    assert half == pytest.approx([1, 0.5, 0.6])
    green = colour_of("hsl(var(--hue) 100% 25% / calc(.5 * var(--p, 1)))", {"hue": "120", "p": "1"})
    assert green == pytest.approx([0.5, 0.75, 0.5])


@SCHEMES
def test_writing_is_legible_on_the_page(scheme):
    for name in ("ink", "soft", "accent"):
        for ground in ("paper", "shade"):
            found = contrast(*(colour_of(scheme[one], scheme) for one in (name, ground)))
            assert found > ENOUGH, (name, ground)


@SCHEMES
def test_writing_is_legible_on_coloured_pieces_of_a_text(scheme):
    ink, paper = (colour_of(scheme[name], scheme) for name in ("ink", "paper"))
    strengths = np.linspace(-1, 1, 81)
    colours = {visuals.signed_colour(n) for n in strengths}
    colours |= {visuals.surprise_colour(8 * abs(n)) for n in strengths}
    assert len(colours) > 80
    for css in colours:
        assert contrast(ink, colour_of(css, scheme, paper)) > ENOUGH, css


@SCHEMES
def test_entities_and_their_types_are_legible_in_every_hue(scheme):
    ink, paper = (colour_of(scheme[name], scheme) for name in ("ink", "paper"))
    (ground,) = re.findall(r"^mark \{ background: ([^;]+);", STYLE, re.MULTILINE)
    (label,) = re.findall(
        r"^mark::after \{.*?[; ]color: ([^;}]+?) *[;}]", STYLE, re.MULTILINE | re.DOTALL
    )
    for hue in range(0, 360, 2):
        for p in ("0", "0.5", "1"):
            variables = scheme | {"hue": str(hue), "p": p}
            behind = colour_of(ground, variables, paper)
            assert contrast(ink, behind) > ENOUGH, (hue, p)
            assert contrast(colour_of(f"{label} / 1", variables), behind) > ENOUGH, (hue, p)


@pytest.mark.parametrize("colours", [red_to_blue(), matplotlib.colormaps["Blues"]])
def test_numbers_are_legible_in_the_cells_of_a_matrix(colours):
    names = {"black": (0, 0, 0), "white": (1, 1, 1)}
    for value in np.linspace(0, 1, 101):
        ground = colours(value)[:3]
        assert contrast(names[text_colour(ground)], ground) > ENOUGH, value
