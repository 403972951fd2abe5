#!/usr/bin/env bash
# The benchmark: trains to a word error rate of 23.0 or 10 epochs, and reports the time from start to end.
#
#   run_and_time.sh [SEED [TARGET]]    default: 1 23.0
#
# Environment:
#   PRESET      mlperf                 the preset
#   DATASET     ./LibriSpeech_dataset  the folder that download_dataset.sh made
#   OUT         runs/PRESET-seedSEED   the run's folder; it must not hold a run, unless RESUME=1
#   RESUME      0                      1: go on after an interruption (the time reported is then that of the last part)
#   CLEAR_CACHE 0                      1: empty the system's page cache first, as MLPerf wants; needs root
#   DS2                                the program, where it is built already: "dotnet /opt/ds2/Ds2.Train.dll"
#   DS2_OPTIONS                        more options of Ds2.Train train: "--epochs 40 --set hidden=256"
#
# The last line is RESULT,speech_recognition,SEED,SECONDS,USER,START. The exit status is 0 where the run has come to its end, whether or
# not the target was reached; the report and OUT/mlperf.log say so.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
export LC_ALL=C
seed=${1:-1}
target=${2:-23.0}
preset=${PRESET:-mlperf}
dataset=${DATASET:-LibriSpeech_dataset}
out=${OUT:-runs/$preset-seed$seed}
read -ra options <<<"${DS2_OPTIONS:-}"
[[ ${RESUME:-0} != 1 ]] || options+=(--resume auto)
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
if [[ ${CLEAR_CACHE:-0} == 1 ]]; then
  sync
  echo 3 >/proc/sys/vm/drop_caches
  export DS2_CACHE_CLEARED=1
fi

start=$(date +%s)
start_text=$(date '+%Y-%m-%d %r')
echo "STARTING TIMING RUN AT $start_text"

"${program[@]}" train --preset "$preset" --seed "$seed" --target-wer "$target" --out "$out" --mlperf-log --tensorboard \
  --train-manifest "$dataset/libri_train_manifest.csv" --val-manifest "$dataset/libri_val_manifest.csv" "${options[@]}"

end=$(date +%s)
echo "ENDING TIMING RUN AT $(date '+%Y-%m-%d %r')"
echo "RESULT,speech_recognition,$seed,$((end - start)),${USER:-$(id -un)},$start_text"
