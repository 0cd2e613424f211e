"""Everything needed to train the same classifier again."""

import platform
import shlex
from datetime import UTC, datetime
from pathlib import Path

from vitcore.language import local_time, tr
from vitcore.records import plain_values
from vitcore.report._blocks import Block, Code, Paragraph, Table
from vitcore.report._contents import ReportContents
from vitcore.report._names import shortened
from vitcore.runs import Run
from vitcore.training import Hyperparameters

__all__ = ["command_of", "repeat"]

_ALWAYS_GIVEN = {"epochs", "learning_rate", "batch_size", "optimizer", "validation_fraction", "seed"}


def repeat(contents: ReportContents) -> list[Block]:
    """The command, and what it was trained with."""
    config = contents.run.config
    about, device = config.dataset, config.device
    blocks: list[Block] = [
        Paragraph(tr("With the same photos, weights and versions, this command trains the same classifier:")),
        Code(command_of(contents.run)),
    ]
    if contents.changed:
        changed = tr(
            "The photos have been changed since: the run learned from version {version} of the dataset, and "
            "the command takes the present one."
        )
        blocks.append(Paragraph(changed.format(version=about.version), "note"))
    rows = [
        (tr("Run"), contents.run.id),
        (tr("Dataset"), tr("{id}, version {version}").format(id=about.id, version=about.version)),
        (tr("Trained on"), local_time(config.created)),
        (tr("Device and precision"), f"{shortened(device.title)}, {device.precision}"),
        *((package, version) for package, version in config.versions.items()),
    ]
    blocks.append(Table([tr("what"), tr("value")], rows, tr("What it was trained with")))
    written = tr("This report was written on {date}, on a machine with {system} and {processor}.").format(
        date=local_time(datetime.now(UTC).isoformat()),
        system=platform.platform(terse=True),
        processor=_processor(),
    )
    blocks.append(Paragraph(written, "small"))
    return blocks


def command_of(run: Run) -> str:
    """The command that trains as the run was trained, for a shell.

    It names what the run came to use, not ``auto``, and of the settings all that are not the usual ones.
    """
    config, usual = run.config, plain_values(Hyperparameters())
    requested = config.requested.backbone
    options = {
        "--backbone": config.backbone.id if requested == "auto" else requested,
        "--device": config.device.name,
        "--precision": config.device.precision,
        "--engine": config.device.engine,
    }
    for name, value in plain_values(run.hyperparameters).items():
        if value != usual[name] or name in _ALWAYS_GIVEN:
            text = ",".join(value) if isinstance(value, list) else str(value)
            options[f"--{name.replace('_', '-')}"] = text
    words = [f"{flag} {shlex.quote(value)}" for flag, value in options.items()]
    return " ".join(["python", "-m", "vitcore", "train", shlex.quote(config.dataset.id), *words])


def _processor() -> str:
    """Return the name of the processor of this machine."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
