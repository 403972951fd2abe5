#!/usr/bin/env bash
# Kills a training run again and again, resumes it each time, and compares the end with a run that was left alone.
#
#   kill_loop.sh [EPOCHS [SEED]]       default: 4 epochs of the built-in corpus, about a minute and a half on two cores
#
# After every SIGKILL the last checkpoint must load; at the end all tensors (parameters, statistics, optimiser state) must be equal, bit for bit.
set -euo pipefail
cd "$(dirname "$0")/.."
epochs=${1:-4}
seed=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dotnet build Ds2.Train --nologo --verbosity quiet
program=(dotnet Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll)
options=(train --epochs "$epochs" --target-wer -1 --seed "$seed" --device host --checkpoint-minutes 0 --json)

# A safetensors file is the header's length (8 bytes), the header (with times and the history), and the tensors.
tensors() { tail -c "+$((9 + $(od -An -tu8 -N8 "$1")))" "$1" | sha256sum; }

"${program[@]}" "${options[@]}" --out "$work/whole" >/dev/null
kills=0
while true; do
  "${program[@]}" "${options[@]}" --out "$work/killed" --resume auto >"$work/log" 2>&1 &
  run=$!
  sleep "$((RANDOM % 3 + 1)).$((RANDOM % 10))"
  kill -KILL "$run" 2>/dev/null || true
  if wait "$run" 2>/dev/null; then break; fi
  kills=$((kills + 1))
  if [[ -e $work/killed/latest.safetensors ]]; then
    "${program[@]}" evaluate --checkpoint "$work/killed/latest.safetensors" --manifest Ds2.Train/MiniCorpus/val_manifest.csv --json >/dev/null ||
      { echo "kill_loop: after kill $kills the checkpoint does not load" >&2; exit 1; }
  fi
done

grep -q '"event":"result"' "$work/log" || { cat "$work/log" >&2; exit 1; }
for name in latest best; do
  [[ $(tensors "$work/whole/$name.safetensors") == "$(tensors "$work/killed/$name.safetensors")" ]] ||
    { echo "kill_loop: $name.safetensors differs from the run that was left alone" >&2; exit 1; }
done
echo "$kills kills; latest and best are equal, bit for bit, to those of the run that was left alone"
