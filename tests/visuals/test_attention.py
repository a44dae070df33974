import io

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from rnnjax.metrics.attention import WordEntropy
from rnnjax.visuals.attention import (
    FLOOR,
    GLOW,
    SHADE,
    draw_attention_over_image,
    draw_entropies,
    draw_mean_maps,
    smooth_maps,
)

GREY = np.full((56, 56, 3), 100, np.uint8)
DARK, BRIGHT = round(FLOOR + 100 * SHADE), round(100 + 155 * GLOW)
SIDE = 168
BAR = (0x2B, 0x6C, 0xB0)
NO_MAPS = np.zeros((0, 1, 1))


def pixels_of(png):
    return np.rint(255 * matplotlib.image.imread(io.BytesIO(png))[..., :3]).astype(int)


@pytest.fixture
def draw(monkeypatch):
    """Gives the figure that is drawn, and its panels: uint8 arrays."""

    def drawn(*arguments, **options):
        figures = []
        with monkeypatch.context() as patch:
            patch.setattr("rnnjax.visuals.attention.as_png", lambda figure: figures.append(figure))
            draw_attention_over_image(*arguments, **options)
        (figure,) = figures
        return figure, [np.asarray(axes.images[0].get_array()) for axes in shown(figure)]

    return drawn


def shown(figure):
    return [axes for axes in figure.axes if axes.images]


def one_hot(*cells, rows=4, columns=7):
    maps = np.zeros((len(cells), rows, columns))
    for n, cell in enumerate(cells):
        maps[n][cell] = 1
    return maps


def test_the_first_panel_is_the_image_enlarged_pixel_by_pixel(draw):
    image = np.random.default_rng(0).integers(0, 256, (56, 40, 3), np.uint8)
    _, (first, _) = draw(image, ["a"], one_hot((0, 0)))
    np.testing.assert_array_equal(first, image.repeat(3, axis=0).repeat(3, axis=1))


@pytest.mark.parametrize("even", [0.0, 0.3])
def test_attention_is_brightest_in_its_cell_and_fades_from_there(draw, even):
    cells = [(0, 5), (2, 1), (3, 6)]
    _, panels = draw(GREY, list("abc"), (1 - even) * one_hot(*cells) + even / 28)
    for panel, (row, column) in zip(panels[1:], cells, strict=True):
        light = panel[..., 0].astype(int)
        assert light.max() == BRIGHT
        y, x = np.argwhere(light == BRIGHT).mean(axis=0)
        assert (y // 42, x // 24) == (row, column)
        line = light[:, 24 * column + 12]
        assert (np.diff(line[: line.argmax() + 1]) >= 0).all()
        assert (np.diff(line[line.argmax() :]) <= 0).all()
        assert np.abs(np.diff(line)).max() < 12
        assert DARK <= light.min() < DARK + 20


@pytest.mark.parametrize("grey", [0, 40, 128, 255])
def test_images_of_any_brightness_show_where_attention_is(draw, grey):
    _, (_, light) = draw(np.full((56, 56, 3), grey, np.uint8), ["a"], one_hot((0, 0)))
    lit, unlit = int(light[0, 0, 0]), int(light[-1, -1, 0])
    assert unlit > 30
    assert lit - unlit > 60


def test_even_attention_lights_all(draw):
    _, (_, light) = draw(GREY, ["a"], np.full((1, 7, 7), 1 / 49))
    assert (light == BRIGHT).all()


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


def test_photographs_are_averaged(draw):
    image = np.random.default_rng(2).integers(0, 256, (225, 300, 3), np.uint8)
    image[:, 100:200], image[:, 200:] = image[:, 100:200] // 2, 255
    _, (panel,) = draw(image, [], NO_MAPS)
    for part, before in zip(np.split(panel, 3, axis=1), np.split(image, 3, axis=1), strict=True):
        np.testing.assert_allclose(part[:, 2:-2].mean(), before.mean(), atol=2)
        assert part[:, 2:-2].std() < 0.7 * before.std() or before.std() == 0


@pytest.mark.parametrize(
    ("size", "panel_size"),
    [((56, 56), (168, 168)), ((1, 1), (180, 180)), ((100, 50), (200, 100)), ((130, 1), (130, 1)),
     ((400, 300), (180, 135)), ((1000, 2), (180, 1))],
)  # fmt: skip
def test_panels_are_of_about_one_size(draw, size, panel_size):
    _, (panel,) = draw(np.zeros((*size, 3), np.uint8), [], NO_MAPS)
    assert panel.shape[:2] == panel_size
    assert len(draw_attention_over_image(np.zeros((*size, 3), np.uint8), [], NO_MAPS))


def test_true_boxes_are_outlined_at_their_words(draw):
    boxes = [None, [(10, 8, 24, 18)], [(30, 30, 50, 44), (2, 40, 8, 54)]]
    figure, _ = draw(GREY, list("abc"), one_hot(*[(0, 0)] * 3), boxes=boxes)
    found = [[patch.get_bbox().extents for patch in axes.patches] for axes in figure.axes]
    edges = [[np.array([left, top, right, bottom]) * 3 - 0.5 for top, left, bottom, right in its]
             for its in ((), (), *boxes[1:])]  # fmt: skip
    for some, expected in zip(found, edges, strict=True):
        np.testing.assert_allclose(np.reshape(some, (-1, 4)), np.reshape(expected, (-1, 4)))


def test_words_gates_and_titles_have_room(draw):
    """Long words are written small, long titles in lines; nothing is cut off or overlaps."""
    words = ["a", "dog", "internationalisation" * 2, r"$\frac$", "b"]
    figure, _ = draw(
        GREY, words, one_hot(*[(0, 0)] * 5), gates=[0.25] * 5, title="A dog runs. " * 40
    )
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    widths = []
    for axes, word in zip(shown(figure)[1:], words, strict=True):
        (gate,), (left, _, right, top) = axes.texts, axes.get_window_extent(renderer).extents
        assert (axes.get_title(), gate.get_text()) == (word, "β = 0.25")
        told = axes.title.get_window_extent(renderer)
        assert told.y0 >= top
        assert (told.x0 + told.x1) / 2 == pytest.approx((left + right) / 2, abs=3)
        assert gate.get_window_extent(renderer).y0 > 0
        widths.append(told.width)
    assert widths[0] < widths[1] < widths[2] <= right - left
    title = figure._suptitle.get_window_extent(renderer)
    assert told.y1 <= title.y0
    assert 0 < title.x0 < title.x1 < figure.bbox.width
    assert title.y1 <= figure.bbox.height


def test_twenty_words_make_a_compact_picture():
    png = draw_attention_over_image(GREY, ["word"] * 20, one_hot(*[(0, 0)] * 20))
    height, width = pixels_of(png).shape[:2]
    assert height < 900
    assert 900 < width < 1200


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
