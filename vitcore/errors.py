"""Every exception that vitcore raises on purpose.

::

    VitcoreError
    ├── InputError            what was given cannot be used
    │   ├── ArchiveError      a zip, tar or folder that cannot be read or understood
    │   ├── ImageError        one image file that cannot be decoded
    │   ├── DatasetError      a dataset too small, or edited beyond use
    │   └── SettingsError     a setting out of its range, or two that contradict each other
    ├── NotFoundError         an id or a folder that the workspace does not have
    ├── BackboneError         weights that cannot be found, read or matched
    ├── DeviceError           a device or a precision that this machine does not have
    ├── StorageError          a workspace that cannot be written, or a damaged file in it
    └── Stopped               the work was asked to stop before it had anything to keep

A message says what was received, what is allowed and what to do next, in one line. It is a template and its
values, ``DatasetError("Class '{name}' has {count} images; give 2 or more.", name=label, count=1)``: the
command line prints ``str(error)``, which is English, and the app and the report show ``error.message`` in the
language of the reader.
"""

from vitcore.messages import Message, message

__all__ = [
    "ArchiveError",
    "BackboneError",
    "DatasetError",
    "DeviceError",
    "ImageError",
    "InputError",
    "NotFoundError",
    "SettingsError",
    "Stopped",
    "StorageError",
    "VitcoreError",
]


class VitcoreError(Exception):
    """Base of all errors that have a message for the user.

    Args:
        template: English, with named fields; or a whole message.
        **values: What stands in the fields.
    """

    def __init__(self, template: str | Message, /, **values: object) -> None:
        self.message = template if isinstance(template, Message) else message(template, **values)
        super().__init__(self.message)


class InputError(VitcoreError):
    """Input that cannot be used."""


class ArchiveError(InputError):
    """An archive or a folder that cannot be read or understood."""


class ImageError(InputError):
    """An image file that cannot be decoded."""


class DatasetError(InputError):
    """A dataset that is too small or otherwise unfit for what was asked."""


class SettingsError(InputError):
    """A setting out of its range, or two settings that contradict each other."""


class NotFoundError(VitcoreError):
    """An id or a folder that the workspace does not have."""


class BackboneError(VitcoreError):
    """Backbone weights that cannot be found, read or matched to an architecture."""


class DeviceError(VitcoreError):
    """A device or a precision that this machine does not have."""


class StorageError(VitcoreError):
    """A workspace that cannot be written, or a damaged file in it."""


class Stopped(VitcoreError):
    """The work was asked to stop before it had anything to keep."""
