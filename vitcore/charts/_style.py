"""Colours and measures that all charts share."""

import colorsys
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import pandas as pd
from altair.utils import schemapi
from babel import Locale

from vitcore.language import current, number

__all__ = [
    "BLUE",
    "GREEN",
    "HEIGHT",
    "ORANGE",
    "PALE",
    "PALETTE",
    "class_colours",
    "figure",
    "inline",
    "share",
    "share_scale",
    "spoken",
    "unchecked",
]

# Okabe and Ito, "Color universal design", 2008: distinguishable for colour-blind eyes.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"

PALETTE = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#D55E00", "#B8A500", "#7A68C8")

PALE = "#9DB2BF"  # what stands back, on a light and on a dark page

HEIGHT = 320  # of a chart with free width, in pixels

unchecked = schemapi.debug_mode(False)
"""Makes a chart without Altair's check of each of its parts, a third of the work; tests check it whole."""

_SHADES = (0.0, 0.12, -0.1, 0.06, 0.18)  # added to the lightness of the palette, round by round


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """A colour for each class, the same on every chart.

    The first eight are distinguishable for colour-blind eyes; after these come lighter and darker shades.

    Args:
        classes: All classes of the dataset in its order, for the place of a class decides its colour.

    Returns:
        Colours as ``#RRGGBB`` by class.
    """
    return {name: _shade(number) for number, name in enumerate(classes)}


def _shade(number: int) -> str:
    turn, place = divmod(number, len(PALETTE))
    code = PALETTE[place]
    red, green, blue = (int(code[start : start + 2], 16) / 255 for start in (1, 3, 5))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    lightness = min(max(lightness + _SHADES[turn % len(_SHADES)], 0.25), 0.8)
    parts = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02X}" for part in parts)


def inline(rows: pd.DataFrame | list[dict[str, Any]]) -> alt.InlineData:
    """Rows written into the chart as they are: as a table, Altair refuses more than 5,000."""
    data = alt.InlineData(values=[])
    # Given at once, Altair would check each row against its schema: seconds for thousands of images.
    data["values"] = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
    return data


def share_scale(shares: pd.Series, *, highest: float = 1.0) -> alt.Scale:
    """A scale from a round share below the lowest one to `highest`; its lower half if there is none."""
    lowest = float(shares.min()) if len(shares) else 0.0
    return alt.Scale(domain=[max(math.floor(min(lowest, highest - 0.06) * 20) / 20, 0.0), highest])


def spoken(chart: alt.LayerChart) -> alt.LayerChart:
    """The finished chart, its numbers and times as in the language of now; by itself, Vega speaks English."""
    return chart if current() == "en" else chart.configure(locale=_locale(current()))


def share(value: float, places: int = 1) -> str:
    """A share for a label, as Vega writes it with the format ``.1%``."""
    sign = "%" if current() == "en" else _locale(current())["number"]["percent"]
    return f"{number(100 * value, places)}{sign}"


def figure(value: float) -> str:
    """A number with two digits for a label: ``0.02``, ``1e-05``."""
    decimal = number(0.0, 1)[1]
    return f"{value:.2g}".replace(".", decimal)


@lru_cache(maxsize=8)
def _locale(language: str) -> dict[str, Any]:
    """Return how Vega writes numbers and times, as in https://github.com/d3/d3-format and d3-time-format."""
    locale = Locale.parse(language)
    symbols = locale.number_symbols["latn"]
    days, short_days = (
        [locale.days["format"][width][(day - 1) % 7] for day in range(7)]  # from Sunday on
        for width in ("wide", "abbreviated")
    )
    months, short_months = (
        [locale.months["format"][width][month] for month in range(1, 13)] for width in ("wide", "abbreviated")
    )
    return {
        "number": {
            "decimal": symbols["decimal"],
            "thousands": symbols["group"],
            "grouping": [3],
            "currency": ["", "\N{NO-BREAK SPACE}€"],
            "percent": locale.percent_formats[None].suffix[0],
        },
        "time": {
            "dateTime": "%A, %e %B %Y, %X",
            "date": "%d/%m/%Y",
            "time": "%H:%M:%S",
            "periods": ["AM", "PM"],
            "days": days,
            "shortDays": short_days,
            "months": months,
            "shortMonths": short_months,
        },
    }
