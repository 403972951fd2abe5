#!/usr/bin/env bash
# Kills training runs at random moments, resumes them, and compares their ends with a run that was left alone.
#
#   kill_loop.sh [KILLS [SEED]]       default: 20 kills, a minute or two on two cores; SEED decides the moments
#
# A run is killed again and again until it ends by itself; then the next one starts, until there were so many kills. After each SIGKILL the latest
# checkpoint must load; at each end all tensors (parameters, statistics, optimiser state) must be equal, bit for bit, to those of the run that was left alone.
# The model is small, so that a kill falls into a batch, an evaluation or a checkpoint (every third batch) about as often as into the start.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1:-20}
RANDOM=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "kill_loop: $1" >&2; [[ ! -e $work/errors ]] || cat "$work/errors" >&2; exit 1; }
source data-scripts/program.sh
options=(train --epochs 3 --target-wer -1 --set hidden=24 --set channels=4 --device host --threads 1 --checkpoint-batches 3 --json)
head -n 2 Ds2.Train/MiniCorpus/val_manifest.csv | sed "s|^|$PWD/Ds2.Train/MiniCorpus/|; s|,|,$PWD/Ds2.Train/MiniCorpus/|" >"$work/two.csv"

# A safetensors file is the header's length (8 bytes), the header (with times and the history), and the tensors.
tensors() { tail -c "+$((9 + $(od -An -tu8 -N8 "$1")))" "$1" | sha256sum; }

start=$(date +%s%N)
"${program[@]}" "${options[@]}" --out "$work/whole" >/dev/null
milliseconds=$((($(date +%s%N) - start) / 1000000))

kills=0 early=0 runs=0
while ((kills < wanted)); do
  folder=$work/run$runs
  while true; do
    moment=$((200 + RANDOM * milliseconds / 32768))
    "${program[@]}" "${options[@]}" --out "$folder" --resume auto >"$work/log" 2>"$work/errors" &
    run=$!
    ((kills >= wanted)) || { sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"; kill -KILL "$run" 2>/dev/null || true; }
    code=0
    wait "$run" 2>/dev/null || code=$?
    ((code != 0)) || break
    ((code == 137)) || fail "after $kills kills a run left with code $code"
    kills=$((kills + 1))
    if [[ -e $folder/latest.safetensors ]]; then
      "${program[@]}" evaluate --checkpoint "$folder/latest.safetensors" --manifest "$work/two.csv" --threads 1 --json >/dev/null 2>"$work/errors" ||
        fail "after kill $kills the checkpoint does not load"
    else
      early=$((early + 1))
    fi
  done
  for name in latest best; do
    [[ $(tensors "$work/whole/$name.safetensors") == "$(tensors "$folder/$name.safetensors")" ]] ||
      fail "after $kills kills $name.safetensors of run $((runs + 1)) differs from the run that was left alone"
  done
  runs=$((runs + 1))
  rm -r "$folder"
done
echo "$kills kills ($early before the first checkpoint) in $runs runs: every checkpoint loaded, and every run ended with the bits of the one that was left alone ($((milliseconds / 1000)) s long)"
