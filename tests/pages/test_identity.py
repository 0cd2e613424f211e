"""What was chosen is what is acted on, and what the address shows, whatever else goes on."""

import json
import random
import shutil

import pytest

from tests._variants import first_of
from vitcore.runs import list_runs, load_run


@pytest.fixture
def fabricated(trained, workspace, tmp_path):
    """Makes runs as other sessions and processes do."""
    number = iter(range(1, 10_000))
    pattern = shutil.copytree(trained.run.folder, tmp_path / "pattern")

    def fabricate(year: int):
        folder = workspace.runs / f"{year}0101-000000-{next(number):06x}"
        shutil.copytree(pattern, folder)
        return load_run(folder.name)

    for year in (2001, 2002, 2099):
        fabricate(year)
    return fabricate


class Person:
    """Somebody at a page of their own, who acts on what stands there."""

    def __init__(self, at, ui):
        self.at, self.ui = at, ui
        self.look()

    def look(self):
        self.at.run()
        assert not self.at.exception
        self.listed = [run.id for run in list_runs()]

    def tick(self, *run_ids):
        """Tick rows of the table as it was drawn when they last looked; return what is chosen then.

        On a table that is out of date a click does nothing: what was chosen before stays so.
        """
        before = set(self.at.session_state["runs_chosen"])
        self.ui.tick(self.at, *(self.listed.index(run_id) for run_id in run_ids))
        self.listed = [run.id for run in list_runs()]
        chosen = set(self.at.session_state["runs_chosen"])
        assert chosen <= set(run_ids) or chosen <= before
        return chosen

    def press(self, name):
        button = self.ui.find_button(self.at, name)
        if button is not None:
            button.click().run()
            assert not self.at.exception
            self.listed = [run.id for run in list_runs()]


def state():
    return {run.id: (run.name, run.note) for run in list_runs()}


def changed(before):
    after = state()
    return {run_id for run_id in before | after if before.get(run_id) != after.get(run_id)}


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize("actions", [10, pytest.param(200, marks=pytest.mark.thorough)])
def test_what_is_chosen_is_hit_while_trainings_come_and_go(open_page, ui, fabricated, actions):
    rng = random.Random(19)
    people = [Person(open_page("runs"), ui), Person(open_page("runs"), ui)]
    hits = 0
    for _ in range(actions):
        person = rng.choice(people)
        if ui.current_page(person.at) != "Runs":
            ui.go_to(person.at, "runs")
        person.look()
        wanted = rng.choice(person.listed)
        disturb(rng, fabricated)  # between their look at the table and their click
        act = rng.choice([rename, delete, open_run, compare])
        if act is not compare:
            if wanted not in person.tick(wanted):
                continue
            disturb(rng, fabricated)  # between their look at the buttons and their click
        before = state()
        hits += act(person, wanted)
        assert changed(before) <= {wanted}
        while len(list_runs()) < 4:
            fabricated(rng.choice([2003, 2098]))
    assert hits > actions // 4


def rename(person, wanted):
    """Name the run that is shown; return whether it was done."""
    person.at.text_input(key=f"name_{wanted}").set_value("a new name")
    before = state()
    person.press(f"describe_{wanted}")
    assert changed(before) == ({wanted} if wanted in before and before[wanted][0] != "a new name" else set())
    return wanted in before


def delete(person, wanted):
    there = wanted in state()
    person.press("delete_")
    assert person.at.session_state["runs_chosen"] == []  # and no other is ticked in its place
    return there and wanted not in state()


def open_run(person, wanted):
    person.press("open_")
    if person.ui.current_page(person.at) == "Runs":
        return False
    assert person.at.session_state["run"] == wanted
    return True


def compare(person, wanted):
    other = next(run_id for run_id in person.listed if run_id != wanted)
    chosen = person.tick(wanted, other)
    if chosen != {wanted, other}:
        return False
    named = sorted(load_run(run_id).name for run_id in chosen)
    shown = person.at.dataframe[1].value.columns
    assert sorted(name.removesuffix(" (2)") for name in shown) == named
    return True


def disturb(rng, fabricated):
    """Let a training appear or disappear, or nothing."""
    what = rng.choice(["appear", "disappear", "nothing"])
    if what == "appear" and len(list_runs()) < 8:
        fabricated(rng.choice([2000, 2050, 2098]))
    if what == "disappear" and len(list_runs()) > 4:
        shutil.rmtree(rng.choice(list_runs()).folder)


# --- the address -------------------------------------------------------------------------------


def opened_by(open_page, at):
    """A new session at the address of another one: a reload, a bookmark or a link."""
    page = {"Dataset": "dataset"}.get(at.title[0].value, at.title[0].value.lower())
    return open_page(page, address=dict(at.query_params))


@pytest.mark.parametrize("page", first_of(["evaluate", "dataset", "train", "samples", "predict", "runs"]))
def test_a_reload_shows_the_same_dataset_and_run(open_page, fabricated, page):
    at = open_page(page)
    older = list_runs()[-1]
    at.sidebar.selectbox(key="run").set_value(older.id).run()
    fabricated(2098)  # which a session without an address would begin with
    again = opened_by(open_page, at)
    assert again.session_state["run"] == older.id
    assert again.session_state["dataset"] == older.config.dataset.id


def test_a_reload_shows_the_same_section_and_photo(open_page, trained):
    at = open_page("samples")
    at.button_group(key="samples_section").set_value("labels").run()
    assert opened_by(open_page, at.run()).session_state["samples_section"] == "labels"
    at = open_page("samples")
    next(button for button in at.button if button.key.startswith("open_gallery_")).click().run()
    opened = at.session_state["opened"]
    assert opened[0] == trained.run.id
    assert opened_by(open_page, at).session_state["opened"] == opened


def test_a_link_to_what_is_gone_says_so(open_page, trained):
    at = open_page("evaluate", address={"run": "20010101-000000-00000a"})
    assert "20010101" in at.error[0].value
    assert at.session_state["run"] == trained.run.id


def test_the_name_of_a_section_that_is_no_more_leads_to_the_first(open_page, trained):
    at = open_page("evaluate", address={"run": trained.run.id, "section": "nonsense"})
    assert at.session_state["evaluate_section"] == "figures"


def test_a_dataset_of_the_same_name_does_not_take_the_place_of_the_chosen_one(open_page, trained, workspace):
    at = open_page("evaluate")
    folder = workspace.datasets / "20990101-000000-00000a"
    shutil.copytree(trained.dataset.folder, folder)
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(about))
    at.run()
    assert at.session_state["dataset"] == trained.dataset.id
    assert at.sidebar.selectbox(key="dataset").value == trained.dataset.id
