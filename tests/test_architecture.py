"""The rules of the house that a reader of one file cannot see."""

import ast
import graphlib
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import vitcore

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "vitcore").rglob("*.py"), *(ROOT / "vitcore").rglob("*.pyi")])
PACKAGES = ("sources", "layouts", "dataset", "backbone", "labelling", "training", "evaluation", "inference")
MODULES = sorted(
    {"vitcore"}
    | {
        module.name
        for module in pkgutil.walk_packages(vitcore.__path__, "vitcore.")
        if not module.name.endswith("__main__")
    }
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> set[str]:
    """The full names of all that a file imports, also inside of functions and for type checking."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module
            if path.suffix == ".pyi":  # what a lazy package shows is written relatively there
                module = ".".join([*path.relative_to(ROOT).parent.parts, str(node.module)])
            else:
                assert node.level == 0, f"{name_of(path)} imports relatively"
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def within(names: set[str], *packages: str) -> list[str]:
    return sorted(name for name in names for package in packages if f"{name}.".startswith(f"{package}."))


def test_there_is_something_to_look_at():
    assert len(FILES) > 20
    assert "vitcore.dataset._decode" in MODULES
    assert "streamlit" in imports(ROOT / "frame.py")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_library_knows_nothing_of_the_app(path):
    assert within(imports(path), "streamlit", "app", "pages", "tests", "benchmarks") == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_reads_or_writes_pickles(path):
    assert within(imports(path), "pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal") == []
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if (name_of(path), called) == ("vitcore/backbone/_weights.py", "torch.load"):
            # EfficientNet-Lite2 is published as such a file only: its digest is compared before, and
            # nothing but tensors is let in.
            assert "weights_only=True" in ast.unparse(node)
            continue
        assert called not in {"torch.load", "torch.save", "torch.hub.load", "pd.read_pickle", "eval", "exec"}
        assert not called.endswith(".to_pickle")
        if called in {"np.load", "np.save", "numpy.load", "numpy.save"}:
            assert "allow_pickle=False" in ast.unparse(node), f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_private_modules_are_used_by_their_own_package_only(path):
    own = path.relative_to(ROOT).parent.as_posix().replace("/", ".")
    for name in imports(path):
        parts = name.split(".")
        private = [n for n, part in enumerate(parts) if part.startswith("_") and not part.startswith("__")]
        if parts[0] == "vitcore" and private:
            assert ".".join(parts[: private[0]]) == own, f"{name_of(path)} imports {name}"


# Each room, and the rooms whose names it may use: the arrows of the house, all of them.
CELLAR = {
    "errors",
    "messages",
    "progress",
    "records",
    "workspace",
    "vectors",
    "compute",
    "folds",
    "text",
    "fitting",
}
ARROWS = {
    "messages": set(),
    "vectors": set(),
    "folds": set(),
    "text": set(),
    "fitting": set(),
    "errors": {"messages"},
    "compute": {"errors", "messages"},
    "progress": {"errors", "messages"},
    "records": {"errors", "messages"},
    "workspace": {"errors", "messages", "records"},
    "language": {"messages"},
    "sources": {"errors", "messages", "text"},
    "layouts": {"errors", "messages", "text", "sources"},
    "dataset": CELLAR | {"sources", "layouts"},
    "backbone": CELLAR,
    "evaluation": CELLAR | {"language"},
    "training": CELLAR | {"evaluation"},
    "labelling": {"vectors"},
    "search": CELLAR | {"training"},
    "features": CELLAR | {"dataset", "backbone"},
    "engines": CELLAR | {"dataset", "backbone", "features"},
    "audit": CELLAR | {"dataset", "features", "engines"},
    "inference": CELLAR | {"backbone", "features", "training", "evaluation"},
    "serving": CELLAR | {"features", "inference"},
    "runs": CELLAR | {"backbone", "engines", "training", "evaluation"},
    "jobs": {"errors", "messages", "progress", "records"},
    "charts": {"language", "evaluation"},
    "report": CELLAR | {"dataset", "training", "evaluation", "inference", "runs", "charts", "language"},
    "pipeline": CELLAR
    | {
        "audit",
        "backbone",
        "dataset",
        "engines",
        "evaluation",
        "features",
        "inference",
        "labelling",
        "language",
    }
    | {"layouts", "report", "runs", "search", "sources", "training"},
    "cli": CELLAR
    | {"audit", "backbone", "dataset", "engines", "evaluation", "features", "inference", "language"}
    | {"layouts", "pipeline", "report", "runs", "serving", "sources", "training"},
}


def rooms_used(room: str) -> set[str]:
    """The other rooms whose names the files of a room use."""
    names: set[str] = set()
    for path in FILES:
        if path.relative_to(ROOT / "vitcore").parts[0].removesuffix(".py") == room:
            names |= imports(path)
    return {name.split(".")[1] for name in names if name.startswith("vitcore.")} - {room}


def test_every_room_is_in_the_plan():
    rooms = {path.relative_to(ROOT / "vitcore").parts[0].removesuffix(".py") for path in FILES}
    assert rooms - {"__init__", "__init__.pyi", "__main__"} == set(ARROWS)


def test_the_plan_has_no_circle():
    assert list(graphlib.TopologicalSorter(ARROWS).static_order())


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_point_one_way(room):
    assert rooms_used(room) <= ARROWS[room]


@pytest.mark.parametrize("room", ARROWS)
def test_the_plan_has_no_arrow_that_nothing_needs(room):
    assert ARROWS[room] - CELLAR <= rooms_used(room)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "vitcore.__main__"])
def test_every_name_in_all_exists_once(name):
    module = importlib.import_module(name)
    names = module.__all__
    assert len(names) == len(set(names))
    assert [exported for exported in names if not hasattr(module, exported)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_what_a_package_shows_is_defined_in_its_private_modules(package):
    module = importlib.import_module(f"vitcore.{package}")
    stub = ROOT / "vitcore" / package / "__init__.pyi"
    shown = imports(stub if stub.is_file() else stub.with_suffix(".py"))
    own = {name.split(".")[-1] for name in within(shown, f"vitcore.{package}")}
    assert own == set(module.__all__)


def test_ruff_finds_every_all_sorted():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "RUF022,F822", "vitcore"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def loaded_by(*commands: str) -> set[str]:
    """The heavy packages that a new process has imported after some lines of Python."""
    heavy = {"streamlit", "torch", "timm", "sklearn", "scipy", "onnx", "altair", "huggingface_hub"}
    script = "\n".join(
        ["import sys", *commands, f"print(*sorted({heavy} & set(sys.modules)), file=sys.stderr)"]
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def test_importing_the_library_is_quiet_and_light():
    assert loaded_by("import vitcore, vitcore.cli") == set()


@pytest.mark.parametrize("command", [["runs"], ["--help"], ["train", "--help"]], ids=" ".join)
def test_listing_and_help_need_nothing_heavy(command):
    run = f"try: main({command})\nexcept SystemExit: pass"
    assert loaded_by("from vitcore.cli import main", run) == set()


def test_importing_and_editing_a_dataset_need_no_torch(picture_folder):
    folder = picture_folder(count=3)
    assert "torch" not in loaded_by(
        "import vitcore.dataset as d",
        f"data = d.import_dataset({str(folder)!r})",
        "d.rename_class(data, 'blue', 'sky')",
    )


def test_the_first_page_needs_no_torch():
    page, frame = (imports(ROOT / name) for name in ("pages/dataset.py", "frame.py"))
    modules = sorted({name.rpartition(".")[0] for name in page | frame if name.startswith("app.")})
    assert "torch" not in loaded_by(f"import {', '.join(modules)}")


def test_every_error_is_a_vitcore_error_and_is_drawn_in_the_tree():
    errors = importlib.import_module("vitcore.errors")
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.VitcoreError)
        assert name in errors.__doc__
    defined = {
        name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__
    }
    assert defined == set(errors.__all__)
