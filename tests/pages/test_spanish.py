"""The pages in another language than that of the code: nothing is left in English, nothing is lost."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
import streamlit as st
from PIL import Image
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest

from tests.pages._spoken import in_spanish, left_in_english, spoken
from vitcore.audit import measure
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.runs import load_run

APP = Path(__file__).parents[2] / "frame.py"
PAGES = ["dataset", "train", "evaluate", "samples", "predict", "runs"]
NAMES = ("My photos", "red", "green", "blue", "tiny.safetensors", "PE-Core")


def english_in(at):
    """What of a page is left in English by the switch; the page stays in the other language."""
    english = spoken(at)
    assert english
    spanish = spoken(in_spanish(at))
    assert len(spanish) == len(english)
    return left_in_english(english, spanish, NAMES)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.usefixtures("trained")
def test_nothing_on_a_page_is_left_in_english(open_page, page):
    assert english_in(open_page(page)) == []


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES)
def test_nothing_on_a_page_without_anything_is_left_in_english(open_page, page):
    assert english_in(open_page(page)) == []


NAMES_IN_SENTENCES = re.compile(r"men's|d'Artagnan's|a, b and c|\{x\}|the maker's|\{\w*\}")


@pytest.mark.parametrize("page", PAGES)
def test_names_that_look_like_grammar_come_through_every_sentence(open_page, punctuated, page):
    def names(at):
        found = (NAMES_IN_SENTENCES.findall(text.replace("\\", "")) for text in spoken(at))
        return [names for names in found if names]

    at = open_page(page)
    before = names(at)
    assert {name for found in before for name in found} >= {
        "{name}",
        "the maker's",
        *(punctuated.run.classes if page in {"dataset", "evaluate", "samples"} else ()),
    }
    assert names(in_spanish(at)) == before


# --- which language ----------------------------------------------------------------------------


def open_in(locale):
    """A new session in a browser of that locale."""
    at = AppTest.from_file(APP, default_timeout=30)
    at._bidi_component_manager = BidiComponentManager()  # else all packages are searched for components
    if locale is not None:
        at.context["locale"] = locale
    at.run()
    assert not at.exception
    return at


@pytest.mark.parametrize(
    ("locale", "first"),
    [(None, "Teach"), ("en-GB", "Teach"), ("es", "Enseña"), ("es-MX", "Enseña"), ("de-DE", "Teach")],
)
def test_the_browser_says_which_language(locale, first):
    assert open_in(locale).markdown[0].value.startswith(first)


def test_what_is_chosen_holds_on_every_page_whatever_the_browser_says(ui):
    at = open_in("es-ES")
    at.button_group(key="language").set_value("en").run()
    for page, title in (("train", "Train"), ("runs", "Runs"), ("dataset", "ViT Studio")):
        assert ui.go_to(at, page).title[0].value == title
        assert at.button_group(key="language").value == "en"
        at.run()
        assert at.title[0].value == title


def test_the_pages_are_named_in_the_language(monkeypatch):
    titles = []
    navigation = st.navigation

    def named(pages, **options):
        titles.append([page.title for page in pages])
        return navigation(pages, **options)

    monkeypatch.setattr(st, "navigation", named)
    in_spanish(open_in(None))
    english, spanish = titles[0], titles[-1]
    assert english[0] == "Dataset"
    assert spanish[0] == "Conjunto de datos"
    assert not {*english} & {*spanish}


# --- what was chosen before --------------------------------------------------------------------

CHOSEN = {
    "selectbox": {
        "optimizer": "sgd",
        "schedule": "constant",
        "monitor": "balanced_accuracy",
        "head": "hidden",
        "balance": "sampler",
        "device": "cpu",
        "precision": "bf16",
        "backbone": "file",
    },
    "select_slider": {"learning_rate": 0.002, "epochs": 1000, "input_size": 112},
    "multiselect": {"augmentations": ["blur", "flip"]},
}


def test_the_settings_stay_as_they_were_chosen(open_page, trained):  # noqa: ARG001 - with a dataset
    at = open_page("train")
    for kind, values in CHOSEN.items():
        for key, value in values.items():
            getattr(at, kind)(key=key).set_value(value)
    in_spanish(at.run())
    for _ in range(2):
        for kind, values in CHOSEN.items():
            assert {key: getattr(at, kind)(key=key).value for key in values} == values
        at.run()


def test_the_browser_is_told_the_new_names_of_what_is_chosen(open_page, trained):
    """It shows a choice by its name, and would go on showing that of the old language."""
    accuracy = f"{100 * trained.run.headline.accuracy:.1f}".replace(".", ",")
    at = open_page("train")
    at.selectbox(key="head").set_value("hidden")
    in_spanish(at.run())
    for key, title in (("head", "una capa oculta"), ("schedule", "coseno"), ("run", accuracy)):
        shown = at.selectbox(key=key).proto
        assert shown.set_value
        assert shown.raw_value.startswith(title)


@pytest.mark.thorough
def test_what_is_looked_at_stays(open_page, trained):
    at = open_page("dataset")
    chooser = f"class_{trained.dataset.id}_{trained.dataset.version}"
    at.selectbox(key=chooser).set_value(2)
    at.button_group(key="way").set_value("path")
    in_spanish(at.run())
    for _ in range(2):
        assert at.selectbox(key=chooser).value == 2
        assert at.button_group(key="way").value == "path"
        assert {box.label for box in at.checkbox} == {"green"}
        at.run()


# --- what is seen only now and then ------------------------------------------------------------


@pytest.mark.thorough
def test_what_was_found_before_an_import_is_told(open_page, ui, picture_folder, tmp_path):
    for name in ("train", "test"):
        picture_folder(name=f"two/{name}", count=4)
    (tmp_path / "two" / "train" / "red" / "notes.txt").write_text("no photo")
    at = ui.look_at_path(open_page("dataset"), tmp_path / "two")
    assert left_in_english([], spoken(in_spanish(at)), ("two", *NAMES, "notes.txt")) == []


@pytest.mark.thorough
@pytest.mark.parametrize("source", ["nowhere", "text.zip", "empty"])
def test_why_a_source_cannot_be_read_is_told(open_page, ui, tmp_path, source):
    (tmp_path / "text.zip").write_text("not a zip file")
    (tmp_path / "empty").mkdir()
    at = ui.look_at_path(open_page("dataset"), tmp_path / source)
    assert left_in_english([], spoken(in_spanish(at)), [source]) == []


@pytest.mark.thorough
def test_readings_and_photos_without_a_class_are_told(open_page, ui, picture_folder, tmp_path):
    for name in ("a", "b"):
        picture_folder(name=f"two/{name}", count=4)
    at = ui.look_at_path(open_page("dataset"), tmp_path / "two")
    assert left_in_english([], spoken(in_spanish(at)), NAMES) == []
    ui.press(at, "cancel_import")
    ui.look_at_path(at, tmp_path / "two" / "a" / "red")
    assert left_in_english([], spoken(at), NAMES) == []


@pytest.mark.thorough
def test_findings_and_edits_are_told(open_page, ui, finish, picture_folder, monkeypatch, tiny_backbone):
    folder = picture_folder()
    for source, target in (("000", "blue/copy.png"), ("001", "red/copy.png")):
        shutil.copy(folder / "red" / f"{source}.png", folder / target)
    Image.new("RGB", (64, 48)).save(folder / "red" / "black.png")
    (folder / "red" / "notes.txt").write_text("no photo")
    import_dataset(folder, name="My photos")
    monkeypatch.setattr("app.dataset.findings.measure", partial(measure, compute=Compute(tiny_backbone)))
    at = in_spanish(open_page("dataset"))
    names = (*NAMES, "notes.txt")
    assert left_in_english([], spoken(finish(ui.press(at, "check"))), names) == []
    assert any("Muy oscuras" in expander.label for expander in at.expander)
    for edit in ("keep_copies", "undo", "take_out_class", "undo"):
        ui.press(at, edit)
        assert len(at.success) == 1
        assert left_in_english([], spoken(at), names) == []


@pytest.mark.thorough
def test_a_running_training_and_its_end_are_told(open_page, ui, finish, hold, trained):
    held = hold(title="My photos")
    held.job.announce(trained.run.id)
    at = in_spanish(open_page("train"))
    assert left_in_english([], spoken(at), NAMES) == []
    finish(ui.press(at, f"stop_{held.job.id}"))
    assert left_in_english([], spoken(at), NAMES) == []


@pytest.mark.thorough
def test_what_a_search_found_is_told(open_page, ui, finish, trained, tiny_backbone):  # noqa: ARG001
    at = in_spanish(open_page("train"))
    at.session_state["search_open"] = True
    at.run()
    ui.choose_weights(at, tiny_backbone)
    at.select_slider(key="epochs").set_value(2)
    at.multiselect(key="search_backbones").set_value([])
    at.multiselect(key="search_sizes").set_value([112])
    finish(ui.press(at, "search"))
    assert len(at.table) == 1
    assert left_in_english([], spoken(at), (*NAMES, tiny_backbone)) == []


@pytest.mark.thorough
def test_runs_beside_each_other_are_told(open_page, trained, ui):
    folder = trained.run.folder.with_name("20200101-000000-00000a")
    shutil.copytree(trained.run.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["hyperparameters"] |= {"optimizer": "sgd", "balance": "weights", "views": 3, "dropout": 0.25}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "state.json").write_text(
        json.dumps({"since": "2026-11-23T10:00:00+00:00", "state": "stopped", "message": ""})
    )
    assert load_run(folder.name).state == "stopped"
    at = ui.tick(open_page("runs"), 0, 1)
    assert english_in(at) == []
    assert any("0,25" in text for text in spoken(at))
