"""What computes the embeddings: how it is chosen, and what is told of it."""

import json

import pytest

from app.shared.state import job_queue
from vitcore.compute import ENGINES, engine_is_here
from vitcore.records import plain_values
from vitcore.runs import list_runs, load_run

CHOICE = {
    "engine": "onnxruntime",
    "precision": "int8",
    "reason": (
        "ONNX Runtime in int8 is 2.5 times as fast here as PyTorch in fp32, and agrees with it on 32 of your "
        "images."
    ),
    "candidates": [
        {
            "engine": engine,
            "precision": precision,
            "images_per_second": speed,
            "cosine": cosine,
            "same_label": 1.0,
            "images": 32,
            "agrees": agrees,
        }
        for engine, precision, speed, cosine, agrees in (
            ("torch", "fp32", 4.0, 1.0, True),
            ("onnxruntime", "int8", 10.0, 0.99951, True),
            ("openvino", "bf16", 12.0, 0.9871, False),
        )
    ],
}


@pytest.fixture
def chosen(trained):
    """A run whose engine was chosen among three."""
    file = trained.run.folder / "config.json"
    config = json.loads(file.read_text())
    config["device"] |= {"engine": "onnxruntime", "precision": "int8"}
    file.write_text(json.dumps({**config, "engine": CHOICE}))
    return load_run(trained.run.id)


@pytest.mark.thorough
def test_the_engine_that_is_asked_for_is_part_of_the_training(open_page, ui, finish, trained, tiny_backbone):
    at = open_page("train")
    engine = at.selectbox(key="engine")
    assert engine.value == "auto"
    assert len(engine.options) == sum(map(engine_is_here, ENGINES))
    ui.choose_weights(at, tiny_backbone)
    at.select_slider(key="epochs").set_value(2)
    at.selectbox(key="engine").set_value("torch")
    finish(ui.press(at, "start"))
    (run,) = [run for run in list_runs() if run.id != trained.run.id]
    assert run.config.requested.engine == "torch"
    assert any("PyTorch" in text for text in ui.texts(at))
    assert not at.table  # nothing was compared


@pytest.mark.thorough
def test_a_precision_that_the_engine_does_not_know_starts_nothing(open_page, ui, trained):  # noqa: ARG001
    at = open_page("train")
    at.selectbox(key="engine").set_value("torch")
    at.selectbox(key="precision").set_value("int8").run()
    ui.press(at, "start")
    assert len(at.error) == 1
    assert job_queue().jobs() == []


@pytest.mark.parametrize("page", ["train", "runs"])
def test_why_it_was_chosen_and_how_the_others_did_is_told(open_page, ui, chosen, page):
    at = open_page(page)
    if page == "runs":
        ui.tick(at, 0)
    texts = ui.texts(at)
    assert any("ONNX Runtime in int8" in text and "Computed on CPU" in text for text in texts)
    assert any("2\\.5 times as fast" in text for text in texts)
    (table,) = at.table
    first, second, third = table.value.to_numpy().tolist()
    assert [row[0].split(" · ")[0] for row in (first, second, third)] == [
        "PyTorch",
        "ONNX Runtime",
        "OpenVINO",
    ]
    assert "used" in second[0]
    assert second[2:] == ["10.0", "0.99951", "100.0\N{NO-BREAK SPACE}%", "yes"]
    assert third[-1] == "no"
    kept = plain_values(chosen.config.engine)
    assert kept["reason"]["values"] == {"text": CHOICE["reason"]}
    assert {**kept, "reason": CHOICE["reason"]} == CHOICE


def test_a_run_of_before_there_was_a_choice_was_computed_by_torch(open_page, ui, trained):
    file = trained.run.folder / "config.json"
    config = json.loads(file.read_text())
    config.pop("engine", None)
    config["device"].pop("engine", None)
    config["requested"].pop("engine", None)
    file.write_text(json.dumps(config))
    at = open_page("train")
    assert any("by PyTorch in fp32" in text for text in ui.texts(at))
    ui.press(at, "take_settings")
    assert at.selectbox(key="engine").value == "auto"
