"""What a reader of the code finds of texts that people see.

The rules for pages, in short: a text of several words, or one that begins with a capital letter, is given to
`tr`, `ntr` or `mark`. What is given to `SILENT_CALLS` and `SILENT_KEYWORDS` is seen by nobody.

The rules for `vitcore`: a text of several words is a sentence that is raised or kept, and has to be in the
catalogue; so has a word that is given to `tr` or to one of `SHOWN_KEYWORDS`, or that a sentence chooses
from. An f-string that chooses between texts, ``image{'s' * (count != 1)}``, stands for several sentences.
"""

import ast
import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Nobody reads what is given to these.
SILENT_CALLS = {
    "Code",  # of `vitcore.report`: what is to be typed
    "Path", "TypeVar", "astype", "assign", "cast", "compile", "endswith", "execute", "executemany", "find",
    "find_spec", "fullmatch", "get", "getLogger", "groupby", "import_module", "joinpath", "match", "open",
    "partition", "pop", "query", "removeprefix", "removesuffix", "setdefault", "sort_values", "split",
    "startswith", "strptime", "sub", "switch_page", "transform_calculate", "transform_filter",
}  # fmt: skip
SILENT_KEYWORDS = {
    "align", "border", "cls", "color", "expr", "file_type", "format", "gap", "height", "help_key", "icon",
    "icon_position", "key", "kind", "layout", "mime", "mode", "name", "on", "on_click", "on_dismiss",
    "on_select", "persist_state", "selection_mode", "state", "type", "vertical_alignment", "width",
}  # fmt: skip
SHOWN_KEYWORDS = {"good_for", "message", "note", "reason", "sentence", "title"}

# Texts of several words that no person reads.
SILENT_TEXTS = {
    ("vitcore/records.py", "Input should be a finite number or null"),  # as pydantic words it
    ("vitcore/records.py", "Input should be a list of {0}"),
    ("vitcore/compute.py", "ONNX Runtime"),  # a name
    ("vitcore/backbone/_embedder.py", "class token and patch mean"),  # part of a digest
    ("vitcore/messages.py", "and"),
    ("vitcore/messages.py", "str | int | float | Message | tuple[Value, ...]"),
    ("vitcore/batches.py", "not sure"),  # the name of a folder
    ("vitcore/pipeline/_exporting.py", "onnx int8"),  # a kind of export
}

# What the code puts together where no reader of the code sees it.
PUT_TOGETHER = (
    *("is blurred", "is very dark", "is nearly white", "shows next to nothing"),  # audit: of one image
    *("{0} image is", "{0} images are", "All images are"),  # the findings and the remarks on sizes
    *("file format", "shape", "copies", "near-duplicates"),  # what gives a class away; what is alike
    *("dataset", "run", "name", "note"),  # what there is none of, what is too long
    *("complete", "running", "failed", "stopped", "interrupted"),  # states of a run
    *("{0} and {1}", "cpu or cuda", "cpu or mps"),  # what is joined
    *("[Errno {0}] {1}", "[Errno {0}] {1}: '{2}'"),  # errors of the disk, and what they say
    *map(os.strerror, (errno.ENOSPC, errno.EACCES, errno.ENOENT, errno.EROFS, errno.EIO, errno.EDQUOT)),
)

_FORM = re.compile(
    r":[a-z]+/[\w{}]+:|:(?:red|green|blue|orange|violet|gray|grey|primary)(?:-\w+)?\[|&\w+;|</?\w+[^>]*>"
)
_CODE = re.compile(r"(?:SELECT|INSERT|CREATE|DELETE|UPDATE|PRAGMA) |.*\bdatum\.|```", re.DOTALL)
_FIELD = "\0"
_MOST_VARIANTS = 8


@dataclass(frozen=True)
class Text:
    """A text in the code.

    Attributes:
        text: With numbered fields where an f-string has values.
        place: File and line.
        translated: Whether it is given to `tr`, `ntr` or `mark`.
        many: The plural, of `ntr`.
        shown: Whether people see it even if it is a single word.
    """

    text: str
    place: str
    translated: bool
    many: str = ""
    shown: bool = False

    @property
    def file(self) -> str:
        """The file without the line."""
        return self.place.partition(":")[0]

    @property
    def reads(self) -> bool:
        """Whether it has words, and not only fields, signs and names such as JPEG."""
        bare = re.sub(r"\{\w*\}", "", _FORM.sub("", self.text))
        words = re.findall(r"[^\W\d_]{2,}", bare)
        return not all(map(str.isupper, words)) and not _CODE.match(self.text)

    @property
    def is_sentence(self) -> bool:
        """Whether it has several words."""
        bare = re.sub(r"\{\w*\}", "x", _FORM.sub("", self.text)).strip()
        return self.reads and re.search(r"\S\s+\S", bare) is not None


def texts(*folders: str, silent: frozenset[str] = frozenset()) -> Iterator[Text]:
    """All texts of the code in some folders or files, those that nobody reads left out.

    Args:
        folders: Below the root.
        silent: Parts of paths to leave out.
    """
    for folder in folders:
        path = ROOT / folder
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if not any(part in name for part in silent):
                yield from texts_of(file.read_text(encoding="utf-8"), name)


def texts_of(code: str, name: str) -> list[Text]:
    """The texts of the code of one file."""
    reader = _Reader(name)
    reader.visit(ast.parse(code))
    return reader.found


class _Reader(ast.NodeVisitor):
    """Visits what may hold texts that people see, and leaves out the rest."""

    def __init__(self, name: str) -> None:
        self.found: list[Text] = []
        self._name = name

    def _add(
        self, text: str, node: ast.AST, *, translated: bool = False, many: str = "", shown: bool = False
    ):
        self.found.append(Text(text, f"{self._name}:{node.lineno}", translated, many, shown))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._add(node.value, node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        for variant in variants(node):
            self._add(variant, node)
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self._field(value.value)

    def _field(self, node: ast.expr) -> None:
        """What a sentence says in one of its fields: words that it chooses from are shown."""
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                self._shown(value)
        elif isinstance(node, ast.IfExp):
            self.visit(node.test)
            for value in (node.body, node.orelse):
                if isinstance(value, ast.JoinedStr):
                    for part in value.values:
                        if isinstance(part, ast.FormattedValue):
                            self._field(part.value)
                elif not isinstance(value, ast.Constant):
                    self._field(value)
        elif _alternatives(node) is None:
            self.visit(node)

    def _shown(self, node: ast.expr, *, translated: bool = False) -> None:
        """A text, or a choice of texts, that people see."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            self._add(node.value, node, translated=translated, shown=True)
        elif isinstance(node, ast.IfExp):
            self.visit(node.test)
            self._shown(node.body, translated=translated)
            self._shown(node.orelse, translated=translated)
        else:
            self.visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if isinstance(function, ast.Attribute):
            self.visit(function.value)
        if name == "ntr":
            one, many = (argument.value for argument in node.args[:2])
            self._add(one, node, translated=True, many=many)
            self.visit(node.args[2])
            return
        for argument in node.args:
            if name in {"mark", "tr"}:
                self._shown(argument, translated=True)
            elif not (name in SILENT_CALLS and isinstance(argument, ast.Constant | ast.JoinedStr)):
                self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg in SHOWN_KEYWORDS:
                self._shown(keyword.value)
            elif keyword.arg in SILENT_KEYWORDS:
                self._asked(keyword.value)
            else:
                self.visit(keyword.value)

    def _asked(self, node: ast.AST | None) -> None:
        """What is not shown, but for what is asked a translation for."""
        for child in ast.walk(node) if node is not None else ():
            if isinstance(child, ast.Call) and getattr(child.func, "id", "") in {"mark", "ntr", "tr"}:
                self.visit(child)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            self._asked(key)  # it is looked up, the value may be shown
            self.visit(value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        self._asked(node.slice)

    def visit_Compare(self, node: ast.Compare) -> None:
        if not isinstance(node.left, ast.Constant):
            self.visit(node.left)
        for other in node.comparators:
            self._asked(other)

    def visit_Assign(self, node: ast.Assign) -> None:
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            self.visit(node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:  # an annotation is no text
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # a docstring
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        defaults = [default for default in node.args.kw_defaults if default is not None]
        for child in (*node.decorator_list, *node.args.defaults, *defaults, *node.body):
            self.visit(child)

    def _pass(self, node: ast.AST) -> None:
        """Nobody sees what is in it."""

    visit_Assert = visit_Import = visit_ImportFrom = visit_MatchValue = _pass  # noqa: N815


def variants(node: ast.JoinedStr) -> list[str]:
    """The sentences that an f-string stands for, with numbered fields."""
    choices = [_choices(value) for value in node.values]
    combinations = list(product(*choices))
    if len(combinations) > _MOST_VARIANTS:
        choices = [[_FIELD] if len(texts) > 1 else texts for texts in choices]
        combinations = list(product(*choices))
    return [_numbered("".join(parts)) for parts in combinations]


def _choices(node: ast.expr) -> list[str]:
    """The texts that a part of an f-string stands for, with signs for fields."""
    if isinstance(node, ast.Constant):
        return [node.value]
    return _alternatives(node.value) or [_FIELD]


def _alternatives(node: ast.expr) -> list[str] | None:
    """The texts that an expression chooses from; None if it is another expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in product(*map(_choices, node.values))]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):  # a text times a condition
        times = _alternatives(node.left)
        return None if times is None else ["", *times]
    if isinstance(node, ast.IfExp):
        one, other = _alternatives(node.body), _alternatives(node.orelse)
        return None if one is None or other is None else [*one, *other]
    return None


def _numbered(text: str) -> str:
    first, *rest = text.split(_FIELD)
    return first + "".join(f"{{{number}}}{part}" for number, part in enumerate(rest))
