"""Labels that somebody confirmed: those of several people at once are all kept."""

import subprocess
import sys
import threading

import pytest

from vitcore.dataset import confirm, confirmed, import_dataset, relabel, unconfirm

CONFIRMING = """
import sys
from vitcore.dataset import confirm, load_dataset

data = load_dataset(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for image_id in map(int, sys.argv[2:]):
    confirm(data, [image_id])
"""


@pytest.fixture
def dataset(picture_folder):
    return import_dataset(picture_folder(("cats", "dogs"), count=10))


def test_a_confirmed_label_is_kept_until_it_is_taken_back_or_changed(dataset):
    confirm(dataset, [0, 1, 2])
    assert confirmed(dataset) == {0, 1, 2}
    unconfirm(dataset, [0, 15])
    assert confirmed(dataset) == {1, 2}
    assert confirmed(relabel(dataset, [1], "dogs")) == {2}


def test_labels_that_threads_confirm_at_once_are_all_kept(dataset):
    confirm(dataset, range(16, 20))
    begin = threading.Barrier(5)

    def work(first: int) -> None:
        begin.wait()
        for image_id in range(first, first + 4):
            confirm(dataset, [image_id])
            unconfirm(dataset, [16 + first // 4])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 16, 4)]
    for thread in threads:
        thread.start()
    begin.wait()
    for thread in threads:
        thread.join()
    assert confirmed(dataset) == set(range(16))


@pytest.mark.thorough
def test_labels_that_processes_confirm_at_once_are_all_kept(dataset):
    shares = [range(0, 20, 2), range(1, 20, 2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CONFIRMING, dataset.id, *map(str, share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert confirmed(dataset) == set(range(20))
