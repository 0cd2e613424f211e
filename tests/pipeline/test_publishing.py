"""Publishing on the model hub: one that is on this machine."""

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests._hub import use_in_place_of_the_hub
from vitcore.cli import main
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.errors import InputError
from vitcore.pipeline import Published, export_model, load_published, publish_run, train
from vitcore.training import Hyperparameters

# The client's own, of the way in which it uploads large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

COMMIT = "0" * 40
LARGE_BYTES = 10_000  # from here on a file goes its own way, as all large ones do


class Hub(http.server.ThreadingHTTPServer):
    """Takes uploads as huggingface.co does: small files within the commit, large ones before it by LFS.

    Attributes:
        made: What was asked for when repositories were made.
        files: What was uploaded, by repository and path.
        objects: What was uploaded by LFS, by its SHA-256.
        refuses: Status with which everything is answered; none if 0.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.made: list[dict] = []
        self.files: dict[tuple[str, str], bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.refuses = 0


class Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuses:
            self.reply({"error": "no"}, self.server.refuses)
            return
        parts = self.path.partition("?")[0].strip("/").split("/")  # api, models, owner, name, what, revision
        if parts[1:] == ["repos", "create"]:
            asked = json.loads(body)
            self.server.made.append(asked)
            kind = {"space": "spaces/"}.get(asked.get("type"), "")
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            self.reply({"url": f"http://127.0.0.1:{self.server.server_port}/{kind}{name}", "name": name})
        elif "preupload" in parts:
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["size"] >= LARGE_BYTES else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            self.reply({"files": modes})
        elif parts[-2:] == ["objects", "batch"]:
            here = f"http://{self.headers['Host']}/object"
            wanted = [
                {**one, "actions": {"upload": {"href": f"{here}/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            self.reply({"transfer": "basic", "objects": wanted})
        elif "commit" in parts:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    value = line["value"]
                    assert value["encoding"] == "base64"
                    self.server.files[parts[1], value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    value = line["value"]
                    self.server.files[parts[1], value["path"]] = self.server.objects[value["oid"]]
            kind = {"spaces": "spaces/"}.get(parts[1], "")
            address = f"http://{self.headers['Host']}/{kind}{parts[2]}/{parts[3]}/commit/{COMMIT}"
            self.reply({"commitUrl": address, "commitOid": COMMIT})
        else:
            self.reply({})

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        digest = hashlib.sha256(data).hexdigest()
        assert self.path == f"/object/{digest}"
        self.server.objects[digest] = data
        self.reply({})

    def do_GET(self) -> None:
        self.reply({"sha": COMMIT, "siblings": [], "id": "somebody/birds"})

    def reply(self, value: dict, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    with Hub() as hub:
        use_in_place_of_the_hub(f"http://127.0.0.1:{hub.server_port}", tmp_path / "cache", monkeypatch)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)  # it speaks LFS alone
        threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
        yield hub
        hub.shutdown()


@pytest.fixture
def handed_over(monkeypatch) -> dict[tuple[str, str], bytes]:
    """What lay in the folders that were to be uploaded, by kind of repository and path."""
    files: dict[tuple[str, str], bytes] = {}
    upload = HfApi.upload_folder

    def noted(api, *, repo_type, folder_path, **options):
        files.update(
            {(f"{repo_type}s", path.name): path.read_bytes() for path in Path(folder_path).iterdir()}
        )
        return upload(api, repo_type=repo_type, folder_path=folder_path, **options)

    monkeypatch.setattr(HfApi, "upload_folder", noted)
    return files


@pytest.fixture
def run(picture_folder, tiny_backbone):
    return train(import_dataset(picture_folder()), Hyperparameters(epochs=3), compute=Compute(tiny_backbone))


def test_what_is_uploaded_is_the_export_byte_for_byte_and_private(hub, handed_over, run, tmp_path, capsys):
    assert main(["publish", run.id, "somebody/birds", "--no-page", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "model": f"http://127.0.0.1:{hub.server_port}/somebody/birds",
        "page": "",
        "private": True,
    }
    [made] = hub.made
    assert made["visibility"] == "private"
    assert load_published(run) == Published(**told)
    assert hub.files == handed_over
    assert hub.objects  # the weights
    expected = export_model(run, tmp_path / "out").folder
    uploaded = {path: data for (_, path), data in hub.files.items()}
    assert uploaded.keys() == {path.name for path in expected.iterdir()}
    for path in expected.iterdir():
        if path.suffix == ".safetensors" or path.name == "config.json":
            assert uploaded[path.name] == path.read_bytes()
    facts, card = uploaded["README.md"].decode().split("---\n\n", 1)
    assert "pipeline_tag: image-classification" in facts
    assert card.startswith("# ")


@pytest.mark.thorough
def test_the_web_page_goes_along_as_a_static_space(hub, handed_over, run, monkeypatch):
    monkeypatch.setattr("vitcore.inference._web_runtime._download", lambda: None)
    made = publish_run(run, "somebody/birds", public=True, images=3)
    assert hub.files == handed_over
    assert [asked.get("sdk") for asked in hub.made] == [None, "static"]
    assert [asked.get("visibility") for asked in hub.made] == ["public", "public"]
    assert made.page.endswith("/spaces/somebody/birds")
    names = {path for kind, path in hub.files if kind == "spaces"}
    assert {"index.html", "model.json", "model.onnx", "page.js", "README.md"} <= names
    assert b"sdk: static" in hub.files["spaces", "README.md"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_what_to_do(hub, run, status):
    hub.refuses = status
    with pytest.raises(InputError, match=rf"refuses somebody/birds \({status}\).*hf auth login"):
        publish_run(run, "somebody/birds", page=False, images=1)


@pytest.mark.parametrize("name", ["birds", "a/b/c", "some body/birds", ""])
def test_a_name_that_is_none_is_refused(run, name):
    with pytest.raises(InputError, match="OWNER/NAME"):
        publish_run(run, name)


@pytest.mark.usefixtures("hub")
def test_no_network_is_said(run, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="cannot be reached"):
        publish_run(run, "somebody/birds", page=False, images=1)


def test_a_large_file_that_does_not_arrive_is_said(hub, run, monkeypatch):
    monkeypatch.setattr(Handler, "do_PUT", lambda handler: handler.reply({"error": "full"}, 400))
    with pytest.raises(InputError, match="cannot be reached"):
        publish_run(run, "somebody/birds", page=False, images=1)
    assert not hub.files
