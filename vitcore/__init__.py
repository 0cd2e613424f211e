"""Train an image classifier on a frozen Vision Transformer, and see how far it can be trusted.

>>> import vitcore
>>> dataset = vitcore.import_dataset("photos.zip")
>>> run = vitcore.train(dataset, vitcore.Hyperparameters(epochs=20))
>>> print(run.evaluation.accuracy, run.evaluation.balanced_accuracy, run.evaluation.cohen_kappa)
>>> classifier = vitcore.load_classifier(run.folder)
>>> print(classifier.predict(["new.jpg"])[0])

The pieces in between are in the sub-packages: `vitcore.sources`, `vitcore.layouts`, `vitcore.dataset`,
`vitcore.backbone`, `vitcore.features`, `vitcore.training`, `vitcore.evaluation`, `vitcore.inference`,
`vitcore.runs`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
