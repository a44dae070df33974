"""What stands below a picture."""

import io

from PIL import Image

from rnnjax.visuals.figures import as_png, new_figure


def test_a_key_is_wrapped_and_makes_the_picture_higher():
    """No word of it is cut off at the edges, nor does the picture above get smaller."""

    def size(key):
        figure = new_figure(2, 1, dpi=100)
        axes = figure.subplots()
        image = Image.open(io.BytesIO(as_png(figure, key))).convert("L")
        edges = [image.crop((x, 0, x + 1, image.height)).getextrema() for x in (0, image.width - 1)]
        return image.size, edges, axes.get_position().height * image.height

    (plain, _, height), (keyed, edges, same) = size(""), size("dark: attention; " * 4)
    assert plain == (200, 100)
    assert keyed == (200, 180)  # four lines
    assert edges == [(255, 255)] * 2
    assert abs(height - same) < 12
