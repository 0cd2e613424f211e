import io
import re

import numpy as np
import pytest
from PIL import Image

from app.text import percent
from vitcore.inference import load_classifier

pytestmark = pytest.mark.thorough


def photo(mode="RGB", kind="PNG", **options):
    """The bytes of an image file."""
    values = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    if mode == "F":
        image = Image.fromarray(values.astype(np.float32) / 255)
    elif mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(np.stack([values, values[::-1], values[:, ::-1]], axis=-1)).convert(mode)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def upload(at, *files):
    at.file_uploader(key="photos").set_value([(*file, "image/png") for file in files]).run()
    assert not at.exception
    return at


def pictures(at):
    return len(at.image)


def headings(at):
    """The classes that were predicted, in order."""
    return [found[1] for text in at.markdown if (found := re.match(r"### (\w+)", text.value))]


@pytest.mark.usefixtures("trained")
def test_without_photos_there_is_nothing_to_take_along(open_page):
    at = open_page("predict")
    assert pictures(at) == 0
    assert not at.download_button


def test_a_photo_gets_the_answer_of_the_classifier(open_page, ui, trained):
    classifier = load_classifier(trained.run.folder)
    rows = trained.dataset.index.drop_duplicates("label")
    files = [(f"{row.label}.png", trained.dataset.path(row.file).read_bytes()) for row in rows.itertuples()]
    expected = classifier.predict([content for _, content in files])
    at = upload(open_page("predict"), *files)
    assert headings(at) == [prediction.label for prediction in expected]
    assert pictures(at) == len(files)
    said = " ".join(ui.texts(at))
    assert all(percent(prediction.confidence) in said for prediction in expected)
    assert len(at.download_button) == 1


@pytest.mark.usefixtures("trained")
def test_a_broken_photo_is_refused_by_name_and_the_others_are_answered(open_page, ui):
    at = upload(
        open_page("predict"), ("one.png", photo()), ("two.png", b"no photo"), ("three.png", photo()[:500])
    )
    assert pictures(at) == 1
    assert len(headings(at)) == 1
    for name in ("two", "three"):
        assert any(f"{name}\\.png" in text for text in ui.texts(at))


@pytest.mark.usefixtures("trained")
def test_only_broken_photos_give_nothing_to_take_along(open_page):
    at = upload(open_page("predict"), ("one.png", b""))
    assert pictures(at) == 0
    assert not at.download_button


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
        ("P", "GIF"),
        ("RGB", "BMP"),
        ("1", "BMP"),
        ("RGB", "TIFF"),
        ("CMYK", "TIFF"),
        ("F", "TIFF"),
        ("I;16", "TIFF"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_a_photo_of_any_kind_is_shown_and_answered(open_page, mode, kind):
    at = upload(open_page("predict"), (f"photo.{kind.lower()}", photo(mode, kind)))
    assert pictures(at) == 1
    assert len(headings(at)) == 1


@pytest.mark.usefixtures("trained")
def test_the_answer_follows_the_chosen_photos(open_page):
    at = upload(open_page("predict"), ("one.png", photo()), ("two.png", photo("L")))
    assert pictures(at) == 2
    upload(at, ("two.png", photo("L")))
    assert pictures(at) == 1
    upload(at)
    assert pictures(at) == 0


@pytest.mark.usefixtures("trained")
def test_of_very_many_photos_the_first_are_looked_at_page_by_page(open_page):
    at = upload(open_page("predict"), *[(f"{number}.png", photo()) for number in range(203)])
    assert pictures(at) == 24
    assert len(at.warning) == 1
    at.session_state["predict_page"] = 9
    assert pictures(at.run()) == 200 - 8 * 24
    upload(at, ("one.png", photo()))  # fewer pages than the one that was chosen
    assert pictures(at) == 1


def test_a_classifier_whose_weights_are_gone_is_an_error(open_page, trained):
    (trained.run.folder / "model" / "head.safetensors").unlink()
    at = upload(open_page("predict"), ("one.png", photo()))
    assert len(at.error) == 1
