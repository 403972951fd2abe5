#!/usr/bin/env bash
# Kills training runs at random moments, resumes them, and compares their ends with a run that was left alone.
#
#   kill_loop.sh [KILLS [SEED]]       default: 20 kills, a minute or two on two cores; SEED decides the moments
#
# A run is killed again and again until it ends by itself; then the next one starts, until there were so many kills. After each SIGKILL the latest checkpoint
# must load, else the run that goes on from it leaves with 2; at each end all tensors (parameters, statistics, optimiser state) must be equal, bit for bit, to
# those of the run that was left alone. The model is small and saves after every third batch: kills fall into batches, checkpoints and evaluations.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1:-20}
RANDOM=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "kill_loop: $1" >&2; [[ ! -e $work/errors ]] || cat "$work/errors" >&2; exit 1; }
source data-scripts/program.sh
options=(train --epochs 2 --max-batches 15 --target-wer -1 --set hidden=24 --set channels=4 --device host --threads 1 --checkpoint-batches 3 --json)

# Waits until the run has loaded its checkpoint and begins.
begun() { until grep -q '"event":"start"' "$work/log" || ! kill -0 "$run" 2>/dev/null; do sleep 0.01; done; }

"${program[@]}" "${options[@]}" --out "$work/whole" >"$work/log" 2>"$work/errors" &
run=$!
begun
start=$(date +%s%N)
wait "$run" || fail "the run that is left alone fails"
milliseconds=$((($(date +%s%N) - start) / 1000000))

kills=0 early=0 runs=0
while ((kills < wanted)); do
  folder=$work/run$runs
  while true; do
    moment=$((RANDOM * milliseconds / 32768))
    : >"$work/log"
    "${program[@]}" "${options[@]}" --out "$folder" --resume auto >"$work/log" 2>"$work/errors" &
    run=$!
    begun
    ((kills >= wanted)) || { sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"; kill -KILL "$run" 2>/dev/null || true; }
    code=0
    wait "$run" 2>/dev/null || code=$?
    ((code != 0)) || break
    ((code == 137)) || fail "after $kills kills a run left with code $code"
    kills=$((kills + 1))
    [[ -e $folder/latest.safetensors ]] || early=$((early + 1))
  done
  for name in latest best; do
    [[ $(tensors "$work/whole/$name.safetensors") == "$(tensors "$folder/$name.safetensors")" ]] ||
      fail "after $kills kills $name.safetensors of run $((runs + 1)) differs from the run that was left alone"
  done
  runs=$((runs + 1))
  rm -r "$folder"
done
echo "$kills kills ($early before the first checkpoint) in $runs runs: every checkpoint loaded, and every run ended with the bits of the one that was left alone ($((milliseconds / 1000)) s long)"
