"""The batch size on a GPU."""

import time

__all__ = ["BatchSizer"]

_SIZES = (64, 128, 256, 512)
_WARMING_UP = 2  # batches of a size that are not counted
_COUNTED = 4
_WORTH_IT = 1.05  # times as many images per second


class BatchSizer:
    """Finds the batch size from which on larger ones hardly embed more images per second.

    It begins with the smallest, and goes on to the next for as long as that is at least 5 % faster. What
    counts is the time from one result to the next, whatever takes it: where reading the images is the
    slower part, larger batches are of no use either.
    """

    def __init__(self) -> None:
        self._sizes = list(_SIZES)
        self._place = 0
        self._settled = False
        self._rate = 0.0  # images per second of the size before
        self._ended_s: list[float] = []  # moments of the results of this size

    @property
    def size(self) -> int:
        """Images for the next batch."""
        return self._sizes[self._place]

    def add(self, images: int, at_s: float | None = None) -> None:
        """Note that a result is there.

        Args:
            images: How many it is for.
            at_s: When; now if not given.
        """
        if self._settled or images != self.size:  # the last batch of all is smaller
            return
        self._ended_s.append(time.perf_counter() if at_s is None else at_s)
        if len(self._ended_s) <= _WARMING_UP + _COUNTED:
            return
        seconds = self._ended_s[-1] - self._ended_s[_WARMING_UP]
        rate = _COUNTED * self.size / max(seconds, 1e-9)
        if rate < _WORTH_IT * self._rate:
            self._place -= 1
            self._settled = True
        elif self._place + 1 == len(self._sizes):
            self._settled = True
        else:
            self._place += 1
        self._rate, self._ended_s = rate, []

    def too_large(self, images: int) -> None:
        """Note that there was not enough memory for so many."""
        self._sizes = [size for size in self._sizes if size < images] or [max(1, images // 2)]
        self._place = min(self._place, len(self._sizes) - 1)
        self._settled = self._settled or self._place + 1 == len(self._sizes)
