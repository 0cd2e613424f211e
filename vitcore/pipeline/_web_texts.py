"""The words of the web page of a classifier, in every language."""

from typing import Any

from vitcore.language import LANGUAGES, mark, speaking, tr
from vitcore.report import CardContents, about_sentences

__all__ = ["web_texts"]

_TEXTS = {
    "language": mark("Language"),
    "invitation": mark("Drop photos here, or choose some, and see which class they belong to."),
    "choose": mark("Choose photos"),
    "camera": mark("Use the camera"),
    "stop": mark("Stop the camera"),
    "loading": mark("Loading the model …"),
    "ready": mark("Ready."),
    "working": mark("Looking at the photos: {count} to go …"),
    "failed": mark("The model cannot be loaded here. Reload the page, or try another browser."),
    "no_camera": mark("There is no camera, or the browser does not allow its use."),
    "rate": mark("{rate} photos a second"),
    "unreadable": mark("This browser cannot read the file as a photo."),
    "not_sure": mark("Not sure"),
    "ambiguous": mark("A close call between several classes."),
    "novel": mark("Unlike the photos it has learned from."),
    "nearest": mark("Nearest class: {label}"),
    "about_title": mark("About this model"),
    "private": mark("Your photos stay on this device: the page sends nothing anywhere."),
}


def web_texts(card: CardContents) -> dict[str, dict[str, Any]]:
    """Return the words of a page by language: its ``name``, what to say ``about`` the run, and the rest.

    Args:
        card: What is known of the run.
    """
    found: dict[str, dict[str, Any]] = {}
    for code, name in LANGUAGES.items():
        with speaking(code):
            words = {key: tr(text) for key, text in _TEXTS.items()}
            found[code] = {**words, "name": name, "about": about_sentences(card)}
    return found
