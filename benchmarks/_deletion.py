"""The deletion test of the maps."""

import numpy as np

from benchmarks._rows import Row
from benchmarks._setting import Setting
from vitcore.compute import Compute
from vitcore.inference import deletion_test, load_classifier
from vitcore.pipeline import train

__all__ = ["deletion"]

_IMAGES = 60


def deletion(setting: Setting) -> list[Row]:
    """Probability of the predicted class without the patches that speak for it, against random ones.

    On 60 of the photos that a training with the default settings was validated with, or as many as asked for.
    The area lies between the two curves; its 95 % interval is above 0 if the maps are better than chance.
    """
    dataset, workspace = setting.photo_dataset()
    run = train(dataset, compute=Compute(setting.backbone), workspace=workspace)
    files = run.predictions["file"].to_numpy()
    chosen = np.random.default_rng(0).permutation(files)[: setting.images or _IMAGES]
    setting.say(f"  deletion: ten passes for each of {len(chosen)} photos")
    found = deletion_test(load_classifier(run.folder), [dataset.path(file) for file in chosen])
    return [
        *(
            Row(
                name=f"deletion: without {share:.0%} of the patches",
                value=100 * float(top),
                unit="% probability",
                baseline=100 * float(random),
            )
            for share, top, random in zip(found.shares, found.top, found.random, strict=True)
        ),
        *(
            Row(name=f"deletion: area{which}", value=100 * value, unit="points")
            for which, value in (("", found.area), (", low", found.low), (", high", found.high))
        ),
    ]
