"""The device, the engine and the precision of the work."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vitcore.compute import ENGINE_TITLES, check_precision, engine_is_here, missing_engine
from vitcore.errors import DeviceError
from vitcore.messages import mark

__all__ = ["Device", "choose_device", "cpu_can", "cpu_name"]

if TYPE_CHECKING:
    import torch

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True)
class Device:
    """A device, what computes on it, and the number format of the forward pass.

    Attributes:
        name: ``cpu``, ``cuda`` or ``mps``.
        title: For people, such as ``NVIDIA H200``.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``int8``.
        engine: ``torch``, ``onnxruntime`` or ``openvino``.
    """

    name: str
    title: str
    precision: str
    engine: str = "torch"

    @property
    def engine_title(self) -> str:
        """The engine for people, such as ``ONNX Runtime (int8)``."""
        return f"{ENGINE_TITLES[self.engine]} ({self.precision})"

    @property
    def dtype(self) -> "torch.dtype":
        """The dtype in which torch does what only torch can do here: that of `precision`, or float32."""
        import torch

        dtype: torch.dtype = getattr(torch, _DTYPES[self.precision] if self.engine == "torch" else "float32")
        return dtype


def choose_device(device: str = "auto", precision: str = "auto", engine: str = "torch") -> Device:
    """The device to work on.

    Args:
        device: ``auto`` (the GPU if there is one), ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto`` (bf16 or fp16 on CUDA, else fp32), ``fp32``, ``bf16``, ``fp16``, or ``int8``
            with ONNX Runtime.
        engine: ``torch``, or on the CPU ``onnxruntime`` or ``openvino``, where they are installed;
            ``auto`` is the one that has the precision (`vitcore.engines.choose_engine` finds the fastest).

    Raises:
        DeviceError: Unknown, or not on this machine.
    """
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    present = ["cpu", *["cuda"] * has_cuda, *["mps"] * has_mps]
    if engine == "auto":
        engine = "onnxruntime" if precision == "int8" else "torch"
    if not engine_is_here(engine):
        raise missing_engine(engine)
    if device == "auto":
        device = present[-1] if engine == "torch" else "cpu"
    if device not in present:
        raise DeviceError(
            "Device '{device}' is not here; choose {devices:or}.", device=device, devices=["auto", *present]
        )
    if engine != "torch" and device != "cpu":
        raise DeviceError(
            "{title} works on the CPU here; for '{device}' choose engine auto or torch.",
            title=ENGINE_TITLES[engine],
            device=device,
        )
    if precision == "auto":
        precision = _usual_precision(device, engine)
    check_precision(precision, engine)
    if precision == "fp16" and device == "cpu":
        raise DeviceError("fp16 needs a GPU; on the CPU choose auto, fp32 or bf16.")
    title = (
        torch.cuda.get_device_name() if device == "cuda" else {"mps": mark("Apple GPU")}.get(device, "CPU")
    )
    return Device(device, title, precision, engine)


def cpu_can(*abilities: str) -> bool:
    """Return whether this CPU has one of these instruction sets, such as ``avx512_bf16``.

    Where torch is too old to tell, it counts as having none.
    """
    capabilities = _capabilities()
    return any(capabilities.get(ability, False) for ability in abilities)


def cpu_name() -> str:
    """Return the name of this CPU; empty where it is not known."""
    return str(_capabilities().get("cpu_name", ""))


def _capabilities() -> dict[str, Any]:
    import torch

    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return found


def _usual_precision(device: str, engine: str) -> str:
    if device == "cuda":
        import torch

        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if engine == "openvino" and cpu_can("avx512_bf16", "amx_bf16"):
        return "bf16"
    return "fp32"
