"""The route to which browsers send what a camera sees."""

import json

import pytest
import streamlit as st
from starlette.requests import Request

from app.shared.watchers import Watcher, find_watcher
from app.watching import answer
from tests._asking import answered
from tests._pictures import encoded, image_of_mode
from vitcore.compute import Compute
from vitcore.dataset import import_dataset
from vitcore.inference import load_classifier
from vitcore.language import speaking
from vitcore.pipeline import train
from vitcore.report import answer_sentence, not_sure
from vitcore.training import Hyperparameters

OURS = {"host": "localhost:8501", "origin": "http://localhost:8501"}


@pytest.fixture
def classifier(picture_folder, tiny_backbone):
    st.cache_resource.clear()
    run = train(import_dataset(picture_folder()), Hyperparameters(epochs=2), compute=Compute(tiny_backbone))
    yield load_classifier(run.folder)
    st.cache_resource.clear()


def ask(token, frame, **headers):
    """The status and the content of an answer."""
    given = OURS | {"x-tray": token} | headers
    pairs = [(key.encode(), value.encode()) for key, value in given.items()]
    scope = {"type": "http", "method": "POST", "path": "/frames", "headers": pairs}

    async def receive():
        return {"type": "http.request", "body": frame, "more_body": False}

    response = answered(answer(Request(scope, receive)))
    return response.status_code, json.loads(response.body)


def test_a_frame_of_our_page_is_answered_in_the_words_of_every_page(classifier):
    watcher = Watcher(classifier)
    frame = encoded(image_of_mode("RGB"))
    (expected,) = classifier.predict([frame])
    status, found = ask(watcher.token, frame)
    assert status == 200
    possible = expected.possible if expected.reason == "ambiguous" else ()
    assert found["headline"] == answer_sentence(expected.label, expected.reason, possible)
    assert ("%" in found["details"]) == (expected.reason != "novel")

    watcher.language = "es"
    with speaking("es"):
        words = not_sure()
    assert ask(watcher.token, frame)[1]["headline"].startswith(words) == bool(expected.reason)
    assert ask(watcher.token, b"no photo")[1].keys() == {"problem"}

    # Nobody else gets an answer, and nobody does once the session is gone.
    token = watcher.token
    assert ask(token, frame, origin="http://elsewhere.example")[0] == 403
    assert ask("another", frame)[0] == 404
    assert ask(token, bytes(2**20 + 1))[0] == 413
    del watcher
    assert find_watcher(token) is None
