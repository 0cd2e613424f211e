"""The command that answers over HTTP."""

import argparse
import ipaddress
import os
import secrets
import sys

from vitcore.cli._output import say
from vitcore.cli._settings import DEVICE, Add, find_model
from vitcore.progress import Task
from vitcore.text import json_text

__all__ = ["add_commands"]

_TOKEN = "VITCORE_TOKEN"  # noqa: S105 - the name of the variable


def add_commands(add: Add) -> None:
    """Add these commands to the command line."""
    sub = add("serve", _serve, "Answer photos over HTTP, for programs and other machines.")
    sub.add_argument("model", metavar="RUN_ID|MODEL_FOLDER")
    sub.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    sub.add_argument("--port", type=int, default=8000, help="0 takes one that is free (default: 8000)")
    sub.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that people call it by"
    )
    sub.add_argument(
        "--token",
        action="store_true",
        help=f"ask for a token: that in ${_TOKEN}, or one that is printed",
    )
    sub.add_argument(
        "--keep-figures",
        action="store_true",
        help="keep class, confidence and distance of each answer, to notice drift; nothing of the photos",
    )
    sub.add_argument("--device", **DEVICE)


def _serve(options: argparse.Namespace, task: Task) -> None:
    from vitcore.inference import keep_usage, keeping_usage, load_classifier
    from vitcore.serving import listen, run_server, serving_app

    with listen(options.host, options.port) as at:
        folder = find_model(options.model)
        classifier = load_classifier(folder, device=options.device, task=task)
        if task.stopped:
            return
        if options.keep_figures:
            keep_usage(folder)
            classifier = keeping_usage(classifier, folder)
        token = (os.environ.get(_TOKEN) or secrets.token_urlsafe(24)) if options.token else ""
        host, port = at.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if options.json:
            print(json_text({"address": address, "classes": list(classifier.classes)}), flush=True)
        else:
            say(f"Answering at {address}; {address}/docs explains how. Ctrl-C ends it.", sys.stdout)
        if token and _TOKEN not in os.environ:
            say(f"The token is {token}")
        if not token and not ipaddress.ip_address(host).is_loopback:
            say("Whoever reaches this address can use it; --token asks for a token.")
        app = serving_app(classifier, hosts=options.allow_host, token=token)
        run_server(app, at, task.stop)
