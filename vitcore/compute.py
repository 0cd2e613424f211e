"""The options that say with what embeddings are computed."""

from dataclasses import dataclass
from importlib import util
from types import MappingProxyType

from vitcore.errors import DeviceError

__all__ = [
    "DEFAULT_COMPUTE",
    "DEVICES",
    "ENGINES",
    "ENGINE_TITLES",
    "PRECISIONS",
    "Compute",
    "check_precision",
    "engine_is_here",
    "missing_engine",
]

DEVICES = ("auto", "cpu", "cuda", "mps")
"""Devices to compute on; ``auto`` is the GPU if there is one."""

ENGINES = ("auto", "torch", "onnxruntime", "openvino")
"""Engines that compute embeddings; ``auto`` takes the fastest one here that agrees with ``torch``."""

ENGINE_TITLES = MappingProxyType({"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"})
"""Their names, which are the same in every language."""

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
"""Number formats of the backbone."""

_PRECISIONS = {
    "torch": ("fp32", "bf16", "fp16"),
    "onnxruntime": ("fp32", "int8"),
    "openvino": ("fp32", "bf16"),
}


@dataclass(frozen=True)
class Compute:
    """With what embeddings are computed, as it is asked for; it may be on this machine or not.

    Attributes:
        backbone: ``auto``, ``embedded``, a timm name or a ``.safetensors`` file.
        device: As in `DEVICES`.
        precision: As in `PRECISIONS`.
        engine: As in `ENGINES` (`vitcore.engines.choose_engine`).

    Raises:
        DeviceError: The device, the precision or the engine does not exist, or the engine has no such
            precision.
    """

    backbone: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    engine: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        if self.engine not in ENGINES:
            raise missing_engine(self.engine)
        if self.device not in DEVICES:
            raise DeviceError(
                "Device '{device}' is not here; choose {devices:or}.",
                device=self.device,
                devices=DEVICES,
            )
        if self.precision != "auto" and (self.engine, self.precision) != ("auto", "int8"):
            check_precision(self.precision, "torch" if self.engine == "auto" else self.engine)


DEFAULT_COMPUTE = Compute()
"""The choice that suits this machine."""


def check_precision(precision: str, engine: str) -> None:
    """Raise `DeviceError` if an engine, which is not ``auto``, cannot compute in a precision."""
    possible = _PRECISIONS[engine]
    if precision not in possible:
        title = ENGINE_TITLES[engine]
        raise DeviceError(
            "Precision '{precision}' is unknown to {title}; choose {known:or}.",
            precision=precision,
            title=title,
            known=("auto", *possible),
        )


def engine_is_here(name: str) -> bool:
    """Return True if an engine of `ENGINES` can be used on this machine."""
    return name in ENGINES and (name in ("auto", "torch") or util.find_spec(name) is not None)


def missing_engine(name: str) -> DeviceError:
    """The error that names the engines that are here."""
    here = [engine for engine in ENGINES if engine_is_here(engine)]
    return DeviceError("Engine '{engine}' is not here; choose {engines:or}.", engine=name, engines=here)
