"""Every package that is imported is declared, and every package that is declared is used."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path for folder in ("vitcore", "app", "pages", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
OWN = {"vitcore", "app", "pages", "benchmarks", "tests"}
NEWER = {"compression"}  # in the standard library from Python 3.14 on
# Declared, and needed though no file of ours imports it.
INDIRECT = {
    "onnxscript": "torch.onnx exports with it",
    "python-multipart": "starlette reads forms with it",
    "torchvision": "timm needs the one that fits torch",
}


def imports(path: Path) -> Iterator[str]:
    """The packages that a file imports, also inside of functions and by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [
                argument.value
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            ]
        yield from (name.partition(".")[0] for name in names)


def third_party(paths: list[Path]) -> set[str]:
    names = {name for path in paths for name in imports(path)}
    return {name for name in names if name not in OWN | NEWER and name not in sys.stdlib_module_names}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(pattern: str) -> set[str]:
    """The distributions that requirement files name."""
    lines = [line for path in ROOT.glob(pattern) for line in path.read_text(encoding="utf-8").splitlines()]
    found = (re.match(r"\w[\w.-]*", line) for line in lines)
    return {canonical(match[0]) for match in found if match}


installed = cache(packages_distributions)  # reads what every distribution brings


def distributions(package: str) -> frozenset[str]:
    """The distributions that bring a package; one of its own name where it is not installed."""
    return frozenset(map(canonical, installed().get(package, [package])))


def undeclared(packages: set[str], distributions_declared: set[str]) -> list[str]:
    return sorted(package for package in packages if not distributions(package) & distributions_declared)


def test_there_is_something_to_compare():
    assert {"numpy", "scipy", "PIL", "streamlit", "ray"} <= third_party(FILES)
    assert {"numpy", "scipy", "pillow", "scikit-learn", "ray", "backports-zstd"} <= declared(
        "requirements*.txt"
    )
    assert undeclared({"PIL", "sklearn"}, {"pillow"}) == ["sklearn"]


@pytest.mark.parametrize("folder", ["vitcore", "app", "pages", "benchmarks"])
def test_what_is_imported_is_declared(folder):
    paths = [path for path in FILES if path.is_relative_to(ROOT / folder)]
    assert undeclared(third_party(paths), declared("requirements*.txt")) == []


def test_what_the_tests_import_is_declared():
    used = third_party(sorted((ROOT / "tests").rglob("*.py")))
    assert undeclared(used, declared("requirements*.txt")) == []


def test_what_is_required_is_used():
    files = [*FILES, ROOT / "frame.py", ROOT / "streamlit_app.py"]
    used = set().union(*map(distributions, third_party(files)))
    assert sorted(declared("requirements.txt") - used - INDIRECT.keys()) == []
    assert INDIRECT.keys() <= declared("requirements.txt")


def test_what_mypy_is_lenient_with_is_declared():
    modules = re.findall(r'"(\w+)\.\*"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert undeclared(set(modules), declared("requirements*.txt")) == []
