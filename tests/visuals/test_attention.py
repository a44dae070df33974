import io

import matplotlib
import matplotlib.image
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.metrics.attention import WordEntropy
from rnnjax.visuals.attention import (
    FLOOR,
    GAP,
    GLOW,
    SHADE,
    TITLE_LINE,
    draw_attention_over_image,
    draw_entropies,
    draw_mean_maps,
    smooth_maps,
)

GREY = np.full((56, 56, 3), 100, np.uint8)
DARK, BRIGHT = round(FLOOR + 100 * SHADE), round(100 + 155 * GLOW)
SIDE = 168
CYAN = (0x22, 0xD3, 0xEE)
BAR = (0x2B, 0x6C, 0xB0)
NO_MAPS = np.zeros((0, 1, 1))


def pixels_of(png):
    return np.rint(255 * matplotlib.image.imread(io.BytesIO(png))[..., :3]).astype(int)


def panel(pixels, n, columns, height=SIDE, width=SIDE):
    """The panel at a place, in a picture without a title and without gates."""
    row, column = divmod(n, columns)
    y = GAP // 2 + TITLE_LINE + row * (TITLE_LINE + height + GAP)
    x = GAP + column * (width + GAP)
    return pixels[y : y + height, x : x + width]


def one_hot(*cells, rows=4, columns=7):
    maps = np.zeros((len(cells), rows, columns))
    for n, cell in enumerate(cells):
        maps[n][cell] = 1
    return maps


def test_the_first_panel_is_the_image_enlarged_pixel_by_pixel():
    image = np.random.default_rng(0).integers(0, 256, (56, 40, 3), np.uint8)
    png = draw_attention_over_image(image, ["a"], one_hot((0, 0)))
    shown = panel(pixels_of(png), 0, 2, width=120)
    assert (shown == image.repeat(3, axis=0).repeat(3, axis=1)).all()


def test_hard_attention_lights_its_cell_and_nothing_else():
    cells = [(0, 5), (2, 0), (3, 6), (1, 1), (0, 0), (2, 3)]
    pixels = pixels_of(draw_attention_over_image(GREY, list("abcdef"), one_hot(*cells)))
    for n, (row, column) in enumerate(cells, 1):
        expected = np.full((SIDE, SIDE, 3), DARK)
        expected[42 * row : 42 * row + 42, 24 * column : 24 * column + 24] = BRIGHT
        assert (panel(pixels, n, 4) == expected).all()


def test_soft_attention_is_brightest_in_its_cell_and_fades_from_there():
    cells = [(0, 5), (2, 1), (3, 6)]
    maps = 0.7 * one_hot(*cells) + 0.3 / 28
    pixels = pixels_of(draw_attention_over_image(GREY, list("abc"), maps))
    for n, (row, column) in enumerate(cells, 1):
        light = panel(pixels, n, 4)[..., 0]
        assert light.max() == BRIGHT
        y, x = np.argwhere(light == BRIGHT).mean(axis=0)
        assert (y // 42, x // 24) == (row, column)
        line = light[:, 24 * column + 12]
        assert (np.diff(line[: line.argmax() + 1]) >= 0).all()
        assert (np.diff(line[line.argmax() :]) <= 0).all()
        assert np.abs(np.diff(line)).max() < 12
        assert DARK < light.min() < DARK + 20


@pytest.mark.parametrize("grey", [0, 40, 128, 255])
def test_images_of_any_brightness_show_where_attention_is(grey):
    image = np.full((56, 56, 3), grey, np.uint8)
    light = panel(pixels_of(draw_attention_over_image(image, ["a"], one_hot((0, 0)))), 1, 2)
    lit, unlit = light[0, 0, 0], light[-1, -1, 0]
    assert unlit > 30
    assert lit - unlit > 60


def test_even_attention_lights_all():
    pixels = pixels_of(draw_attention_over_image(GREY, ["a"], np.full((1, 7, 7), 1 / 49)))
    assert (panel(pixels, 1, 2) == BRIGHT).all()


def test_smooth_maps_are_averages_by_gaussian_weights():
    # Centres of two cells are 1 apart: exp(-1 / (2 * 0.6²)) = 0.249352, and 1 / 1.249352 = 0.80041.
    assert smooth_maps(np.array([[[1.0], [0.0]]]), 2, 1) == pytest.approx(
        np.array([[[0.80041], [0.19959]]]), abs=1e-5
    )
    np.testing.assert_allclose(smooth_maps(np.full((1, 5, 3), 0.2), 30, 40), 0.2)
    maps = np.random.default_rng(1).random((2, 5, 3))
    shown = smooth_maps(maps, 30, 41)
    np.testing.assert_allclose(smooth_maps(maps[:, ::-1], 30, 41), shown[:, ::-1])
    np.testing.assert_allclose(smooth_maps(maps[:, :, ::-1], 30, 41), shown[:, :, ::-1])
    np.testing.assert_allclose(smooth_maps(maps.swapaxes(1, 2), 41, 30), shown.swapaxes(1, 2))


def test_photographs_are_averaged():
    image = np.random.default_rng(2).integers(0, 256, (225, 300, 3), np.uint8)
    image[:, 100:200], image[:, 200:] = image[:, 100:200] // 2, 255
    shown = panel(pixels_of(draw_attention_over_image(image, [], NO_MAPS)), 0, 1, 135, 180)
    for part, before in zip(np.split(shown, 3, axis=1), np.split(image, 3, axis=1), strict=True):
        np.testing.assert_allclose(part[:, 2:-2].mean(), before.mean(), atol=2)
        assert part[:, 2:-2].std() < 0.7 * before.std() or before.std() == 0


@pytest.mark.parametrize(
    ("size", "panel_size"),
    [((56, 56), (168, 168)), ((1, 1), (180, 180)), ((100, 50), (200, 100)), ((130, 1), (130, 1)),
     ((400, 300), (180, 135)), ((1000, 2), (180, 1))],
)  # fmt: skip
def test_panels_are_of_about_one_size(size, panel_size):
    png = draw_attention_over_image(np.zeros((*size, 3), np.uint8), [], NO_MAPS)
    ys, xs = np.nonzero(pixels_of(png).max(axis=-1) == 0)
    assert (np.ptp(ys) + 1, np.ptp(xs) + 1) == panel_size


def test_true_boxes_are_outlined_at_their_words():
    boxes = [None, [(10, 8, 24, 18)], [(30, 30, 50, 44), (2, 40, 8, 54)]]
    pixels = pixels_of(
        draw_attention_over_image(GREY, list("abc"), one_hot(*[(0, 0)] * 3), boxes=boxes)
    )
    cyan = np.abs(pixels - CYAN).max(axis=-1) < 90
    assert not panel(cyan, 0, 4).any()
    assert not panel(cyan, 1, 4).any()
    for n, edges in [(2, (30, 24, 72, 54)), (3, (6, 90, 150, 162))]:
        places = np.argwhere(panel(cyan, n, 4))
        found = np.concatenate([places.min(axis=0), places.max(axis=0)])
        np.testing.assert_allclose(found, edges, atol=2)
    inside = panel(pixels, 2, 4)[33:69, 27:51]
    assert (inside[12:] == DARK).all()


def ink(pixels, n, columns):
    """Where there is writing above a panel: columns, from the edge of the panel."""
    row, column = divmod(n, columns)
    y = GAP // 2 + row * (TITLE_LINE + SIDE + GAP)
    x = column * (SIDE + GAP)
    dark = pixels[y : y + TITLE_LINE, x : x + SIDE + 2 * GAP].max(axis=-1) < 160
    return np.flatnonzero(dark.any(axis=0)) - GAP


def test_words_stand_over_the_middle_of_their_panels_and_long_ones_fit():
    words = ["a", "dog", "internationalisation" * 2, r"$\frac$", "世界"]
    pixels = pixels_of(draw_attention_over_image(GREY, words, one_hot(*[(0, 0)] * 5)))
    assert ink(pixels, 0, 6).size == 0
    widths = []
    for n in range(1, 6):
        where = ink(pixels, n, 6)
        assert (where[0] + where[-1]) / 2 == pytest.approx(SIDE / 2, abs=3)
        widths.append(where[-1] - where[0])
    assert widths[0] < widths[1] < widths[2] <= SIDE + GAP


def test_gates_and_titles_take_lines_of_their_own():
    def draw(**more):
        return pixels_of(
            draw_attention_over_image(GREY, list("ab"), one_hot((0, 0), (1, 1)), **more)
        )

    plain, gated = draw(), draw(gates=[0.25, 0.5])
    assert (gated[: plain.shape[0] - GAP] == plain[:-GAP]).all()
    below = gated[plain.shape[0] - GAP :]
    assert (below < 200).any()
    assert (below[:, : GAP + SIDE] == 255).all()
    titled = draw(title="A dog " + "runs " * 40)
    assert titled.shape[0] > plain.shape[0] + 3 * TITLE_LINE
    assert (titled[-plain.shape[0] + GAP :] == plain[GAP:]).all()


def test_twenty_words_make_a_compact_picture_and_none_an_image():
    many = pixels_of(draw_attention_over_image(GREY, ["word"] * 20, one_hot(*[(0, 0)] * 20)))
    assert many.shape[1] < 1200
    assert many.shape[0] < 900
    alone = pixels_of(draw_attention_over_image(GREY, [], np.zeros((0, 4, 7))))
    assert (panel(alone, 0, 1) == 100).all()
    assert alone.shape[1] == SIDE + 2 * GAP


MAPS = one_hot((0, 0), (1, 1))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"image": GREY / 255}, r"uint8 \[H, W, 3\]; got float64 \[56, 56, 3\]"),
        ({"image": GREY[..., 0]}, r"uint8 \[56, 56\]"),
        ({"image": GREY[:0]}, r"uint8 \[0, 56, 3\]"),
        ({"maps": MAPS[:1]}, r"T = 2 words; got \[1, 4, 7\]"),
        ({"maps": MAPS.reshape(2, 28)}, r"got \[2, 28\]"),
        ({"maps": MAPS - 0.1}, "at least 0"),
        ({"maps": 2 * MAPS}, "sums to 2"),
        ({"gates": [0.5]}, r"2 words, but gates \[1\]"),
        ({"boxes": [None] * 3}, "2 words, but regions of 3"),
    ],
)
def test_what_does_not_fit_is_refused(changed, words):
    with pytest.raises(UserError, match=words):
        draw_attention_over_image(**({"image": GREY, "words": ["a", "b"], "maps": MAPS} | changed))


def where(png, colour, tolerance=3):
    return np.abs(pixels_of(png) - colour).max(axis=-1) <= tolerance


def test_bars_are_as_long_as_the_entropy_and_in_the_order_given():
    means = (0.5, 1.0, 2.0)
    entropies = [WordEntropy(f"$w{mean}", mean, 3) for mean in means]
    blue = where(draw_entropies(entropies, 8), BAR)
    rows = np.flatnonzero(blue.sum(axis=1) > 20)
    bars = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    lengths = [np.median(blue[bar].sum(axis=1)) for bar in bars]
    assert np.divide(lengths, lengths[0]) == pytest.approx([1, 2, 4], rel=0.05)
    assert lengths[2] / blue.shape[1] > 0.6


def test_only_the_most_frequent_words_have_a_bar():
    rare, frequent = (2.0, 1), (0.5, 2)
    entropies = [WordEntropy(f"w{n}", *(frequent if n % 3 else rare)) for n in range(60)]
    blue = where(draw_entropies(entropies, 8), BAR)
    on = blue.sum(axis=1) > 8
    assert np.count_nonzero(np.diff(on.astype(int)) == 1) == 40
    assert blue.sum(axis=1).max() < 0.3 * blue.shape[1]


def test_mean_maps_are_drawn_on_one_scale():
    colours = np.array(matplotlib.colormaps["magma"]([1.0, 0.0, 0.25]))[:, :3]
    top, bottom, quarter = np.rint(255 * colours)
    png = draw_mean_maps(
        {"all words": np.full((2, 2), 0.25), "$dog": np.array([[0.0, 1.0], [0.0, 0.0]])}
    )
    highest, lowest, even = (where(png, colour, 1) for colour in (top, bottom, quarter))
    assert highest.sum() > 3000
    assert even.sum() == pytest.approx(4 * highest.sum(), rel=0.05)
    assert lowest.sum() == pytest.approx(3 * highest.sum(), rel=0.1)
    y, x = np.argwhere(highest).mean(axis=0)
    low_y, low_x = np.argwhere(lowest).mean(axis=0)
    assert y < low_y
    assert x > low_x
