"""The arrows between the rooms of the app: a page, its folder, what all pages share."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
FOLDERS = sorted(path.name for path in (ROOT / "app").iterdir() if (path / "__init__.py").is_file())
# Open to all: Streamlit's private interfaces in one place, components of our own, addresses of the server.
OPEN = ("app._compat", "app.components", "app.routes")


def files(*places: str) -> list[Path]:
    return sorted(file for place in places for file in (ROOT / place).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """The modules that a file imports from, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            # What is imported may itself be a module.
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def strangers(path: Path, *rooms: str) -> list[str]:
    """What a file imports of the app and its surroundings, other than from some rooms."""
    open_to_it = (*rooms, *OPEN)
    ours = {name for name in imported(path) if name.split(".")[0] in {"app", "pages", "tests", "benchmarks"}}
    return sorted(name for name in ours if not any(f"{name}.".startswith(f"{room}.") for room in open_to_it))


def test_every_page_has_its_folder():
    assert sorted([*PAGES, "components", "shared"]) == FOLDERS


@pytest.mark.parametrize("path", files("app/components"), ids=name_of)
def test_a_component_knows_nothing_of_the_app(path):
    assert strangers(path) == []


def test_the_reader_of_imports_sees_them():
    assert "app.shared.layout.draw_opening" in imported(ROOT / "pages" / "train.py")
    assert strangers(ROOT / "pages" / "train.py", "app.shared") != []


@pytest.mark.parametrize("path", files("app/shared"), ids=name_of)
def test_what_pages_share_knows_no_page(path):
    assert strangers(path, "app.shared") == []


@pytest.mark.parametrize("path", [file for page in PAGES for file in files(f"app/{page}")], ids=name_of)
def test_the_folder_of_a_page_knows_no_other(path):
    assert strangers(path, f"app.{path.parent.name}", "app.shared", "app.components") == []


@pytest.mark.parametrize("path", files("pages"), ids=name_of)
def test_a_page_knows_its_own_folder_and_what_is_shared(path):
    assert strangers(path, f"app.{path.stem}", "app.shared", "app.components") == []


@pytest.mark.parametrize("path", files("pages", "app"), ids=name_of)
def test_no_file_of_the_app_uses_what_is_private_in_the_library(path):
    private = {
        name
        for name in imported(path)
        if name.startswith("vitcore.") and any(part.startswith("_") for part in name.split("."))
    }
    assert private == set()
