"""Limits of a server."""

from dataclasses import dataclass

from vitcore.errors import SettingsError

__all__ = ["DEFAULT_LIMITS", "Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one request may ask for.

    Attributes:
        files: Photos.
        file_bytes: Of one photo.
        request_bytes: Of all of them together.
        seconds: From the first byte of the request to the answer.
    """

    files: int = 100
    file_bytes: int = 64 * 10**6
    request_bytes: int = 256 * 10**6
    seconds: float = 120.0

    def __post_init__(self) -> None:
        """Refuse limits that let nothing through.

        Raises:
            SettingsError: One of them is not above 0.
        """
        for name, value in vars(self).items():
            if not value > 0:
                raise SettingsError("{name} is {value}; give a number above 0.", name=name, value=value)


DEFAULT_LIMITS = Limits()
