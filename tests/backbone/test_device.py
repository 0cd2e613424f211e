"""Which device does the work, and in which number format."""

import pytest
import torch

from vitcore.backbone import Device, choose_device
from vitcore.errors import DeviceError

HAS_CUDA = torch.cuda.is_available()
HAS_MPS = torch.backends.mps.is_available()


def test_the_cpu_works_in_fp32():
    assert choose_device("cpu") == Device("cpu", "CPU", "fp32")
    assert choose_device("cpu").dtype == torch.float32


def test_bf16_can_be_chosen_on_the_cpu():
    assert choose_device("cpu", "bf16").dtype == torch.bfloat16


@pytest.mark.skipif(HAS_CUDA or HAS_MPS, reason="there is a GPU")
def test_without_a_gpu_the_cpu_is_chosen():
    assert choose_device() == choose_device("cpu")


@pytest.mark.skipif(not HAS_CUDA, reason="there is no CUDA device")
def test_a_cuda_device_is_chosen_in_half_precision():
    chosen = choose_device()
    assert (chosen.name, chosen.title) == ("cuda", torch.cuda.get_device_name())
    assert chosen.precision in {"bf16", "fp16"}
    assert choose_device("cuda", "fp32").precision == "fp32"


@pytest.mark.parametrize(
    "device",
    [
        "gpu",
        "",
        "CPU",
        "cuda:7",
        "meta",
        pytest.param("cuda", marks=pytest.mark.skipif(HAS_CUDA, reason="there is one")),
        pytest.param("mps", marks=pytest.mark.skipif(HAS_MPS, reason="there is one")),
    ],
)
def test_a_device_that_is_not_here_is_refused_with_those_that_are(device):
    with pytest.raises(DeviceError, match=r"choose auto"):
        choose_device(device)


@pytest.mark.parametrize("precision", ["fp8", "", "float32"])
def test_an_unknown_precision_is_refused(precision):
    with pytest.raises(DeviceError, match="choose auto, fp32, bf16 or fp16"):
        choose_device("cpu", precision)


def test_fp16_needs_a_gpu():
    with pytest.raises(DeviceError, match="fp16 needs a GPU"):
        choose_device("cpu", "fp16")
