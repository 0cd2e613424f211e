"""Watchers: what answers the frames of a camera for one session, for as long as its page is open."""

import secrets
import threading
import weakref

from app.shared.state import job_queue
from app.shared.text import confidence_text
from vitcore.errors import VitcoreError
from vitcore.inference import Classifier
from vitcore.language import speaking, translated
from vitcore.report import answer_sentence, nearest_classes

__all__ = ["Watcher", "find_watcher"]

_watchers: "weakref.WeakValueDictionary[str, Watcher]" = weakref.WeakValueDictionary()
_lock = threading.Lock()


class Watcher:
    """Answers frames of one session's camera, ahead of longer work; it goes with the session.

    Args:
        classifier: What answers.

    Attributes:
        token: Whoever knows it may ask.
        language: In which it answers.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.token = secrets.token_urlsafe(32)
        self.language = "en"
        self._classifier = classifier
        self._queue = job_queue()
        with _lock:
            _watchers[self.token] = self

    def answer(self, frame: bytes) -> dict[str, str]:
        """Return a ``headline`` and ``details`` for a frame, or a ``problem``, in words.

        Args:
            frame: An image file.
        """
        with speaking(self.language):
            try:
                with self._queue.ahead(self._classifier.embedder.device.name):
                    (found,) = self._classifier.predict([frame])
            except VitcoreError as error:
                return {"problem": translated(error.message)}
            possible = found.possible if found.reason == "ambiguous" else ()
            chances = {name: found.probabilities[name] for name in possible or (found.label,)}
            details = nearest_classes(found.reason, chances) if found.reason else ""
            return {
                "headline": answer_sentence(found.label, found.reason, possible),
                "details": details or confidence_text(found.confidence),
            }


def find_watcher(token: str) -> Watcher | None:
    """Return the watcher of a token, if there is one."""
    with _lock:
        return _watchers.get(token)
