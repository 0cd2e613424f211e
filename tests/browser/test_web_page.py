"""The web page of a classifier in a real browser, on a plain server, from a folder below its root."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from benchmarks._web_page import answers_on, ready, served
from tests.browser._driving import serious_findings
from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.inference._web_runtime import web_runtime
from vitcore.pipeline import export_web, train
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def runtime(tmp_path_factory) -> Path:
    """A workspace that has ONNX Runtime Web."""
    workspace = Workspace(tmp_path_factory.mktemp("web"))
    if web_runtime(workspace) is None:
        pytest.skip("needs ONNX Runtime Web, which cannot be fetched")
    return workspace.web


@pytest.fixture
def exported(runtime, workspace, picture_folder, tiny_backbone, tmp_path):
    """A run, and the folder of its page below what is served."""
    shutil.copytree(runtime, workspace.web)
    dataset = import_dataset(picture_folder(), name="Photos")
    run = train(dataset, Hyperparameters(epochs=3, validation_fraction=0.5), compute=Compute(tiny_backbone))
    made = export_web(run, tmp_path / "served" / "some" / "page", images=8)
    return run, made


@pytest.fixture
def address(exported, tmp_path) -> Iterator[str]:
    assert exported[1].folder.is_relative_to(tmp_path / "served")
    with served(tmp_path / "served") as root:
        yield f"{root}/some/page/"


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    """Photos as people have them: as they are, turned by EXIF, grey, transparent, with a palette, large."""
    folder = tmp_path / "new"
    folder.mkdir()
    random = np.random.default_rng(5)
    across = np.linspace(0, 1, 600)[None, :, None] * random.uniform(0, 255, 3)
    smooth = (across + np.linspace(0, 90, 400)[:, None, None]).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(smooth)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "plain.png")
    image.save(folder / "turned.jpg", quality=95, exif=exif)
    image.convert("L").save(folder / "grey.jpg", quality=95)
    image.quantize(64).save(folder / "palette.gif")
    image.resize((4000, 3000)).save(folder / "large.jpg", quality=95)
    alpha = Image.fromarray((np.linspace(0, 255, 600)[None, :] * np.ones((400, 1))).astype(np.uint8))
    image.putalpha(alpha)
    image.save(folder / "transparent.png")
    (folder / "no photo.png").write_bytes(b"no photo")
    return sorted(folder.iterdir())


def test_the_page_answers_as_the_command_line_does_and_sends_nothing(page, address, exported, photos, capsys):
    run, made = exported
    assert made.agreements[-1].kind.startswith("onnx")
    noted = ready(page, address)
    page.context.set_offline(True)
    page.locator("input[type=file][multiple]").set_input_files(photos)
    found = answers_on(page, len(photos))
    assert noted == []  # not one request, and no complaint

    capsys.readouterr()
    assert main(["predict", run.id, *map(str, photos), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert len(expected["predictions"]) == len(photos) - 1
    assert found["no photo.png"]["error"] == "unreadable"
    for row in expected["predictions"]:
        item = found[Path(row["path"]).name]
        assert item["label"] == row["label"]
        assert json.loads(item["probabilities"]) == pytest.approx(row["probabilities"], abs=0.02)
        assert float(item["confidence"]) == pytest.approx(row["confidence"], abs=0.02)


@pytest.mark.thorough
def test_the_page_fits_a_phone_speaks_spanish_and_uses_the_camera(browser: Browser, address, photos):
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="es-MX")
    context.set_default_timeout(60_000)
    # A camera of a canvas: what a device gives depends on the machine.
    context.add_init_script("""
        navigator.mediaDevices.getUserMedia = async () => {
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [640, 480];
            const context = canvas.getContext("2d");
            setInterval(() => {
                context.fillStyle = `hsl(${performance.now() % 360} 80% 50%)`;
                context.fillRect(0, 0, 640, 480);
            }, 40);
            return canvas.captureStream();
        };""")
    page = context.new_page()
    noted = ready(page, address)
    expect(page.get_by_text("Elegir fotos")).to_be_visible()
    page.locator("input[type=file]").set_input_files(photos)
    answers_on(page, len(photos))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Usar la cámara").click()
    expect(page.locator("#live[data-rate]")).to_be_visible()
    expect(page.locator("#seen h2")).to_be_visible()
    page.get_by_role("button", name="Parar la cámara").click()
    expect(page.locator("#live")).to_be_hidden()
    page.get_by_label("Idioma").select_option("en")
    page.get_by_text("About this model").click()
    expect(page.get_by_text("It has learned from 36 photos")).to_be_visible()
    assert noted == []
    context.close()


@pytest.mark.thorough
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_keeps_nobody_out(browser: Browser, address, photos, scheme):
    # The checks look from outside: the page itself lets no other script in.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    context.set_default_timeout(60_000)
    page = context.new_page()
    ready(page, address)
    assert serious_findings(page, "empty") == []
    page.locator("input[type=file]").set_input_files(photos)
    answers_on(page, len(photos))
    page.locator("summary").click()
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#live[data-rate]")).to_be_visible()
    assert serious_findings(page, "answers") == []
    context.close()


@pytest.mark.thorough
def test_without_a_network_the_page_refers_to_a_public_copy(exported, workspace, monkeypatch, tmp_path):
    run, _ = exported
    shutil.rmtree(workspace.web)
    monkeypatch.setattr("vitcore.inference._web_runtime._download", lambda: None)
    made = export_web(run, tmp_path / "out", images=2)
    assert {"index.html", "model.json", "model.onnx", "page.js", "photo.js", "page.css"} <= set(made.files)
    assert not any(name.endswith(".wasm") for name in made.files)
    about = json.loads((tmp_path / "out" / "model.json").read_text())["runtime"]
    assert len(about["integrity"]) == 3
    assert all(digest.startswith("sha256-") for digest in about["integrity"].values())
    assert "connect-src 'self' https://cdn.jsdelivr.net/" in (tmp_path / "out" / "index.html").read_text()
