"""The web page of a classifier in a real browser: whether it answers as `predict` does, and how fast."""

import http.server
import json
import shutil
import statistics
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageOps

from benchmarks._rows import Row
from benchmarks._setting import MissingData, Setting
from vitcore.compute import Compute
from vitcore.dataset import Dataset
from vitcore.inference import Agreement, Classifier, load_classifier
from vitcore.pipeline import Export, export_onnx, export_web, train
from vitcore.runs import Run
from vitcore.training import Hyperparameters

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

__all__ = ["BROWSER_ARGUMENTS", "BROWSER_NAMES", "answers_on", "ready", "served", "web_page"]

BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names of the program, of which one has to be there."""

BROWSER_ARGUMENTS = (
    "--no-sandbox",  # containers often forbid it; the only pages opened are our own
    # A camera that shows a moving picture, and a browser that asks nobody whether it may be used.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)

IMAGES = 120
_ODD = 6  # photos of each odd kind
_LONG_SIDE = 4000  # of 12 megapixels at three to four
_FRAMES = 20
_PATIENCE_MS = 15 * 60_000
_ISOLATION = {  # lets the page use threads
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
_NEXT_RATE = """(before) => new Promise((known) => {
    const live = document.getElementById("live");
    const look = () => live.dataset.rate && live.dataset.rate !== before ? known(live.dataset.rate)
        : requestAnimationFrame(look);
    look();
})"""

_Answers = dict[str, dict[str, Any]]


def web_page(setting: Setting) -> list[Row]:
    """Measure how far a web page in Chromium answers as `predict` does, without a network, and how fast.

    On validation photos, and on copies of some as people have them: of 12 megapixels, turned by EXIF, grey,
    transparent. The page as it is exported, and with the other ONNX files of the same run.
    """
    dataset, workspace = setting.photo_dataset()
    run = train(dataset, Hyperparameters(), compute=Compute(setting.backbone), workspace=workspace)
    page = export_web(run, setting.folder() / "page", workspace=workspace)
    models = export_onnx(run, setting.folder() / "onnx", workspace=workspace)
    if not any(name.endswith(".wasm") for name in page.files):
        raise MissingData("it needs ONNX Runtime Web, which cannot be fetched")
    usual, odd = _photos(run, dataset, setting.folder())
    classifier = load_classifier(run.folder, device="cpu", workspace=workspace)
    expected = _predicted(classifier, [*usual, *odd])
    rows = [Row(name="web-page, as exported: size", value=sum(page.files.values()) / 1e6, unit="MB")]
    variants = {"as exported": (page.folder / "model.onnx", page.agreements[-1])}
    for found in models.agreements:
        precision = found.kind.partition(" ")[2]
        file = models.folder / (f"model-{precision}.onnx" if precision else "model.onnx")
        if file.is_file() and found.kind != page.agreements[-1].kind:
            variants[precision or "fp32"] = (file, found)
    with _chromium() as browser:
        for name, (file, stated) in variants.items():
            folder = _with_model(page, file, setting.folder() / "page")
            setting.say(f"  web-page: {name} ({stated.kind})")
            measured = _measure(browser, folder, usual, odd)
            rows += _rows(f"web-page, {name}", measured, expected, stated, odd)
    return rows


@contextmanager
def served(folder: Path, headers: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve a folder as any web server would; gives its address.

    Args:
        folder: What lies at the root.
        headers: Sent with every file.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def ready(page: "Page", address: str) -> list[str]:
    """Open a page, wait until it is ready; gives what it asks for and complains of from then on."""
    noted: list[str] = []
    page.on("console", lambda message: noted.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.goto(address)
    page.locator("body[data-ready=true]").wait_for(state="attached")
    page.on("request", lambda request: noted.append(request.url) if "http" in request.url[:4] else None)
    return noted


def answers_on(page: "Page", count: int) -> _Answers:
    """Wait until a page has answered so many files; what it says of each, by name."""
    page.wait_for_function(
        "(count) => document.querySelectorAll('li[data-label], li[data-error]').length >= count", arg=count
    )
    found = page.locator("li[data-file]").evaluate_all("all => all.map(one => ({...one.dataset}))")
    return {item["file"]: item for item in found}


@contextmanager
def _chromium() -> "Iterator[Browser]":
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise MissingData("it needs playwright (requirements-dev.txt)") from error
    program = next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if program is None:
        raise MissingData(f"it needs a browser: one of {', '.join(BROWSER_NAMES)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(BROWSER_ARGUMENTS))
        yield browser
        browser.close()


def _photos(run: Run, dataset: Dataset, folder: Path) -> tuple[list[Path], list[Path]]:
    """Copies of the validation photos with names of their own, and odd ones made of some of them."""
    usual, odd = [], []
    files = run.predictions["file"]
    for number, file in enumerate(files.sample(min(IMAGES, len(files)), random_state=0)):
        source = dataset.path(file)
        usual.append(Path(shutil.copyfile(source, folder / f"{number:03}{source.suffix}")))
    for number, file in enumerate(usual[:: max(1, len(usual) // _ODD)][:_ODD]):
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        large = image.resize([round(side * _LONG_SIDE / max(image.size)) for side in image.size])
        turned, exif = image.rotate(90, expand=True), Image.Exif()
        exif[0x0112] = 6  # to be turned back when it is shown
        transparent = image.copy()
        transparent.putalpha(Image.linear_gradient("L").resize(image.size))
        for kind, made, options in (
            ("large.jpg", large, {"quality": 92}),
            ("turned.jpg", turned, {"quality": 95, "exif": exif}),
            ("grey.jpg", image.convert("L"), {"quality": 95}),
            ("transparent.png", transparent, {}),
        ):
            odd.append(folder / f"{number}-{kind}")
            made.save(odd[-1], **options)
    return usual, odd


def _predicted(classifier: Classifier, files: Sequence[Path]) -> _Answers:
    """What `predict` says of files, by name."""
    found = zip(files, classifier.predict(files), strict=True)
    return {file.name: {"label": one.label, "probabilities": one.probabilities} for file, one in found}


def _with_model(page: Export, model: Path, folder: Path) -> Path:
    """A copy of a page with another model in it."""
    shutil.copytree(page.folder, folder)
    shutil.copyfile(model, folder / "model.onnx")
    return folder


def _measure(browser: "Browser", folder: Path, usual: Sequence[Path], odd: Sequence[Path]) -> dict[str, Any]:
    """Open a page, cut the network, give it the photos, then the camera."""
    with served(folder.parent) as address, ExitStack() as stack:
        context = browser.new_context(viewport={"width": 360, "height": 740})
        stack.callback(context.close)
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        started = time.perf_counter()
        noted = ready(page, f"{address}/{folder.name}/")
        load_s = time.perf_counter() - started
        context.set_offline(True)
        photos = page.locator("input[type=file][multiple]")
        processor = page.context.new_cdp_session(page)
        processor.send("Performance.enable", {"timeDomain": "threadTicks"})
        started, busy_s = time.perf_counter(), _busy_s(processor)
        photos.set_input_files(usual)
        answers_on(page, len(usual))
        photo_s = (time.perf_counter() - started) / len(usual)
        photo_cpu_s = (_busy_s(processor) - busy_s) / len(usual)
        photos.set_input_files(odd)
        found = answers_on(page, len(usual) + len(odd))
        rates = {"one thread": _rate(page)}
        if noted:
            raise RuntimeError(f"The page asks for more, or complains: {noted[:3]}")
    with served(folder.parent, _ISOLATION) as address, ExitStack() as stack:
        context = browser.new_context()
        stack.callback(context.close)
        context.set_default_timeout(_PATIENCE_MS)
        page = context.new_page()
        ready(page, f"{address}/{folder.name}/")
        rates["all cores"] = _rate(page)
    return {
        "answers": found,
        "load_s": load_s,
        "photo_s": photo_s,
        "photo_cpu_s": photo_cpu_s,
        "rates": rates,
    }


def _busy_s(processor: "CDPSession") -> float:
    """The time of the processor that the thread of a page has taken, whatever else the machine does."""
    metrics = {item["name"]: item["value"] for item in processor.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def _rate(page: "Page") -> float:
    """Photos a second that a page answers of its camera, median."""
    page.locator("#camera").click()
    rates, last = [], ""
    for _ in range(_FRAMES):
        last = page.evaluate(_NEXT_RATE, last)
        rates.append(float(last))
    page.locator("#stop").click()
    return statistics.median(rates)


def _rows(
    name: str, measured: dict[str, Any], expected: _Answers, stated: Agreement, odd: Sequence[Path]
) -> list[Row]:
    kinds = {"": [file for file in expected if "-" not in file]}
    for file in odd:
        kinds.setdefault(f" {file.stem.partition('-')[2]}", []).append(file.name)
    rows = []
    for kind, files in kinds.items():
        pairs = [(measured["answers"][file], expected[file]) for file in files]
        same = statistics.mean(found.get("label") == wanted["label"] for found, wanted in pairs)
        rows.append(
            Row(
                name=f"{name}:{kind} same label as predict",
                value=100 * same,
                unit=f"% of {len(files)} photos, to the export's own figure",
                baseline=100 * stated.same_labels,
            )
        )
        apart = [
            max(abs(shares[label] - share) for label, share in wanted["probabilities"].items())
            for found, wanted in pairs
            if (shares := json.loads(found.get("probabilities", "{}")))
        ]
        rows.append(
            Row(
                name=f"{name}:{kind} largest difference of a probability",
                value=max(apart, default=1.0),
                unit="to the export's own figure",
                baseline=stated.largest_difference,
            )
        )
    rows += [
        Row(name=f"{name}: from the address to ready", value=measured["load_s"], unit="s"),
        Row(
            name=f"{name}: one photo",
            value=measured["photo_s"],
            unit="s, to ONNX Runtime outside of a browser",
            baseline=stated.seconds_per_image,
        ),
    ]
    rows.append(
        Row(name=f"{name}: one photo, of one core", value=measured["photo_cpu_s"], unit="s of its time")
    )
    for threads, rate in measured["rates"].items():
        rows.append(Row(name=f"{name}: camera, {threads}", value=rate, unit="photos a second"))
    return rows
