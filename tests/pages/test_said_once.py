"""What a run is worth is said in the same words and numbers by the page, the report and the model card."""

import html
import re
import shutil

from tests.report.test_renderers import leaves, spaced, texts_and_values
from vitcore.pipeline import write_report
from vitcore.pipeline._handing_on import _card
from vitcore.records import read_json, write_json
from vitcore.report import Figure, class_blocks, figure_blocks, headline, model_card
from vitcore.runs import load_run

FACTS = {
    "leak": {"images": 12, "accuracy": 0.912, "accuracy_without": 0.8125},
    "cross_validation": {
        "folds": 2,
        "accuracy": [0.7, 0.8],
        "balanced_accuracy": [0.7, 0.8],
        "cohen_kappa": [0.6, 0.7],
    },
}


def test_the_page_the_report_and_the_card_of_a_run_say_the_same(open_page, trained, tmp_path, workspace):
    state = trained.run.folder / "state.json"
    write_json(state, {**read_json(state), **FACTS})
    run = load_run(trained.run.id)
    expected = [
        leaf
        for leaf in leaves([*figure_blocks(run.evaluation, run.facts), class_blocks(run.evaluation)[0]])
        if str(leaf)
    ]
    assert len([leaf for leaf in expected if isinstance(leaf, Figure)]) == len(run.evaluation.metrics)
    assert "12 of the validation photos" in str(expected)
    assert "75.0" in str(expected)  # of the folds

    shown = {"page": texts_and_values(open_page("evaluate"))[0]}
    shown["card"] = re.sub(r"\\([^A-Za-z0-9\s])", r"\1", model_card(_card(run, trained.dataset), "model"))
    shutil.rmtree(trained.dataset.folder)  # so that no photo has to be looked at for the report
    report = write_report(run.id, tmp_path / "report.html", workspace=workspace).read_text(encoding="utf-8")
    shown["report"] = html.unescape(re.sub(r"<[^>]*>", "", report))
    for where, text in shown.items():
        assert [str(leaf) for leaf in expected if spaced(str(leaf)) not in spaced(text)] == [], where
    for where in ("page", "report"):
        for leaf in leaves(headline(run.evaluation, run.facts)):
            assert spaced(str(leaf)) in spaced(shown[where]), where
