"""The lines of code in the README of an ONNX export, run as they stand."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch

from tests.backbone.conftest import random_state
from tests.backbone.test_weights import put_into_cache
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.inference import load_classifier
from vitcore.inference._web_runtime import web_runtime
from vitcore.pipeline import export_onnx, train
from vitcore.training import Hyperparameters
from vitcore.workspace import Workspace

pytestmark = pytest.mark.thorough

CALL = """
import { readFile } from "node:fs/promises";
ort.env.wasm.numThreads = 1;
const [rgb, width, height] = [new Uint8Array(await readFile("photo.rgb")), 64, 48];
console.log(JSON.stringify(await predict(new Uint8Array(await readFile("model.onnx")), rgb, width, height)));
process.exit(0);
"""


@pytest.fixture
def tiny_pair(tmp_path, monkeypatch) -> str:
    """A pair of small networks with random weights, which lie in the cache of the model hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    names = ["test_vit.r160_in1k", "test_vit2.r160_in1k"]
    for name in names:
        state = random_state(name.partition(".")[0], num_classes=1000)
        put_into_cache(tmp_path, name, safetensors.torch.save(state))
    return "+".join(names)


@pytest.fixture(params=["tiny_backbone", "tiny_pair"])
def exported(request, picture_folder, tmp_path):
    """A run, its export as ONNX, and in that folder a photo of 64 by 48 pixels."""
    photos = picture_folder()
    compute = Compute(request.getfixturevalue(request.param))
    run = train(import_dataset(photos), Hyperparameters(epochs=3), compute=compute)
    made = export_onnx(run, tmp_path / "out", images=2)
    shutil.copyfile(photos / "red" / "000.png", made.folder / "photo.jpg")
    return run, made.folder


def snippets(folder: Path) -> dict[str, str]:
    card = (folder / "README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"```(\w+)\n(.*?)```", card, re.DOTALL))


def run_in(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippets_run_and_answer_as_the_classifier_does(exported, tmp_path):
    from PIL import Image

    run, folder = exported
    [expected] = load_classifier(run.folder).predict([folder / "photo.jpg"])
    found = snippets(folder)
    assert "InferenceSession" in found["csharp"]

    (folder / "snippet.py").write_text(found["python"])
    label, confidence, *doubt = run_in(folder, sys.executable, "snippet.py").split()
    assert label == expected.label
    assert float(confidence) == pytest.approx(expected.confidence, abs=1e-3)
    assert bool(doubt) == (not expected.sure)

    node, runtime = shutil.which("node"), web_runtime(Workspace(tmp_path / "web"))
    if node is None or runtime is None:
        pytest.skip("JavaScript needs node, and ONNX Runtime Web from its registry")
    package = folder / "node_modules" / "onnxruntime-web"
    shutil.copytree(runtime, package)
    (package / "package.json").write_text('{"type": "module", "main": "ort.wasm.min.mjs"}')
    (folder / "photo.rgb").write_bytes(Image.open(folder / "photo.jpg").convert("RGB").tobytes())
    (folder / "snippet.mjs").write_text(found["js"] + CALL)
    told = json.loads(run_in(folder, node, "snippet.mjs"))
    wanted = [expected.probabilities[label] for label in run.classes]
    assert told["probabilities"] == pytest.approx(wanted, abs=1e-3)
