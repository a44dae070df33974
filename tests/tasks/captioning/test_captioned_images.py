"""Images to be captioned, by the path of a file or a folder."""

import pytest
from PIL import Image

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage, images_at, read_images


def test_a_folder_gives_its_images_by_name(tmp_path):
    for name in ("b.PNG", "a.jpg", "notes.txt", "c.jpeg", "d.jpg.part", "e"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "f.jpg").write_bytes(b"x")
    assert images_at(str(tmp_path)) == [
        CaptionedImage(str(tmp_path / name), []) for name in ("a.jpg", "b.PNG", "c.jpeg")
    ]


def test_a_file_is_taken_whatever_its_name(tmp_path, monkeypatch):
    path = tmp_path / "picture"
    path.write_bytes(b"data")
    (image,) = images_at(str(path))
    assert image.image == str(path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert images_at("~/picture") == [image]


def test_paths_without_an_image(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(UserError, match=r"phot.jpg does not exist \(.*photo.jpg"):
        images_at(str(tmp_path / "phot.jpg"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no image in .*empty: expected names ending in \.jpg, "):
        images_at(str(tmp_path / "empty"))


def test_a_faulty_image_is_an_error_or_a_record_of_it(tmp_path):
    Image.new("RGB", (3, 3), "red").save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no image")
    images = [CaptionedImage(str(tmp_path / f"{name}.png"), []) for name in ("bad", "good")]

    def pixels_of(image):
        return image.pixels(2, "pad")

    with pytest.raises(UserError, match=r"bad\.png is no image"):
        read_images(images, pixels_of, skip_faulty=False)
    kept, (pixels,), (fault,) = read_images(images, pixels_of, skip_faulty=True)
    assert kept == images[1:]
    assert fault.startswith(f"{images[0].image} is no image")
    assert pixels.tolist() == [[[255, 0, 0]] * 2] * 2
