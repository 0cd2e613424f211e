"""Words of the command line: UTF-8 on every system, and no commands to a terminal."""

import io
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from vitcore.cli import main
from vitcore.inference.standalone import predict as script

ODD = "می\u200cشد 猫"
ESCAPE = "\x1b[31mcat\x9b2J"


@pytest.fixture
def said(monkeypatch):
    """Runs a command as a system does whose words are cp1252; gives its status and what it said."""

    def said(*arguments, run=main) -> tuple[int, str, str]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in range(2)]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        status = run(list(map(str, arguments)))
        for stream in streams:
            stream.flush()
        out, err = (stream.buffer.getvalue().decode("utf-8") for stream in streams)
        return status, out, err

    return said


@pytest.fixture
def labelled(picture_folder):
    """A folder with a table of hostile names in it, some files that are no photos, and a class in Persian."""
    folder = picture_folder(("photos",), count=6)
    names = sorted(path.name for path in folder.rglob("*.png"))
    labels = [ODD, ODD, ESCAPE, ESCAPE, "dog", "dog"]
    rows = "".join(f"{name},{label}\n" for name, label in zip(names, labels, strict=True))
    (folder / "labels.csv").write_text(f"file,label\n{rows}", "utf-8")
    for number in range(5):
        (folder / f"note \x1b[2J{number}.txt").write_text("x", "utf-8")
    return folder


def test_names_of_any_script_are_said_on_every_system(said, labelled):
    status, out, _ = said("import", labelled, "--json")
    assert status == 0
    assert set(json.loads(out)["classes"]) == {ODD, "\ufffd[31mcat\ufffd2J", "dog"}


def test_the_reasons_are_said_by_kind_and_command_no_terminal(said, labelled):
    status, out, err = said("import", labelled)
    assert status == 0
    assert "  skipped 5: not an image file (.txt): note \ufffd[2J0.txt" in out
    assert "and 2 more\n" in out
    assert f"'{ODD}' has only 2 images" in out
    assert not set("\x1b\x9b") & set(out + err)


def test_an_error_commands_no_terminal(said, tmp_path):
    status, _, err = said("import", tmp_path / "\x1b[2J\x9b 猫.zip")
    assert status == 1
    assert "\ufffd[2J\ufffd 猫.zip" in err


def test_the_exported_script_speaks_utf8_and_commands_no_terminal(said, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").touch()
    monkeypatch.setattr(script, "Model", lambda _: Answers())
    names = [f"{number}{ODD}{ESCAPE}.png" for number in range(2)]
    Image.new("RGB", (4, 4)).save(tmp_path / names[0])
    (tmp_path / names[1]).write_text("no image", "utf-8")
    status, out, err = said(
        *(tmp_path / name for name in names), "--model", tmp_path / "model.onnx", run=script.main
    )
    assert status == 1
    assert json.loads(out) == {"path": str(tmp_path / names[0]), "label": ODD}
    assert ODD in out
    assert f"1{ODD}\ufffd[31mcat\ufffd2J.png: not an image" in err
    assert not set("\x1b\x9b") & set(out + err)


class Answers:
    """In place of an exported model."""

    def predict(self, file: Path) -> dict[str, str]:
        script.load_image(file, 4)
        return {"label": ODD}


def test_quotes_around_a_pasted_path_are_removed(said, labelled):
    status, out, _ = said("import", f'"{labelled}"', "--json")
    assert (status, json.loads(out)["images"]) == (0, 6)
