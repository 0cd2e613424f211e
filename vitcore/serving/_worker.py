"""The worker of a server: photos of all requests, decoded in threads and answered batch by batch."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

import numpy as np
import numpy.typing as npt

from vitcore.errors import VitcoreError
from vitcore.features import ImageView, Unreadable, embed_batch, load_pixels
from vitcore.inference import Classifier, Prediction

__all__ = ["Answer", "Worker"]

Answer = Prediction | Unreadable
Pixels = npt.NDArray[np.uint8]
_Waiting = tuple[Pixels, Future[Answer]]


class Worker:
    """Answers photos in the order in which they are decoded, as many at once as there are.

    On a CPU the answer to a photo is, bit for bit, that of `Classifier.predict`, whichever photos go through
    the backbone with it; on a GPU the last digits may differ, as they do there between two batch sizes.

    Args:
        classifier: What answers.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._decoders = ThreadPoolExecutor(min(16, os.cpu_count() or 1), thread_name_prefix="serve-decode")
        self._thread = Thread(target=self._work, name="serve-worker", daemon=True)
        self._thread.start()

    def submit(self, read: Callable[[], bytes]) -> Future[Answer]:
        """Ask for the answer to a photo.

        Args:
            read: Gives the bytes of its file; called once, when it is its turn to be decoded.

        Returns:
            What holds the answer later; cancelled, the photo is left out.
        """
        answer: Future[Answer] = Future()
        self._decoders.submit(self._decode, read, answer)
        return answer

    def close(self) -> None:
        """Answer what was asked for, and end."""
        self._decoders.shutdown()
        self._waiting.put(None)
        self._thread.join()

    def _decode(self, read: Callable[[], bytes], answer: Future[Answer]) -> None:
        if answer.cancelled():
            return
        try:
            pixels = load_pixels(self.classifier.embedder, ImageView(source=read()))
        except (OSError, ValueError, MemoryError) as error:  # its upload is gone, or the memory full
            if answer.set_running_or_notify_cancel():
                answer.set_exception(error)
            return
        if not isinstance(pixels, Unreadable):
            self._waiting.put((pixels, answer))
        elif answer.set_running_or_notify_cancel():
            answer.set_result(pixels)

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch: list[_Waiting] = [first]
            with suppress(Empty):
                while len(batch) < self.classifier.embedder.batch_size:
                    following = self._waiting.get_nowait()
                    if following is None:
                        self._waiting.put(None)  # the end, once this batch is done
                        break
                    batch.append(following)
            self._answer([item for item in batch if item[1].set_running_or_notify_cancel()])

    def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        try:
            views = [ImageView(source=b"")] * len(batch)
            embedded = embed_batch(self.classifier.embedder, views, [pixels for pixels, _ in batch])
            answers = self.classifier.from_embeddings(embedded.vectors)
        except (VitcoreError, MemoryError, RuntimeError) as error:
            for _, waiting in batch:
                waiting.set_exception(error)
            return
        for (_, waiting), answer in zip(batch, answers, strict=True):
            waiting.set_result(answer)
