"""Which figure stands for which photos."""

from dataclasses import replace

import pytest

from tests.report.test_card import contents
from vitcore.evaluation import Evaluation
from vitcore.language import percent
from vitcore.report import class_blocks, headline_notes
from vitcore.runs import CrossValidation, Leak, RunFacts, TestResult

NEVER_SEEN = "photos of a new group"


@pytest.fixture
def evaluation() -> Evaluation:
    return contents().evaluation


@pytest.fixture
def grouped(evaluation) -> RunFacts:
    """Of a run whose images belong together by a rule."""
    shares = {"accuracy": (0.7, 0.8), "balanced_accuracy": (0.7, 0.8), "cohen_kappa": (0.6, 0.7)}
    return RunFacts(
        cross_validation=CrossValidation(folds=2, **shares, evaluation=evaluation, singly=evaluation)
    )


def said(evaluation: Evaluation, facts: RunFacts) -> list[str]:
    return [block.text for block in headline_notes(evaluation, facts)]


def test_where_a_rule_makes_groups_each_figure_says_for_which_photos_it_holds(evaluation, grouped):
    lead, known, _ = said(evaluation, grouped)
    assert NEVER_SEEN in lead
    assert "more photos of a known group" in known
    assert percent(evaluation.accuracy) in known


def test_without_a_rule_there_is_no_word_of_groups(evaluation, grouped):
    crossed = replace(grouped.cross_validation, singly=None)
    for facts in (RunFacts(), replace(grouped, cross_validation=crossed)):
        assert "group" not in " ".join(said(evaluation, facts))


@pytest.mark.parametrize("leak", [None, Leak(images=3, accuracy=0.9, accuracy_without=0.8)])
def test_a_test_part_that_shares_groups_with_the_others_is_not_of_new_ones(evaluation, grouped, leak):
    facts = replace(grouped, test=TestResult(evaluation=evaluation, times=1, leak=leak))
    assert (NEVER_SEEN in said(evaluation, facts)[0]) == (leak is None)


def test_classes_that_are_cut_to_the_same_name_are_told_apart(evaluation):
    names = tuple(f"{'a' * 60} {number} {'b' * 60}" for number in range(len(evaluation.classes)))
    _, table = class_blocks(replace(evaluation, classes=names))
    assert len({row[0] for row in table.rows}) == len(names)
