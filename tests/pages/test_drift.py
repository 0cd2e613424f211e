"""The figures of a run in use, among the photos from elsewhere."""

import json

from vitcore.evaluation import ALARM_RATE
from vitcore.inference import is_usage_kept
from vitcore.language import percent


def test_figures_are_kept_on_request_shown_and_deleted(open_section, trained):
    run = trained.run
    at = open_section("evaluate", "elsewhere")
    toggle = f"keep_usage_{run.id}"
    assert not at.toggle(key=toggle).value
    at.toggle(key=toggle).set_value(True).run()
    assert is_usage_kept(run.folder)
    rows = [["2026-12-01", run.classes[0], 0.4, 1.5], ["2026-12-02", run.classes[1], 0.4, 1.5]] * 20
    (run.folder / "usage.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    at.run()
    assert not at.exception
    [warning] = [found.value for found in at.warning if "New photos differ" in found.value]
    assert "less sure" in warning
    assert percent(ALARM_RATE) in warning
    [days] = [table.value for table in at.dataframe if f"share of {run.classes[0]}" in table.value]
    assert days["photos"].tolist() == [20, 20]
    assert days[f"share of {run.classes[0]}"].tolist() == [percent(1), percent(0)]
    at.toggle(key=toggle).set_value(False).run()
    assert not at.exception
    assert not is_usage_kept(run.folder)
