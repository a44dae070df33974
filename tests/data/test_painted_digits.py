"""The cut-out digits against Pillow's enlargements, and the painted ones against the cut-outs."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from rnnjax.data.painted_digits import cubic, cutouts, instances
from rnnjax.tasks.captioning.scenes import DigitScenes


def enlarged(image, side):
    """An 8 by 8 image by Pillow's bicubic filter, with empty pixels around it."""
    padded = Image.fromarray(np.pad(image, 4).astype(np.float32))
    return np.asarray(padded.resize((side, side), Image.Resampling.BICUBIC, box=(4, 4, 12, 12)))


@pytest.mark.parametrize("side", [10, 18])
def test_enlarging_is_that_of_pillow(side):
    for image in load_digits().images[::100]:
        weights = cubic(8, side)
        np.testing.assert_allclose(weights @ image @ weights.T, enlarged(image, side), atol=1e-4)


@pytest.mark.parametrize(("size", "side"), [("small", 10), ("large", 18)])
def test_cutouts_lose_nothing_but_faint_borders(size, side):
    images = load_digits().images
    for image, cut_out in zip(images[::20], cutouts(size)[::20], strict=True):
        whole = np.clip(enlarged(image, side) / 16, 0, 1)
        rows, columns = np.nonzero(whole >= 0.15)
        expected = whole[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        np.testing.assert_allclose(cut_out, expected, atol=1e-5)


def test_scenes_show_the_instances_that_they_name():
    targets = load_digits().target
    for split in ("train", "test"):
        source = DigitScenes(split)
        for index in range(100):
            scene = source[index]
            for group in scene.groups:
                for instance, (top, left, bottom, right) in zip(
                    group.instances, group.boxes, strict=True
                ):
                    assert targets[instance] == group.digit
                    seen = scene.image[top:bottom, left:right].max(axis=2)
                    ink = cutouts(group.size)[instance]
                    assert np.corrcoef(seen.ravel(), ink.ravel())[0, 1] > 0.97


def test_every_image_is_in_one_split():
    targets = load_digits().target
    of_split = {split: instances(split) for split in ("train", "validation", "test")}
    for digit in range(10):
        parts = [of_digit[digit] for of_digit in of_split.values()]
        assert sorted(sum(parts, ())) == np.flatnonzero(targets == digit).tolist()
        assert min(len(part) for part in parts) >= 21
