"""The report of a run: whether it stands by itself, says what the run knows, and shows names as they are."""

import json
import math
import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.report.conftest import HOSTILE
from vitcore.cli._main import _parser
from vitcore.cli._settings import hyperparameters_of
from vitcore.dataset import load_dataset, rename_class
from vitcore.errors import NotFoundError, SettingsError, StorageError
from vitcore.inference import load_trust
from vitcore.language import LANGUAGES, decimals, number, percent, speaking
from vitcore.pipeline import stress_test, write_report
from vitcore.records import plain_values, write_json
from vitcore.report._repeat import command_of
from vitcore.runs import RunFacts, RunWriter, load_run
from vitcore.training import Hyperparameters

SECTIONS = [
    "introduction",
    "data",
    "model",
    "training",
    "evaluation",
    "visualisation",
    "results",
    "limits",
    "conclusion",
    "repeat",
]
VOID = {"br", "img", "meta"}
MARKS = ("path", "line", "rect", "circle", "text")


def spaced(text: str) -> str:
    """With one plain space between words."""
    return re.sub(r"\s+", " ", text)


class Page(HTMLParser):
    """A page as a browser reads it: its tags, their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.svg: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        (self.svg if "svg" in self.open else self.words).append(data)

    @property
    def text(self) -> str:
        return spaced(" ".join(self.words))

    def attributes(self, name: str) -> list[str]:
        return [found[name] or "" for _, found in self.tags if name in found]


@pytest.fixture(scope="module")
def reports(trained, tmp_path_factory) -> dict[str, str]:
    """The report in each language."""
    workspace, run = trained
    folder = tmp_path_factory.mktemp("reports")
    return {
        language: write_report(
            run.id, folder / f"{language}.html", language=language, workspace=workspace
        ).read_text(encoding="utf-8")
        for language in LANGUAGES
    }


@pytest.fixture(scope="module", params=list(LANGUAGES))
def html(reports, request) -> str:
    return reports[request.param]


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def english(reports) -> Page:
    return Page(reports["en"])


def without_photos(run, workspace, tmp_path) -> Page:
    """A report that takes less time, for nothing is looked at again."""
    return Page(write_report(run.id, tmp_path / "r.html", workspace=workspace).read_text(encoding="utf-8"))


# --- one file that needs nothing but itself ----------------------------------------------------


def test_nothing_is_fetched_from_anywhere(html, page):
    links = [*page.attributes("src"), *page.attributes("href"), *page.attributes("xlink:href")]
    assert links
    assert [link[:60] for link in links if not link.startswith(("#", "data:image/jpeg;base64,"))] == []
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|@font-face", style)
    named = set(page.attributes("id"))
    assert set(re.findall(r"url\(#([^)]*)\)", html)) <= named
    assert {link[1:] for link in links if link.startswith("#")} <= named


def test_there_is_no_script_and_the_browser_is_told_so(page):
    assert {tag for tag, _ in page.tags} & {"script", "iframe", "object", "embed", "link", "base"} == set()
    assert [name for _, found in page.tags for name in found if name.startswith("on")] == []
    (policy,) = [found["content"] for tag, found in page.tags if "http-equiv" in found]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_it_is_whole(page, reports):
    assert page.open == []
    names = page.attributes("id")
    assert [name for name in names if name in SECTIONS] == SECTIONS
    assert len(names) == len(set(names))
    languages = {Page(text).tags[0][1]["lang"]: text for text in reports.values()}
    assert set(languages) == set(LANGUAGES)


def test_every_chart_has_marks_and_a_name(html, page):
    charts = re.findall(r"<svg .*?</svg>", html, re.DOTALL)
    assert len(charts) == 8
    for chart in charts:
        assert sum(chart.count(f"<{mark} ") for mark in MARKS) > 10
        assert "NaN" not in chart
    drawings = [found for _, found in page.tags if found.get("class") == "drawing"]
    assert len(drawings) == len(charts)
    assert all(found["role"] == "img" and found["aria-label"] for found in drawings)


@pytest.mark.parametrize("name", HOSTILE[:2])
def test_names_are_text_wherever_they_stand(name, html, page):
    assert name in page.text
    assert name[:10] in "".join(page.svg)
    assert name not in html
    assert [found for tag, found in page.tags if tag == "img" and found.get("src") == "x"] == []
    assert [tag for tag, _ in page.tags if tag in {"i", "u", "b"}] == []
    for shown in ("Run <u>1</u>", "A <i>set</i>"):
        assert shown in page.text


def test_a_long_name_is_cut(page):
    assert HOSTILE[2][:20] in page.text
    assert "y" * 61 not in page.text


# --- what it says ------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_its_figures_are_those_of_the_run(language, reports, trained):
    text = Page(reports[language]).text
    run = trained[1]
    figures = run.facts.thorough_evaluation(run.evaluation)
    assert figures.images == run.config.images.train + run.config.images.validation
    with speaking(language):
        for name, metric in figures.metrics.items():
            show = decimals if name in {"cohen_kappa", "macro_f1", "log_loss"} else percent
            for value in (metric.value, metric.low, metric.high):
                if not math.isnan(value):
                    assert spaced(show(value)) in text, name
        for row in figures.per_class().to_dict("records"):
            assert decimals(row["f1"]) in text
        assert number(run.config.backbone.embedding_dimension) in text
    head = run.config.backbone.embedding_dimension * 3 + 3
    assert str(head) in text
    assert run.id in text


def test_it_says_what_was_left_out_and_how_the_rest_was_divided(english, trained):
    counts = trained[1].config.images
    assert "3 files were not taken" in english.text
    assert f"learned from {counts.train} photos" in english.text
    assert "seed 3" in english.text
    assert "2 versions were learned from" in english.text


def test_it_tells_of_further_trainings(english):
    assert "Cross-validated: every one of" in english.text
    assert "Trained anew 2 times on the same photos from other seeds" in english.text
    assert "a cross-validation would tell" not in english.text


def test_pictures_are_mistakes_right_answers_and_maps(english, trained):
    rows = trained[1].predictions
    wrong = int((rows["true"] != rows["predicted"]).sum())
    assert wrong > 0
    tiles = [found["class"] for tag, found in english.tags if "tile" in (found.get("class") or "").split()]
    shown = min(wrong, 8)
    assert tiles[:shown] == ["tile wrong"] * shown
    assert tiles[shown : shown + 8] == ["tile right"] * 8
    pictures = [found for tag, found in english.tags if tag == "img"]
    assert len(pictures) == shown + 8 + 2 * 4


def test_spanish_is_spanish(reports):
    text = Page(reports["es"]).text
    for title in ("Introducción", "Preparación de los datos", "Límites", "Ajustes para repetirlo"):
        assert title in text
    english = Page(reports["en"]).text
    sentences = {part for part in re.split(r"(?<=[.:;]) ", english) if part.count(" ") > 3}
    sentences = {part for part in sentences if HOSTILE[0] not in part}  # a list of names is no sentence
    assert len(sentences) > 40
    assert [part for part in sentences if part in text] == []


def test_the_command_gives_the_settings_of_the_run(trained):
    run = trained[1]
    words = shlex.split(command_of(run))
    assert words[:4] == ["python", "-m", "vitcore", "train"]
    options = _parser().parse_args(words[3:])
    assert hyperparameters_of(options) == run.hyperparameters
    assert options.source == run.config.dataset.id
    assert (options.backbone, options.device) == (run.config.requested.backbone, "cpu")
    assert options.engine == "torch"


def test_it_tells_what_computed_the_embeddings_and_how_closely_that_agrees(english, copied, tmp_path):
    assert "computed by PyTorch." in english.text
    assert "times as fast" not in english.text
    workspace, run = copied
    shutil.rmtree(workspace.datasets / run.config.dataset.id)
    figures = {"precision": "int8", "images": 32, "agrees": True, "same_label": 1.0}
    exact = {**figures, "engine": "torch", "precision": "fp32", "images_per_second": 4.0, "cosine": 1.0}
    other = {**figures, "engine": "onnxruntime", "images_per_second": 10.0, "cosine": 0.99951}
    config = plain_values(run.config)
    config["device"] |= {"engine": "onnxruntime", "precision": "int8"}
    config["engine"] |= {"candidates": [exact, other]}
    write_json(run.folder / "config.json", config)
    told = without_photos(run, workspace, tmp_path).text
    assert "computed by ONNX Runtime." in told
    assert "2.5 times as fast" in told
    assert "on 32 photos" in told
    assert "0.99951 or more, and 100.0 % got the same label" in told
    assert command_of(load_run(run.id, workspace=workspace)).count("--engine onnxruntime") == 1


@pytest.mark.parametrize(
    "h",
    [
        Hyperparameters(),
        Hyperparameters(optimizer="lbfgs", weight_decay=0.05, epochs=30),
        Hyperparameters(head="hidden", hidden_units=32, augmentations=(), learning_rate=1e-5, patience=3),
    ],
)
def test_the_command_gives_any_settings(h, trained):
    run = trained[1]
    other = replace(run, config=replace(run.config, hyperparameters=h))
    assert hyperparameters_of(_parser().parse_args(shlex.split(command_of(other))[3:])) == h


# --- what may be missing -----------------------------------------------------------------------


def test_without_its_dataset_the_photos_are_left_out_and_a_leak_is_told(copied, tmp_path):
    workspace, run = copied
    shutil.rmtree(workspace.datasets / run.config.dataset.id)
    facts = json.loads((run.folder / "state.json").read_text(encoding="utf-8"))
    leak = {"images": 5, "accuracy": 0.91, "accuracy_without": 0.83}
    write_json(run.folder / "state.json", {**facts, "state": "stopped", "leak": leak})
    page = without_photos(run, workspace, tmp_path)
    assert "The photos are not there any more" in page.text
    assert "There is no dataset" in page.text
    assert [tag for tag, _ in page.tags if tag == "img"] == []
    assert spaced(percent(run.evaluation.accuracy)) in page.text
    assert "5 of the validation photos" in page.text
    assert "without them the accuracy is 83.0 %" in page.text
    assert "stopped early" in page.text


@pytest.mark.thorough
def test_a_stress_test_is_told_and_a_damaged_one_left_out(copied, tmp_path, english):
    workspace, run = copied
    assert "What if photos are darker" not in " ".join(english.words)
    found = stress_test(run.id, workspace=workspace).figures(load_trust(run.folder))
    report = write_report(run.id, tmp_path / "stressed.html", workspace=workspace).read_text("utf-8")
    words = spaced(" ".join(Page(report).words))
    assert "What if photos are darker, turned, blurred or smaller?" in words
    turned = found.set_index("change").loc["turned"]
    cells = " ".join(percent(turned[name]) for name in ("accuracy", "confidence", "not_sure"))
    assert f"Turned photos {spaced(cells)}" in words
    (run.folder / "model" / "stress.json").write_text("{}")
    again = write_report(run.id, tmp_path / "damaged.html", workspace=workspace).read_text("utf-8")
    assert "What if photos are darker" not in again


def test_a_lost_photo_leaves_its_answer(copied, tmp_path):
    workspace, run = copied
    dataset = load_dataset(run.config.dataset.id, workspace=workspace)
    shutil.rmtree(dataset.folder / "images")
    shutil.rmtree(dataset.folder / "thumbnails", ignore_errors=True)
    page = without_photos(run, workspace, tmp_path)
    assert [tag for tag, _ in page.tags if tag == "img"] == []
    assert page.attributes("class").count("tile right") == 8
    assert "Maps of what spoke for an answer could not be made" in page.text


@pytest.mark.thorough
def test_without_its_backbone_there_are_no_maps(copied, tmp_path):
    workspace, run = copied
    file = run.folder / "model" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["backbone"]["id"] = str(tmp_path / "gone.safetensors")
    write_json(file, config)
    page = without_photos(run, workspace, tmp_path)
    assert "Maps of what spoke for an answer could not be made" in page.text
    assert page.attributes("class").count("tile right") == 8


@pytest.mark.thorough
def test_photos_that_were_changed_since_are_told_as_they_were(copied, tmp_path):
    workspace, run = copied
    dataset = load_dataset(run.config.dataset.id, workspace=workspace)
    rename_class(dataset, HOSTILE[1], "renamed")
    shutil.rmtree(run.folder / "model")  # and a run of an earlier version, which knew no doubt
    page = without_photos(run, workspace, tmp_path)
    assert "The photos have been changed since" in page.text
    assert HOSTILE[1] in page.text
    assert "renamed" not in page.text
    assert "When it says" not in page.text


@pytest.mark.parametrize(
    ("count", "numbered"),
    [
        pytest.param(20, True, marks=pytest.mark.thorough),
        pytest.param(21, False, marks=pytest.mark.thorough),
        (50, False),
    ],
)
def test_many_classes_stay_readable(count, numbered, many_classes, tmp_path):
    workspace, run = many_classes(count)
    file = write_report(run.id, tmp_path / "large.html", workspace=workspace)
    html = file.read_text(encoding="utf-8")
    page = Page(html)
    for name in run.classes:
        assert name in page.text
    matrix = next(chart for chart in re.findall(r"<svg .*?</svg>", html, re.DOTALL) if "predicted" in chart)
    assert (">6</text>" in matrix) == numbered
    assert len(html) < 700_000
    assert "The photos are not there any more" in page.text


# --- what cannot be done -----------------------------------------------------------------------


def test_what_cannot_be_reported_is_said_in_one_sentence(trained, tmp_path):
    workspace, run = trained
    file = tmp_path / "report.html"
    with pytest.raises(NotFoundError, match="no run 'nothing'"):
        write_report("nothing", file, workspace=workspace)
    with pytest.raises(SettingsError, match="The language is 'fr'; choose en or es"):
        write_report(run.id, file, language="fr", workspace=workspace)
    with RunWriter(workspace, run.config) as writer:
        writer.finish("failed", RunFacts())
    with pytest.raises(StorageError, match="is failed and has no results"):
        write_report(writer.id, file, workspace=workspace)
    shutil.rmtree(load_run(writer.id, workspace=workspace).folder)
    assert not file.exists()


def test_a_place_that_cannot_be_written_is_said(trained, tmp_path, monkeypatch):
    workspace, run = trained
    monkeypatch.setattr("vitcore.report._sections.sections_of", lambda *_: [])  # which take time
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(run.id, tmp_path / "no folder" / "report.html", workspace=workspace)
    there = tmp_path / "report.html"
    there.write_text("before")
    assert write_report(run.id, there, workspace=workspace) == there
    assert there.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report.html"]


def test_the_files_of_the_page_are_beside_its_code():
    import vitcore.report

    names = {path.name for path in Path(vitcore.report.__file__).parent.iterdir()}
    assert {"report.css", "report.html.jinja"} <= names
