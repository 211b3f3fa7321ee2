#!/bin/sh
# Builds the wheel, installs it alone in a clean environment, and runs the demo's job from there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" -m build --quiet --outdir "$folder/dist" .
"$1" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$folder"/dist/*.whl
"$folder/venv/bin/batchrun" schema job > /dev/null
sh tests/demo.sh "$folder/venv/bin/batchrun"
