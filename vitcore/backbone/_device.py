"""Which device does the work, and in which number format."""

from dataclasses import dataclass

import torch

from vitcore.errors import DeviceError

__all__ = ["Device", "choose_device"]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Device:
    """A device and the number format of the forward pass on it.

    Attributes:
        name: ``cpu``, ``cuda`` or ``mps``.
        title: For people, such as ``NVIDIA H200``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """

    name: str
    title: str
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        """The torch dtype of `precision`."""
        return _DTYPES[self.precision]


def choose_device(device: str = "auto", precision: str = "auto") -> Device:
    """The device to work on.

    Args:
        device: ``auto`` (the GPU if there is one), ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto`` (bf16 or fp16 on CUDA, else fp32), ``fp32``, ``bf16`` or ``fp16``.

    Raises:
        DeviceError: Unknown, or not on this machine.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    present = ["cpu", *["cuda"] * has_cuda, *["mps"] * has_mps]
    if device == "auto":
        device = present[-1]
    if device not in present:
        raise DeviceError(f"Device '{device}' is not here; choose auto or {' or '.join(present)}.")
    if precision == "auto":
        precision = "fp32"
        if device == "cuda":
            precision = "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if precision not in _DTYPES:
        raise DeviceError(f"Precision '{precision}' is unknown; choose auto, fp32, bf16 or fp16.")
    if precision == "fp16" and device == "cpu":
        raise DeviceError("fp16 needs a GPU; on the CPU choose auto, fp32 or bf16.")
    title = torch.cuda.get_device_name() if device == "cuda" else {"mps": "Apple GPU"}.get(device, "CPU")
    return Device(device, title, precision)
