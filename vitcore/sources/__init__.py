"""Archives, folders, tables and names from outside, read without trusting them."""

from vitcore.sources._archives import (
    MAX_ENTRIES,
    Entry,
    Reader,
    Source,
    Watch,
    clean_name,
    is_junk,
    open_files,
    open_source,
)
from vitcore.sources._encodings import ENCODINGS, NameEncoding
from vitcore.sources._kinds import (
    ARCHIVES,
    IMAGE_FORMATS,
    IMAGE_SUFFIXES,
    START_BYTES,
    VIDEO_SUFFIXES,
    kind_by_name,
    kind_by_start,
)
from vitcore.sources._parts import NamedFile, Parts, open_parts, typed_path
from vitcore.sources._tables import TABLE_SUFFIXES, Room, Table, base_names, parse_table

__all__ = [
    "ARCHIVES",
    "ENCODINGS",
    "IMAGE_FORMATS",
    "IMAGE_SUFFIXES",
    "MAX_ENTRIES",
    "START_BYTES",
    "TABLE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Entry",
    "NameEncoding",
    "NamedFile",
    "Parts",
    "Reader",
    "Room",
    "Source",
    "Table",
    "Watch",
    "base_names",
    "clean_name",
    "is_junk",
    "kind_by_name",
    "kind_by_start",
    "open_files",
    "open_parts",
    "open_source",
    "parse_table",
    "typed_path",
]
