"""What `pip install .` brings: the app starts from any folder."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests._server import ROOT, open_session, running_app

CARRIED = ("vitcore", "vitstudio", "app", "pages", ".streamlit")
FILES = ("streamlit_app.py", "frame.py", "setup.py", "pyproject.toml", "README.md", "LICENSE")


def run(*command: str | Path, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def wheel(tmp_path) -> Path:
    """The wheel of a copy of the code, so that nothing is left behind in the code itself."""
    source = tmp_path / "source"
    source.mkdir()
    for name in CARRIED:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*(ROOT / name for name in FILES), *ROOT.glob("requirements*.txt")]:
        shutil.copyfile(path, source / path.name)
    alone = [] if int(version("setuptools").partition(".")[0]) < 77 else ["--no-build-isolation"]
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", *alone, "-w", "out", ".", folder=source)
    [found] = (source / "out").glob("*.whl")
    return found


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="a virtual environment looks another way there")
def test_the_installed_app_starts_from_another_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        "vitstudio/streamlit_app.py",
        "vitstudio/pages/train.py",
        "vitstudio/.streamlit/config.toml",
        "vitstudio/app/icon.png",
        "vitstudio/app/locale/es/LC_MESSAGES/app.po",
        "vitcore/language/locale/es/LC_MESSAGES/vitcore.po",
        "vitcore/inference/web/index.html",
        "vitcore/inference/standalone/predict.py",
        "vitcore/report/report.css",
    } <= names
    assert not any(name.startswith(("app/", "pages/", "tests/", "benchmarks/")) for name in names)
    assert wheel.stat().st_size < 3e6

    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, folder=tmp_path)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    run(sys.executable, *install, folder=tmp_path)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(environment / "bin" / "vitcore", "runs", folder=elsewhere)
    with (
        running_app(elsewhere / "log", installed=environment / "bin" / "vitstudio") as app,
        open_session(app) as session,
    ):
        assert any("photos" in text for text in session.texts)
