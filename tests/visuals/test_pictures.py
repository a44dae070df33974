import io

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from rnnjax import visuals

RED, BLUE = (0xE5, 0x3E, 0x3E), (0x42, 0x85, 0xF4)
DARK = (0x08, 0x30, 0x6B)  # The dark end of matplotlib's "Blues".
GREY = (0xED, 0xF2, 0xF7)


def where(png, colour, tolerance=0.02):
    """Whether each pixel of the left 70 %, where no scale of colours is, has a colour."""
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]
    pixels = pixels[:, : int(0.7 * pixels.shape[1])]
    return np.abs(pixels - np.array(colour) / 255).max(-1) < tolerance


def centre(png, colour):
    """Row and column of the middle of a colour, in pixels."""
    return np.argwhere(where(png, colour)).mean(axis=0)


NAMES = ("LOC", "PER", "O")


def inside(png, colour):
    """The pixels from the first to the last row and column of a colour."""
    places = np.argwhere(where(png, colour))
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0)
    return matplotlib.image.imread(io.BytesIO(png))[top:bottom, left:right, :3]


def test_numbers_are_black_on_red_and_white_on_dark_blue():
    on_red = inside(draw(("transitions", 1, 1), -2.0), RED)
    assert on_red.max(axis=-1).min() < 0.1
    on_blue = inside(visuals.draw_confusion(NAMES, np.diag([7, 0, 0])), DARK)
    assert on_blue.min(axis=-1).max() > 0.9
    assert on_blue[..., 2].min() > 0.3


def test_rows_of_a_confusion_are_the_true_types():
    counts = np.zeros((3, 3), int)
    counts[0, 1] = 7
    above = centre(visuals.draw_confusion(NAMES, counts), DARK)
    left = centre(visuals.draw_confusion(NAMES, counts.T), DARK)
    assert above[0] < left[0] - 30
    assert above[1] > left[1] + 30


def test_colours_of_a_confusion_are_shares_of_a_row():
    def dark(counts):
        return where(visuals.draw_confusion(NAMES, counts), DARK).sum()

    one = dark([[1, 0, 0], [1, 1, 0], [2, 0, 2]])
    assert one > 1000
    two = dark([[10_000, 0, 0], [0, 1, 0], [2, 0, 2]])
    assert two == pytest.approx(2 * one, rel=0.1)
    assert dark(np.zeros((3, 3), int)) == 0


TAGS = ("O", "B-P", "I-P")


def draw(place, value=2.0, **more):
    """The picture of a CRF all of whose scores are 0 but one."""
    arrays = {"transitions": np.zeros((3, 3)), "start": np.zeros(3), "end": np.zeros(3)}
    name, *index = place
    arrays[name][tuple(index)] = value
    return visuals.draw_transitions(TAGS, **arrays, **more)


def test_transitions_stand_in_the_row_they_start_from_and_the_column_they_lead_to():
    y, x = {}, {}
    for place in [("transitions", i, j) for i in range(3) for j in range(2)] + [("start", 1)]:
        y[place], x[place] = centre(draw(place), BLUE)
    step_y = y["transitions", 1, 0] - y["transitions", 0, 0]
    step_x = x["transitions", 0, 1] - x["transitions", 0, 0]
    assert min(step_y, step_x) > 20
    assert y["transitions", 2, 0] - y["transitions", 1, 0] == pytest.approx(step_y, abs=3)
    assert x["transitions", 2, 1] == pytest.approx(x["transitions", 0, 1], abs=3)
    assert y["transitions", 0, 0] - y["start", 1] == pytest.approx(step_y, abs=3)
    assert x["start", 1] == pytest.approx(x["transitions", 0, 1], abs=3)
    end = visuals.draw_transitions(("O", "B"), np.zeros((2, 2)), [0, 0], [0, 2])
    to = visuals.draw_transitions(("O", "B"), [[0, 0], [0, 2]], [0, 0], [0, 0])
    assert centre(end, BLUE)[1] > centre(to, BLUE)[1] + 20
    assert centre(end, BLUE)[0] == pytest.approx(centre(to, BLUE)[0], abs=3)


def test_colours_of_transitions_are_centred_at_zero():
    place = ("transitions", 1, 1)
    assert where(draw(place, -2.0), RED).sum() > 1000
    assert where(draw(place, -2.0), BLUE).sum() == 0
    nothing = draw(place, 0.0)
    assert where(nothing, RED).sum() == where(nothing, BLUE).sum() == 0
    both = visuals.draw_transitions(TAGS, np.diag([2.0, -1.0, 0.0]), np.zeros(3), np.zeros(3))
    assert where(both, BLUE).sum() > 1000
    assert where(both, RED).sum() == 0
    half = (np.array(RED) + 255) // 2
    assert where(both, half).sum() > 1000


def test_illegal_transitions_are_hatched_and_do_not_count():
    legal = np.ones((3, 3), bool), np.array([True, True, False]), np.ones(3, bool)
    legal[0][0, 2] = False
    transitions = np.where(legal[0], 0.0, -10_000.0)
    transitions[1, 2] = 1.5
    scores = (transitions, np.zeros(3), np.zeros(3))
    shown = visuals.draw_transitions(TAGS, *scores, allowed=legal)
    assert where(shown, BLUE).sum() > 1000
    assert where(shown, RED).sum() == 0
    all_legal = visuals.draw_transitions(TAGS, *scores)
    assert where(all_legal, RED).sum() > 1000
    assert where(all_legal, BLUE).sum() == 0
    assert where(shown, GREY).sum() > where(all_legal, GREY).sum() + 500


def test_many_names_and_odd_ones_are_drawn_small():
    names = ["$x^{$", *(f"B-{n}" for n in range(39))]
    numbers = np.arange(1600).reshape(40, 40)
    for png in (
        visuals.draw_confusion(names, numbers),
        visuals.draw_transitions(names, numbers, numbers[0], numbers[1]),
    ):
        height, width = matplotlib.image.imread(io.BytesIO(png), format="png").shape[:2]
        assert 900 < height < 1300
        assert 900 < width < 1500


def test_lines_are_in_their_panels_in_colours_of_their_own(monkeypatch):
    figures = []
    monkeypatch.setattr("rnnjax.visuals.pictures.as_png", lambda f: figures.append(f) or b"")
    band = np.array([[0.5, 1.0], [1.0, 2.0], [4.0, 8.0]])
    panels = {"a": {"x": ([0, 1], [1e-9, 1.0]), "y": ([0, 1], band)}, "b": {"y": ([3], [5.0])}}
    visuals.draw_lines(panels, "k", "norm", log=True)
    first, second = figures[0].axes
    assert [axes.get_title() for axes in (first, second)] == ["a", "b"]
    np.testing.assert_array_equal(first.lines[1].get_ydata(), [1.0, 2.0])
    assert first.lines[1].get_color() == second.lines[0].get_color() != first.lines[0].get_color()
    low, high = first.get_ylim()
    assert low < 1e-9
    assert high > 8
    (shade,) = first.collections
    assert shade.get_paths()[0].vertices[:, 1].max() == 8
    (legend,) = figures[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["x", "y"]


def test_ticks_of_counts_are_whole_numbers(monkeypatch):
    figures = []
    monkeypatch.setattr("rnnjax.visuals.pictures.as_png", lambda f: figures.append(f) or b"")
    for x in (np.arange(1, 4), np.array([1.0, 2.0, 3.0])):
        visuals.draw_lines({"": {"a": (x, [0, 1, 2])}}, "frames", "p")
    whole, any_ = (np.asarray(figure.axes[0].get_xticks()) for figure in figures)
    assert (whole == whole.round()).all()
    assert (any_ != any_.round()).any()


def test_a_legend_of_long_names_is_not_cut(monkeypatch):
    figures = []
    monkeypatch.setattr("rnnjax.visuals.pictures.as_png", lambda f: figures.append(f) or b"")
    names = [f"horizontal arm wave {n}" for n in range(6)]
    visuals.draw_lines({"": {name: ([0], [1]) for name in names}}, "k", "p")
    (figure,) = figures
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (legend,) = figure.legends
    box = legend.get_window_extent(renderer)
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
