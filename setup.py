"""The pages and their settings travel in the wheel, within the package that starts them."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_CARRIED = ("streamlit_app.py", "frame.py", "pages", "app", ".streamlit/config.toml")
_LEFT = shutil.ignore_patterns("__pycache__", "screenshots", "*.pyc")


class BuildWithPages(build_py):
    """Copies what Streamlit runs beside the code that is imported."""

    def run(self) -> None:
        """Build as usual, then copy."""
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib) / "vitstudio"
        for name in _CARRIED:
            target = package / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(name, target, ignore=_LEFT, dirs_exist_ok=True)
            else:
                shutil.copyfile(name, target)


setup(cmdclass={"build_py": BuildWithPages})
