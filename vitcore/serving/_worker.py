"""The worker of a server: photos of all requests, decoded in threads and answered batch by batch."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Condition, Thread

import numpy as np
import numpy.typing as npt

from vitcore.features import ImageView, Unreadable, embed_batch, load_pixels
from vitcore.inference import Classifier, Prediction

__all__ = ["Answer", "Worker"]

Answer = Prediction | Unreadable
Pixels = npt.NDArray[np.uint8]
_Waiting = tuple[Pixels, Future[Answer]]

_PATIENCE_S = 0.02


class Worker:
    """Answers photos in the order in which they are decoded, as many at once as there are.

    A batch that is not full waits a moment for photos that are on their way, for one by one they take much
    longer. On a CPU the answer to a photo is, bit for bit, that of `Classifier.predict`, whichever photos go
    through the backbone with it; on a GPU the last digits may differ, as they do there between two batch
    sizes.

    Args:
        classifier: What answers.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._changed = Condition()  # guards what follows
        self._decoded: deque[_Waiting] = deque()
        self._coming = 0  # requests that are received, and photos that are decoded
        self._ended = False
        self._decoders = ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="serve-decode")
        self._thread = Thread(target=self._work, name="serve-worker", daemon=True)
        self._thread.start()

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Say that photos are on their way; those that are not submitted at the end do not come."""
        self._come(1)
        try:
            yield
        finally:
            self._come(-1)

    def submit(self, read: Callable[[], bytes]) -> Future[Answer]:
        """Ask for the answer to a photo.

        Args:
            read: Gives the bytes of its file; called once, when it is its turn to be decoded.

        Returns:
            What holds the answer later; cancelled, the photo is left out.
        """
        answer: Future[Answer] = Future()
        self._come(1)
        self._decoders.submit(self._decode, read, answer)
        return answer

    def close(self) -> None:
        """Answer what was asked for, and end."""
        self._decoders.shutdown()
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _come(self, count: int) -> None:
        with self._changed:
            self._coming += count
            self._changed.notify()

    def _decode(self, read: Callable[[], bytes], answer: Future[Answer]) -> None:
        try:
            if answer.cancelled():
                return
            pixels = load_pixels(self.classifier.embedder, ImageView(source=read()))
            if not isinstance(pixels, Unreadable):
                with self._changed:
                    self._decoded.append((pixels, answer))
            elif answer.set_running_or_notify_cancel():
                answer.set_result(pixels)
        except Exception as error:  # noqa: BLE001 - whoever asked has to be told
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
        finally:
            self._come(-1)

    def _work(self) -> None:
        while batch := self._next_batch():
            self._answer([item for item in batch if item[1].set_running_or_notify_cancel()])

    def _next_batch(self) -> list[_Waiting]:
        """The photos that are next; none once it has ended."""
        size = self.classifier.embedder.batch_size
        with self._changed:
            self._changed.wait_for(lambda: self._decoded or self._ended)
            self._changed.wait_for(
                lambda: len(self._decoded) >= size or not self._coming or self._ended, _PATIENCE_S
            )
            return [self._decoded.popleft() for _ in range(min(size, len(self._decoded)))]

    def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            views = [ImageView(source=b"")] * len(batch)
            embedded = embed_batch(self.classifier.embedder, views, [pixels for pixels, _ in batch])
            answers = self.classifier.from_embeddings(embedded.vectors)
        except Exception as error:  # noqa: BLE001 - whoever asked has to be told, and others answered
            for _, waiting in batch:
                waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(batch, answers, strict=True):
            waiting.set_result(answer)
