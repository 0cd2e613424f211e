"""The Dockerfile of a server names what is there, and its command runs with the packages it names alone."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

import httpx2
import pytest

from tests._models import tiny_model
from tests._pictures import encoded, soft_photo
from tests.test_dependencies import ROOT, canonical, declared
from vitcore.inference import copy_classifier, load_classifier

LINES = re.sub(r"\\\n|^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
PACKAGES = set(re.findall(r"[\w.-]+", LINES.partition("--constraint requirements.txt")[2].partition("&&")[0]))


def with_all_they_need(names: set[str]) -> set[str]:
    """Distributions and what they need, as far as it is installed; extras aside."""
    found: set[str] = set()
    waiting = [canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:  # of another platform
            continue
        if name not in found:
            found.add(name)
            plain = [line for line in needed if "extra ==" not in line]
            waiting += [canonical(re.match(r"[\w.-]+", line)[0]) for line in plain]
    return found


def test_what_the_dockerfile_copies_is_there_and_what_it_installs_is_pinned():
    copied = re.findall(r"^COPY (.+) \S+$", LINES, re.MULTILINE)
    names = {name for line in copied for name in line.split()} - {"${MODEL}"}
    assert names == {"requirements.txt", "requirements-weights.txt", "vitcore"}
    assert all((ROOT / name).exists() for name in names)
    assert len(PACKAGES) > 10
    assert {canonical(name) for name in PACKAGES} <= declared("requirements.txt")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="links, and another kind of environment")
def test_the_command_answers_with_the_named_packages_alone(tiny_backbone, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in with_all_they_need(PACKAGES):
        for file in distribution(name).files or ():
            if (top := file.parts[0]) != ".." and not (packages / top).exists():
                (packages / top).symlink_to(distribution(name).locate_file(top))
    assert not (packages / "streamlit").exists()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "environment"], check=True)
    [site] = (tmp_path / "environment").glob("lib/python*/site-packages")
    (site / "named.pth").write_text(str(packages))
    server = tmp_path / "server"
    (server / "model").mkdir(parents=True)
    (server / "vitcore").symlink_to(ROOT / "vitcore")
    copy_classifier(tiny_model(tmp_path / "made", tiny_backbone, ("blue", "red")), server / "model")

    command = json.loads(re.findall(r"^CMD (\[.+\])$", LINES, re.MULTILINE)[-1])
    command = [str(tmp_path / "environment/bin/python"), *command[1:], "--port", "0", "--json"]
    with subprocess.Popen(
        command,
        cwd=server,
        env={**os.environ, "VITCORE_TOKEN": "secret", "VITCORE_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        try:
            assert line, process.stderr.read()
            address = json.loads(line)["address"].replace("0.0.0.0", "127.0.0.1")
            photo = encoded(soft_photo(0))
            with httpx2.Client(trust_env=False, timeout=None) as client:
                files = [("files", ("a.png", photo))]
                assert client.post(f"{address}/predict", files=files).status_code == 401
                token = {"Authorization": "Bearer secret"}
                answer = client.post(f"{address}/predict", files=files, headers=token).json()
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()  # a test that fails, and not one that waits for ever
                raise
    [expected] = load_classifier(server / "model", device="cpu").predict([photo])
    assert answer["predictions"][0]["probabilities"] == expected.probabilities
