"""The rules of the house that a reader of one file cannot see."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import vitcore

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "vitcore").rglob("*.py"), *(ROOT / "vitcore").rglob("*.pyi")])
PACKAGES = ("dataset", "backbone", "training", "evaluation", "inference")
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
    assert "streamlit" in imports(ROOT / "streamlit_app.py")


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


@pytest.mark.parametrize(
    ("room", "closed_to_it"),
    [
        ("dataset", ("backbone", "features", "training", "evaluation", "inference", "runs", "pipeline")),
        ("backbone", ("dataset", "features", "training", "evaluation", "inference", "runs", "pipeline")),
        ("training", ("dataset", "backbone", "features", "inference", "runs", "pipeline")),
        ("evaluation", ("dataset", "backbone", "features", "inference", "runs", "pipeline")),
        ("inference", ("pipeline", "cli", "jobs", "charts")),
    ],
)
def test_arrows_point_one_way(room, closed_to_it):
    forbidden = [f"vitcore.{name}" for name in (*closed_to_it, "cli", "jobs", "charts")]
    for path in (ROOT / "vitcore" / room).rglob("*.py"):
        assert within(imports(path), *forbidden) == [], name_of(path)


@pytest.mark.parametrize("name", ["errors", "messages", "records", "workspace", "progress"])
def test_the_cellar_stands_on_itself(name):
    allowed = {"vitcore.errors.NotFoundError", "vitcore.errors.StorageError"}
    if name != "messages":
        allowed |= {f"vitcore.messages.{known}" for known in ("Message", "cause", "mark", "message")}
    if name == "records":
        allowed |= {"vitcore.errors.VitcoreError"}
    if name == "workspace":
        allowed |= {"vitcore.records.TEMPORARY", "vitcore.records.guard"}
    assert set(within(imports(ROOT / "vitcore" / f"{name}.py"), "vitcore")) <= allowed


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


def test_importing_the_library_is_quiet_and_loads_neither_streamlit_nor_what_is_slow_and_rarely_needed():
    script = (
        "import sys\n"
        "import vitcore, vitcore.cli\n"
        "unwanted = {'streamlit', 'timm', 'sklearn', 'onnx', 'altair', 'huggingface_hub'}\n"
        "print(*sorted(unwanted & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_every_error_is_a_vitcore_error_and_is_drawn_in_the_tree():
    errors = importlib.import_module("vitcore.errors")
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.VitcoreError)
        assert name in errors.__doc__
    defined = {
        name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__
    }
    assert defined == set(errors.__all__)
