"""From a folder of photos without labels to labels that know where they come from."""

import re
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser._driving import choose_backbone_file, settled
from vitcore.backbone import Embedder, choose_device, resolve_backbone
from vitcore.dataset import Dataset, import_dataset, load_dataset
from vitcore.features import FeatureStore
from vitcore.layouts import Reading
from vitcore.progress import Task
from vitcore.runs import list_runs
from vitcore.workspace import Workspace

KINDS, EACH = ("cup", "leaf", "shoe"), 67


def heap_of_photos(folder: Path) -> Dataset:
    """Import photos of three kinds without labels; what the backbone sees of them is made up."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, kind in enumerate(KINDS):
        for place in range(EACH):
            pixels = random.normal(60 * (number + 1), 20, (48, 64, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{kind}-{place:02}.png")
    dataset = import_dataset(folder, reading=Reading(unlabelled=True))
    device = choose_device("auto", "auto", "torch")
    embedder = Embedder(resolve_backbone("auto", None, Task()), device, Workspace.default())
    rows = dataset.rows
    middles = random.normal(0, 1, (len(KINDS), embedder.dimension))
    kinds = rows["name"].str.partition("-")[0].map({kind: place for place, kind in enumerate(KINDS)})
    vectors = middles[kinds] + random.normal(0, 0.4, (len(rows), embedder.dimension))
    keys = [(sha256, "plain") for sha256 in rows["sha256"]]
    FeatureStore.of(embedder).write(keys, vectors.astype(np.float32))
    return dataset


def truth(text: str | None) -> str:
    """The kind of the photo that a tile shows."""
    assert text is not None
    return text.partition("-")[0]


def by_people(page: Page, count: int) -> Locator:
    """That so many photos have a label by a person."""
    return page.get_by_text(re.compile(rf"^{count} labelled by people"))


def test_a_heap_of_photos_is_labelled_and_learned_from(
    server: str, page: Page, tmp_path: Path, tiny_backbone: str
):
    dataset = heap_of_photos(tmp_path / "heap")
    tiles = page.get_by_role("option")
    undo = page.get_by_role("button", name=re.compile("^Undo: "))
    page.goto(f"{server}/label")

    # A group that looks alike gets one name: one of each kind, the others are passed over.
    name = page.get_by_role("combobox", name="Name of this group")
    grid = page.locator(".photo-grid")
    named: set[str] = set()
    total = 0
    while len(named) < len(KINDS):
        expect(name).to_be_editable()
        settled(page)
        shown = grid.get_attribute("data-page")
        assert shown is not None
        kind = truth(tiles.first.get_attribute("aria-label"))
        if kind in named:
            page.get_by_role("button", name="Another group").click()
        else:
            total += tiles.count()
            name.fill(kind)
            name.press("Enter")
            expect(by_people(page, total)).to_be_visible()
            named.add(kind)
        expect(grid).not_to_have_attribute("data-page", shown)
    labelled = load_dataset(dataset.id)
    assert set(labelled.classes) == named
    assert (labelled.index["label"] == labelled.index["name"].str.partition("-")[0]).all()

    # A page of guesses, by keyboard alone: another class, one left out and taken back, all confirmed.
    page.get_by_role("radio", name="Teach").click()
    confirm = page.get_by_role("button", name=re.compile(r"^Confirm these \d+$"))
    expect(confirm).to_be_visible()
    settled(page)
    count = tiles.count()
    tiles.first.focus()
    second = labelled.classes[1]
    page.keyboard.press("2")
    expect(tiles.first).to_have_attribute("aria-label", re.compile(f": {second}$"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(tiles.nth(1)).to_have_attribute("aria-label", re.compile(": left out$"))
    page.keyboard.press("z")
    expect(tiles.nth(1)).not_to_have_attribute("aria-label", re.compile(": left out$"))
    first = tiles.first.get_attribute("aria-label")
    assert first is not None
    page.keyboard.press("Enter")
    expect(by_people(page, total + count)).to_be_visible()
    taught = load_dataset(dataset.id)
    assert len(taught.index) == len(labelled.index) + count
    by_name = taught.index.set_index("name")
    assert by_name.loc[first.partition(":")[0], "label"] == second
    how = by_name["label_detail"].str.partition(" ")[0].value_counts()
    assert (how["teach"], how["random"]) == (count - round(count / 6), round(count / 6))
    assert set(by_name["labelled_by"]) == {"person"}

    # Undone, and done again after a reload.
    settled(page)
    undo.first.click()
    expect(by_people(page, total)).to_be_visible()
    assert len(load_dataset(dataset.id).index) == len(labelled.index)
    page.reload()
    expect(confirm).to_be_visible()
    settled(page)
    tiles.first.focus()
    page.keyboard.press("Enter")
    expect(by_people(page, total + count)).to_be_visible()

    # The rest is accepted from the classifier.
    page.get_by_role("radio", name="Finish").click()
    accept = page.get_by_role("button", name=re.compile(r"^Accept \d+ guess"))
    expect(accept).to_be_visible()
    settled(page)
    accept.click()
    expect(page.get_by_text("Labelled by the classifier")).to_be_visible()
    done = load_dataset(dataset.id)
    machine = done.machine_labelled
    assert len(machine) > 0
    assert len(machine) + len(done.index) + len(done.unlabelled) == len(KINDS) * EACH
    assert machine["label_confidence"].between(0.9, 1).all()

    # It is learned from; what the classifier labelled by itself is learned from and never judges.
    page.goto(f"{server}/train?dataset={dataset.id}")
    choose_backbone_file(page, tiny_backbone)
    settled(page)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text("The chosen classifier")).to_be_visible(timeout=120_000)
    [run] = list_runs()
    assert run.state == "complete"
    assert set(run.classes) == named
    judging = set(run.predictions["file"])
    assert judging
    assert judging <= set(done.index["file"])
    assert judging.isdisjoint(machine["file"])
