from ._deadline import Deadline
from ._intervals import PairedDifference, paired_difference
from ._race import MOST_PHOTOS, Outcome, Photos, Source, Standing, State, drawn_by_class, race
from ._recipes import Recipe, head_title, rival_recipes

__all__ = [
    "MOST_PHOTOS",
    "Deadline",
    "Outcome",
    "PairedDifference",
    "Photos",
    "Recipe",
    "Source",
    "Standing",
    "State",
    "drawn_by_class",
    "head_title",
    "paired_difference",
    "race",
    "rival_recipes",
]
