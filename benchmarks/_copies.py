"""Copies of photos that do not look the same to a backbone: how many are found, and what is taken for one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchmarks._embedded import embedded
from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.dataset import Dataset, add_images, load_image

__all__ = ["copies"]

_OF_EACH_KIND = 24
_SEED = 7
_QUALITY = 80


def copies(setting: Setting) -> list[Row]:
    """Turned, mirrored and captioned copies that are found among the photos, and photos taken for others.

    Each copy is of another photo, is 0.5 to 1.1 times as large, and is saved as JPEG. Of what is taken for
    one another none is a copy: photos as they came, and digits, which are all different.
    """
    digits = embedded(setting, "digits", *setting.sample_dataset())
    rows = [Row(name="copies: digits taken for one another", value=_grouped(digits.groups), unit="images")]
    photos, workspace = setting.photo_dataset()
    folder, originals = setting.folder(), photos.index["name"].tolist()
    made = _make_copies(photos, folder)
    together = add_images(photos, folder)
    data = embedded(setting, "photos", together, workspace)
    group = dict(zip(together.index["name"], data.groups.tolist(), strict=True))
    for kind in KINDS:
        found = [group[copy] == group[original] for copy, original in made.items() if Path(copy).stem == kind]
        rows.append(Row(name=f"copies: {kind}", value=100 * float(np.mean(found)), unit="% found"))
    alone = np.array([group[name] for name in originals])
    rows.append(Row(name="copies: photos taken for one another", value=_grouped(alone), unit="images"))
    return rows


def _grouped(groups: npt.NDArray[np.int64]) -> int:
    """The number of images that are not alone in their group."""
    _, counts = np.unique(groups, return_counts=True)
    return int(counts[counts > 1].sum())


def _make_copies(photos: Dataset, folder: Path) -> dict[str, str]:
    """Write copies of some photos into class folders; the name of the original of each."""
    random = np.random.default_rng(_SEED)
    index = photos.index
    chosen = random.choice(len(index), min(len(KINDS) * _OF_EACH_KIND, len(index)), replace=False)
    originals: dict[str, str] = {}
    for number, row in enumerate(index.iloc[chosen].itertuples()):
        kind = list(KINDS)[number % len(KINDS)]
        image = KINDS[kind](load_image(photos.path(row.file)), random)
        scale = random.uniform(0.5, 1.1)
        small = image.resize((round(image.width * scale), round(image.height * scale)))
        name = f"{row.label}/{number}/{kind}.jpg"
        (folder / name).parent.mkdir(parents=True)
        small.save(folder / name, quality=_QUALITY)
        originals[name] = str(row.name)
    return originals


def _turned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
    return image.transpose(turns[random.integers(len(turns))])


def _mirrored(image: Image.Image, random: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(image) if random.random() < 0.5 else ImageOps.flip(image)


def _captioned(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """The image with a bar of 8 to 20 % of its height, above or below it, and some words on the bar."""
    height, above = round(image.height * random.uniform(0.08, 0.2)), random.random() < 0.5
    paper, ink = (tuple(random.integers(0, 256, 3).tolist()) for _ in range(2))
    whole = Image.new("RGB", (image.width, image.height + height), paper)
    whole.paste(image, (0, height if above else 0))
    font = ImageFont.load_default(size=max(8, height / 2))
    place = (image.width / 20, (0 if above else image.height) + height / 5)
    ImageDraw.Draw(whole).text(place, "As it was, in the summer", fill=ink, font=font)
    return whole


KINDS: Mapping[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "turned": _turned,
    "mirrored": _mirrored,
    "captioned": _captioned,
}
"""The kinds of copies by name, and how they are made."""
