"""What stands for a run, in words: which figure applies, and when it may be guessing."""

import numpy as np
import pytest

from vitcore.evaluation import Evaluation, evaluate
from vitcore.report import Paragraph, answers_sentence, headline, headline_notes
from vitcore.runs import CrossValidation, RunFacts, TestResult


def of(right: int, count: int = 40) -> Evaluation:
    """Figures on images of two classes, so many of which are recognised."""
    truth = np.arange(count) % 2
    given = np.where(np.arange(count) < right, truth, 1 - truth)
    return evaluate(truth, np.eye(2)[given] * 0.8 + 0.1, ["healthy", "sick"])


def grouped(right: int) -> RunFacts:
    """The facts of a run that recognises so many of 40 images of new groups, and 39 of known ones."""
    nothing = {"accuracy": (), "balanced_accuracy": (), "cohen_kappa": ()}
    return RunFacts(cross_validation=CrossValidation(folds=5, evaluation=of(right), singly=of(39), **nothing))


def notes(facts: RunFacts, rule: str = "") -> list[str]:
    """The sentences beside the headline, without their protected blanks."""
    blocks = headline_notes(of(30), facts, rule=rule)
    return [block.text.replace("\xa0", " ") for block in blocks if isinstance(block, Paragraph)]


@pytest.mark.parametrize(("right", "guessing"), [(20, True), (36, False)])
def test_what_may_be_guessing_is_said(right, guessing):
    assert any("no better than guessing" in note for note in notes(grouped(right))) is guessing


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        ("column:patient", "patient"),
        ("folder:1", "folder"),
        ("name:^([^_]+)_", "series"),
        ("time:5", "series"),
    ],
)
def test_both_figures_of_a_grouped_set_are_named_by_what_its_rule_finds(rule, word):
    facts = grouped(36)
    assert [title for title, _, _ in headline(of(30), facts, rule=rule).figures][:2] == [
        f"Accuracy: new {word}",
        f"Accuracy: known {word}",
    ]
    (note,) = [note for note in notes(facts, rule) if "Which accuracy applies" in note]
    assert f"90.0 % for a new {word}" in note
    assert "97.5 % (" in note
    assert note.endswith(f"photos of a known {word}. If in doubt, trust the first.")


def test_the_more_precise_figure_is_named_beside_a_small_exam():
    crossed = grouped(36).cross_validation
    facts = RunFacts(cross_validation=crossed, test=TestResult(evaluation=of(4, 4), times=2))
    (source,) = [note for note in notes(facts) if note.startswith("Tested on 4 test photos")]
    assert "On 40 photos in cross-validation the accuracy is 90.0 %." in source
    assert "rests on more photos" in source
    assert "2 classifiers have taken this exam" in source
    assert headline(of(30), facts).figures[0][0] == "Accuracy (final exam)"


@pytest.mark.parametrize(
    ("right", "told"),
    [(1, "1 of 24 validation photos, rightly."), (0, "1 of 24 validation photos, wrongly.")],
)
def test_a_single_answer_is_said_in_the_singular(right, told):
    assert f"It answers {told}" in answers_sentence(24, 1, right)
