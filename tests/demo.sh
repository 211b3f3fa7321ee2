#!/bin/sh
# Runs the classification example against the embedded API, in a folder of its own, and shows the answers.
set -eu
batchrun=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -R "$(dirname "$0")/../examples/classify/." "$folder"
cd "$folder"
echo "\$ batchrun plan"
"$batchrun" plan --sandbox
echo
echo "\$ batchrun run --sandbox"
"$batchrun" run --sandbox
output=$(ls out/*)
echo
echo "\$ head -n 3 $output"
head -n 3 "$output"
echo
echo "\$ batchrun run --sandbox        # again: nothing is left to do"
"$batchrun" run --sandbox
