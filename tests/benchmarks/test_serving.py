"""The benchmark of a server under load: its answers and its memory; its speed is no test's business."""

import sys

import pytest

from benchmarks import BENCHMARKS, Setting
from benchmarks._serving import mixed_requests


def test_the_requests_are_mixed():
    requests = mixed_requests({f"{number}.jpg": b"photo" for number in range(50)}, 1000)
    assert {
        request.status: sum(one.status == request.status for one in requests) for request in requests
    } == {
        200: 960,
        413: 20,
        422: 20,
    }
    names = [name for request in requests if request.status == 200 for name, _ in request.files]
    assert (
        0.05
        < sum(name in {"text.jpg", "empty.png", "cut.png", "page.gif"} for name in names) / len(names)
        < 0.15
    )


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_a_thousand_requests_are_answered_as_predict_does_in_constant_memory(
    tmp_path, tiny_backbone, picture_folder, workspace
):
    setting = Setting(scratch=tmp_path, backbone=tiny_backbone, photos=picture_folder(), kept=workspace)
    wrong, rate, memory = BENCHMARKS["serving"](setting)
    assert "1000 requests" in wrong.name
    assert wrong.value == 0
    assert rate.value > 0
    assert memory.value < memory.baseline + 20
