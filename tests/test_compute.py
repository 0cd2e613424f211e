"""The options that say with what embeddings are computed."""

import pytest

from vitcore.compute import DEFAULT_COMPUTE, DEVICES, ENGINES, PRECISIONS, Compute
from vitcore.errors import DeviceError
from vitcore.records import plain_values


def test_by_default_everything_is_chosen():
    assert Compute() == DEFAULT_COMPUTE == Compute("auto", "auto", "auto", "auto")
    assert Compute(**plain_values(Compute("embedded", precision="bf16"))) == Compute(
        "embedded", precision="bf16"
    )


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_need_not_be_here(device):
    assert Compute(device=device).device == device


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "Device 'tpu' is not here; choose auto, cpu, cuda or mps."),
        ({"engine": "tensorrt"}, "Engine 'tensorrt' is not here; choose auto, torch"),
        ({"precision": "fp8"}, "Precision 'fp8' is unknown to PyTorch; choose auto, fp32, bf16 or fp16."),
        ({"precision": ""}, "Precision '' is unknown to PyTorch"),
        (
            {"precision": "int8", "engine": "torch"},
            "Precision 'int8' is unknown to PyTorch; choose auto, fp32, bf16 or fp16.",
        ),
        (
            {"precision": "fp16", "engine": "onnxruntime"},
            "Precision 'fp16' is unknown to ONNX Runtime; choose auto, fp32 or int8.",
        ),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(options, message):
    with pytest.raises(DeviceError) as refused:
        Compute(**options)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_has_an_engine(precision):
    possible = []
    for engine in ENGINES[1:]:
        try:
            possible.append(Compute(precision=precision, engine=engine))
        except DeviceError:
            continue
    assert possible
    assert Compute(precision=precision).engine == "auto"
