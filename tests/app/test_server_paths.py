"""Which files of the server's computer can be named, and by whom."""

import os
import tomllib
from pathlib import Path

import pytest
import streamlit as st

from app.shared.server_paths import paths_are_open, server_path
from vitcore.errors import InputError

OWN_NAMES = ["localhost", "127.0.0.1", "::1"]


@pytest.fixture
def listening(monkeypatch):
    """Sets where the app listens, what names it answers to, and which folders are open."""

    def listening(address="localhost", hosts=OWN_NAMES, folders=None):
        options = {"server.address": address, "server.allowedHosts": list(hosts)}
        monkeypatch.setattr(st, "get_option", options.__getitem__)
        monkeypatch.delenv("VITSTUDIO_FOLDERS", raising=False)
        if folders is not None:
            monkeypatch.setenv("VITSTUDIO_FOLDERS", os.pathsep.join(map(str, folders)))

    return listening


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_who_sits_at_the_computer_can_name_any_path(listening, tmp_path, address):
    listening(address)
    assert paths_are_open()
    assert server_path(str(tmp_path)) == tmp_path
    assert server_path(f'"{tmp_path}"') == tmp_path


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        (None, OWN_NAMES),
        ("0.0.0.0", OWN_NAMES),
        ("::", OWN_NAMES),
        ("192.168.1.20", OWN_NAMES),
        ("studio", OWN_NAMES),
        ("localhost", [*OWN_NAMES, "studio.example.com"]),  # behind a proxy
        ("localhost", ["*"]),
    ],
)
def test_visitors_from_elsewhere_can_name_none(listening, tmp_path, address, hosts):
    listening(address, hosts)
    assert not paths_are_open()
    with pytest.raises(InputError, match="closed to its visitors; upload the file"):
        server_path(str(tmp_path))


@pytest.mark.parametrize("address", ["localhost", "0.0.0.0"])
def test_named_folders_are_open_to_everybody_and_all_others_are_closed(listening, tmp_path, address):
    for name in ("open", "open too", "open-not", "closed"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "link").symlink_to(tmp_path / "closed")
    listening(address, folders=[tmp_path / "open", tmp_path / "open too"])
    assert paths_are_open()
    for path in ("open", "open/photos.zip", "open too"):
        assert server_path(str(tmp_path / path)) == tmp_path / path
    for path in ("closed", "open-not", "open/../closed", "open/link", "."):
        with pytest.raises(InputError, match=r"in no folder that is open to this app; give one in .*open"):
            server_path(str(tmp_path / path))


def test_a_setting_without_a_folder_closes_all(listening, tmp_path):
    listening(folders=[])
    assert not paths_are_open()
    with pytest.raises(InputError):
        server_path(str(tmp_path))


def test_the_app_answers_to_the_names_of_this_computer_alone():
    config = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text("utf-8"))
    assert config["server"]["address"] == "localhost"
    assert set(config["server"]["allowedHosts"]) == {"localhost", "127.0.0.1", "::1"}
