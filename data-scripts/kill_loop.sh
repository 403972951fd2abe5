#!/usr/bin/env bash
# Kills training runs at random moments, resumes them, and compares their ends with a run that was left alone.
#
#   kill_loop.sh [--mpirun LAUNCHER] [KILLS [SEED]]       default: 20 kills, a minute or two on two cores; SEED decides the moments
#
# A run is killed again and again until it ends by itself; then the next one starts, until there were so many kills. After each SIGKILL the latest checkpoint
# must load, else the run that goes on from it leaves with 2; at each end all tensors (parameters, statistics, optimiser state) must be equal, bit for bit, to
# those of the run that was left alone. The model is small and saves after every third batch: kills fall into batches, checkpoints and evaluations.
#
# --mpirun mpirun.openmpi or mpirun.mpich: each start has 1, 2 or 4 ranks, drawn anew, and a kill hits one process of the job (a rank, mpirun, MPICH's hydra_pmi_proxy)
# at a moment that may also be in its start. Within 10 s of it no process of the job may be left. The run that is left alone is one process, without a launcher.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
cd "$(dirname "$0")/.."
launcher=
[[ ${1:-} != --mpirun ]] || { launcher=${2:?}; shift 2; }
wanted=${1:-20}
RANDOM=${2:-1}
work=$(mktemp -d)
trap 'kill -KILL $(job) 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "kill_loop: $1" >&2; [[ ! -e $work/errors ]] || cat "$work/errors" >&2; exit 1; }
source data-scripts/program.sh
mkfifo "$work/clock"
exec 9<>"$work/clock"
options=(train --epochs 2 --max-batches 15 --target-wer -1 --set hidden=24 --set channels=4 --device host --threads 1 --checkpoint-batches 3 --json)
start=()
if [[ -n $launcher ]]; then
  command -v "$launcher" >/dev/null || fail "$launcher is not installed"
  options+=(--loaders 1 --set batch=4 --set accumulate=4)
  # What is shared between ranks is kept in $work too: of a killed Open MPI it stays.
  export TERM=dumb OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_backing_directory=$work TMPDIR=$work
fi

# Waits until the run has loaded its checkpoint and begins.
begun() { until grep -q '"event":"start"' "$work/log" || ! kill -0 "$run" 2>/dev/null; do sleep 0.01; done; }

now() { echo $(($(date +%s%N) / 1000000)); }

# The processes of the job, each with the run's folder on its command line; and what is between mpirun and a rank.
job() {
  local process id parent
  # Not as grep's argument, where it would find itself.
  for process in $(grep -lsFf - /proc/[0-9]*/cmdline <<<"$work/"); do
    id=${process//[^0-9]/}
    echo "$id"
    parent=$(awk '/^PPid/ { print $2 }' "/proc/$id/status" 2>/dev/null) || continue
    [[ -z $parent || $(cat "/proc/$parent/comm" 2>/dev/null) != hydra_pmi_proxy ]] || echo "$parent"
  done | sort -u
}

# Chooses what is killed: the run, or one process of the job.
choose() {
  local all=()
  victim=$run victims_name=
  [[ -n $launcher ]] || return 0
  mapfile -t all < <(job)
  ((${#all[@]} > 0)) || return 1
  victim=${all[RANDOM % ${#all[@]}]}
  victims_name=$(cat "/proc/$victim/comm" 2>/dev/null)
}

# Waits until a checkpoint is being written.
written() { until [[ -e $folder/latest.safetensors.partial ]] || ! kill -0 "$run" 2>/dev/null; do read -rt 0.001 -u 9 || true; done; }

# Where a run was when it was killed, as its folder and its log tell.
place() {
  if [[ -e $folder/latest.safetensors.partial ]]; then echo checkpoint
  elif ! grep -q '"event":"start"' "$work/log"; then echo start
  elif [[ $(tail -n 1 "$work/log") =~ '"event":"batch"'.*'"batch":'([0-9]+),'"batches":'([0-9]+) && ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]; then echo evaluation
  else echo steps
  fi
}

# Waits until nothing is left of a job; fails where that takes longer than 10 s.
gone() {
  local all
  while true; do
    mapfile -t all < <(job)
    took=$(($(now) - struck))
    ((${#all[@]} > 0)) || return 0
    ((took < 10000)) || return 1
    sleep 0.05
  done
}

"${program[@]}" "${options[@]}" --out "$work/whole" >"$work/log" 2>"$work/errors" &
run=$!
begun
begin=$(now)
wait "$run" || fail "the run that is left alone fails"
milliseconds=$(($(now) - begin))
if [[ -n $launcher ]]; then
  begin=$(now)
  "$launcher" -n 4 "${program[@]}" "${options[@]}" --out "$work/ranks" >"$work/log" 2>"$work/errors" || fail "4 ranks that are left alone fail"
  milliseconds=$(($(now) - begin))
fi

kills=0 early=0 runs=0 longest=0
declare -A places=() names=()
while ((kills < wanted)); do
  folder=$work/run$runs
  while true; do
    moment=$((RANDOM * milliseconds / 32768)) struck=
    if [[ -n $launcher ]]; then
      choice=(1 2 4)
      start=("$launcher" -n "${choice[RANDOM % 3]}")
    fi
    : >"$work/log"
    "${start[@]}" "${program[@]}" "${options[@]}" --out "$folder" --resume auto >"$work/log" 2>"$work/errors" </dev/null &
    run=$!
    [[ -n $launcher ]] || begun
    if ((kills < wanted)); then
      sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
      if choose; then
        # The writing of a checkpoint is too short to be hit often: every fourth kill waits for one.
        [[ -z $launcher ]] || ((RANDOM % 4 > 0)) || written
        kill -KILL "$victim" 2>/dev/null && struck=$(now)
      fi
      if [[ -n $launcher && -n $struck ]]; then
        gone 2>/dev/null || { ps -o pid,ppid,stat,etimes,args -p "$(job | paste -sd,)" >&2 || true; fail "$took ms after the kill of $victims_name the job has processes left"; }
        ((took <= longest)) || longest=$took
      fi
    fi
    code=0
    wait "$run" 2>/dev/null || code=$?
    ((code != 0)) || break
    # A job may end with another code than the process that was killed; 2 says of a checkpoint that it does not load.
    [[ -n $struck && ($code -eq 137 || (-n $launcher && $code -ne 2)) ]] || fail "after $kills kills a run left with code $code"
    kills=$((kills + 1))
    [[ -e $folder/latest.safetensors ]] || early=$((early + 1))
    if [[ -n $launcher ]]; then
      place=$(place)
      places[$place]=$((${places[$place]:-0} + 1)) names[$victims_name]=$((${names[$victims_name]:-0} + 1))
      rm -f "$folder"/*.partial
      echo "kill $kills: $victims_name of ${start[2]} rank(s), $place; all gone after $took ms"
    fi
  done
  for name in latest best; do
    [[ $(tensors "$work/whole/$name.safetensors") == "$(tensors "$folder/$name.safetensors")" ]] ||
      fail "after $kills kills $name.safetensors of run $((runs + 1)) differs from the run that was left alone"
  done
  runs=$((runs + 1))
  rm -r "$folder"
done
if [[ -n $launcher ]]; then
  for name in "${!names[@]}"; do printf '%s of %s, ' "${names[$name]}" "$name"; done
  for place in "${!places[@]}"; do printf '%s in %s, ' "${places[$place]}" "$place"; done
  echo "no process of a job left $longest ms after a kill"
fi
echo "$kills kills ($early before the first checkpoint) in $runs runs: every checkpoint loaded, and every run ended with the bits of the one that was left alone ($((milliseconds / 1000)) s long)"
