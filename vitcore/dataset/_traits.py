"""Sentences on what is special about the files of an import, once per set."""

from collections import Counter
from collections.abc import Iterator, Mapping

from vitcore.dataset._decode import Examined
from vitcore.messages import Message, counted

__all__ = ["about_traits"]


def about_traits(files: Mapping[str, Examined]) -> Iterator[Message]:
    """Yield what to know of images that are not seen as they lie in their files.

    Args:
        files: What was found in each, by its name.
    """
    for bits, count in sorted(Counter(file.bits for file in files.values() if file.bits).items()):
        yield counted(
            "{count} photo uses {bits} of its 16 bits per pixel; brightness is scaled by these, in "
            "training and in answers alike.",
            "{count} photos use {bits} of their 16 bits per pixel; brightness is scaled by these, in "
            "training and in answers alike.",
            count,
            bits=bits,
        )
    several = {name: file.pages for name, file in files.items() if file.pages > 1}
    if several:
        name = min(several)
        yield counted(
            "{count} file has several pages or frames ({name}: {pages}). The first is taken; with --pages "
            "every, each page is a photo.",
            "{count} files have several pages or frames ({name}: {pages}). The first is taken; with --pages "
            "every, each page is a photo.",
            len(several),
            name=name,
            pages=several[name],
        )
    dark = sum(file.dark_paper for file in files.values())
    if dark:
        yield counted(
            "{count} photo is a white drawing on transparency; it is laid on dark grey, so that it is seen.",
            "{count} photos are white drawings on transparency; they are laid on dark grey, so that they "
            "are seen.",
            dark,
        )
    flat = sorted(name for name, file in files.items() if file.flat)
    if flat:
        yield counted(
            "{count} photo shows nothing but one colour ({name}); check whether it is meant so.",
            "{count} photos show nothing but one colour (such as {name}); check whether they are meant so.",
            len(flat),
            name=flat[0],
        )
