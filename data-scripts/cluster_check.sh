#!/usr/bin/env bash
# Confirms in about a minute that processes on the machines named can train one model under MPI: a line for each check, ok or FAILED with what to do.
# Exit code 0 if nothing failed, 1 if something did (what the programs said then stays in a folder, which is named), 2 for wrong use.
#
#   cluster_check.sh [-n RANKS] [--hostfile FILE | --hosts A,B:4,...] [--mpirun COMMAND] [--megabytes 415] [--device auto]
#
# -n           processes (default: the slots of the hosts named; 2 where none is)
# --hostfile   lines 'host slots=4' for Open MPI, 'host:4' for MPICH
# --hosts      the same in one word; without either, what the launcher takes by itself: this machine, or an allocation's
# --mpirun     the launcher with options of its own (default: mpirun), as "mpirun.openmpi --oversubscribe" or "srun --mpi=pmix"
# --megabytes  of gradients that are exchanged: 415 is the model of the preset mlperf
# --device     of the training, as train takes it
#
# The program and the folder that this is started in must be at the same paths on all hosts, and the folder one that they share. Environment: DS2, as the other
# scripts take it, and DS2_BENCH, the command that runs Ds2.Bench, where it is not beside DS2's program.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
export LC_ALL=C

fail_usage() { echo "cluster_check: $1; see the head of $0" >&2; exit 2; }

n='' hostfile='' hosts='' mpirun=mpirun megabytes=415 device=auto
while (($#)); do
  case $1 in
    -n | --hostfile | --hosts | --mpirun | --megabytes | --device)
      (($# > 1)) && [[ -n $2 ]] || fail_usage "$1 needs a value"
      name=${1#--}
      declare "${name#-}=$2"
      shift 2
      ;;
    *) fail_usage "unknown option $1" ;;
  esac
done
[[ -z $hostfile || -z $hosts ]] || fail_usage "--hostfile and --hosts exclude each other"
[[ -z $hostfile || -r $hostfile ]] || fail_usage "$hostfile: no such file (--hostfile)"
[[ $megabytes =~ ^[1-9][0-9]*$ ]] || fail_usage "--megabytes $megabytes: must be a number"
read -ra launch <<<"$mpirun"
command -v "${launch[0]}" >/dev/null || fail_usage "${launch[0]} is not installed: apt install openmpi-bin, or mpich"

# Slots as both launchers write them; a host without a number has one.
slots() { sed -E 's/#.*//; /^\s*$/d; s/.*(slots\s*=\s*|:)([0-9]+).*/\2/; /^[0-9]+$/!s/.*/1/' | paste -sd+ | sed 's/^$/0/'; }
if [[ -n $hosts ]]; then
  launch+=(--host "$hosts")
  n=${n:-$(($(tr , '\n' <<<"$hosts" | slots)))}
elif [[ -n $hostfile ]]; then
  launch+=(--hostfile "$hostfile")
  n=${n:-$(($(slots <"$hostfile")))}
fi
n=${n:-2}
[[ $n =~ ^[1-9][0-9]*$ ]] && ((n > 1)) || fail_usage "$n processes: there must be at least 2 (-n)"

built=${DS2:+no}
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
# Hosts start in folders of their own: the program's file by its whole path.
last=$((${#program[@]} - 1))
[[ ! -f ${program[last]} ]] || program[last]=$(realpath -s "${program[last]}")
bench=()
if [[ -n ${DS2_BENCH:-} ]]; then
  read -ra bench <<<"$DS2_BENCH"
elif [[ -z $built ]]; then
  dotnet build "$root/Ds2.Bench" --nologo --verbosity quiet >&2
  bench=(dotnet "$root/Ds2.Bench/bin/Debug/net10.0/Ds2.Bench.dll")
else
  file=$(basename "${program[last]}")
  file=$(dirname "${program[last]}")/${file/Ds2.Train/Ds2.Bench}
  [[ ! -f $file ]] || bench=("${program[@]:0:last}" "$file")
fi

work=$(mktemp -d "$PWD/cluster-check.XXXXXX")
failed=''
finish() {
  rm -rf "$work"/{token,ranks,alone}
  if [[ -n $failed ]]; then echo "what the programs said: $work"; else rm -rf "$work"; fi
}
trap finish EXIT

ok() { printf 'ok      %-9s %s\n' "$1" "$2"; }
not_ok() { printf 'FAILED  %-9s %s\n' "$1" "$2"; failed=1; }

# Starts so many processes of a program, with what they print in a file of the folder. Open MPI gives processes a terminal, which .NET would send control sequences.
job() { # name processes command...
  limit=$([[ $1 == start ]] && echo 60 || echo 300)
  timeout -k 10 "$limit" "${launch[@]}" -n "$2" env TERM=dumb "${@:3}" </dev/null >"$work/$1.log" 2>&1
}

# Why a job failed and what to do, in a line.
why() { # name exit-code
  local log=$work/$1.log line
  if grep -q 'OMPI_ALLOW_RUN_AS_ROOT' "$log"; then
    echo "Open MPI starts nothing as root: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1, or be another user"
  elif grep -q 'not enough slots' "$log"; then
    echo "the hosts have fewer slots than $n: 'host slots=4' in a hostfile, --hosts host:4, or --mpirun '${launch[0]} --oversubscribe'"
  elif grep -qiE 'permission denied|host key verification|could not resolve|connection refused|connection timed out|no route to host|unable to reliably start' "$log"; then
    echo "a host cannot be entered: 'ssh HOST true' must work from here without a question, and ${launch[0]} be on the PATH there"
  elif (($2 == 124 || $2 == 137)); then
    echo "no end after $limit s: open the ports between the hosts, or name their network: --mpirun 'mpirun --mca btl_tcp_if_include eth0' (Open MPI), '-iface eth0' (MPICH)"
  elif line=$(grep -m 1 -o 'ds2: .*' "$log"); then
    echo "$line"
  else
    line=$(grep -vE '^[-=[:space:]]*$' "$log" | head -n 1 || true)
    echo "exit code $2: ${line:-nothing was said}"
  fi
}

# What a process can say before the program runs: its rank, its host, whether it sees the folder, and which program and launcher it finds.
probe='
  file=${!#} launcher=$1 seen=no digest=
  shift
  [[ ! -e $0 ]] || seen=yes
  if ! command -v "$1" >/dev/null; then version="no $1 on the PATH"
  elif [[ $file == /* && ! -e $file ]]; then version="no $file"
  else
    version=$("$@" --version 2>/dev/null | tail -n 1)
    digest=$(cat "$(dirname "$file")"/Ds2.*.dll 2>/dev/null | sha256sum)
  fi
  printf "probe|%s|%s|%s|%s|%s|%s\n" "${OMPI_COMM_WORLD_RANK:-${PMIX_RANK:-${PMI_RANK:-none}}}" "$HOSTNAME" "$seen" "${version:-no answer}" "${digest:0:12}" \
    "$("$launcher" --version 2>&1 | grep -oE "[0-9]+(\.[0-9]+)+" | head -n 1)"
'
touch "$work/token"
code=0
job start "$n" bash -c "$probe" "$work/token" "${launch[0]}" "${program[@]}" || code=$?
mapfile -t answers < <(grep -o 'probe|.*' "$work/start.log" | sort -t'|' -k2n)
field() { printf '%s\n' "${answers[@]}" | cut -d'|' -f"$1"; } # all answers'
if ((code)); then
  not_ok ranks "$(why start "$code")"
elif ((${#answers[@]} != n)) || [[ $(field 2) != "$(seq 0 $((n - 1)))" ]]; then
  not_ok ranks "${#answers[@]} of $n processes answered, as ranks $(field 2 | paste -sd' '): the launcher must tell them their ranks (srun: --mpi=pmix or pmi2)"
else
  ok ranks "$n: $(field 3 | sort | uniq -c | awk '{ printf "%s%d on %s", (NR > 1 ? ", " : ""), $1, $2 }')"
fi
[[ -z $failed ]] || exit 1

# Of answers that should be like the first, those that are not: host and field.
others() { printf '%s\n' "${answers[@]}" | awk -F'|' -v at="$1" -v want="$2" '$at != want && !seen[$3 $at]++ { printf "%s%s: %s", (n++ ? ", " : ""), $3, $at }'; }
version=$(field 5 | head -n 1) digest=$(field 6 | head -n 1)
if [[ -z $digest ]]; then
  not_ok program "$(others 5 ''); it must be at the same path everywhere, and dotnet on the PATH of a shell without login"
elif [[ -n $(others 5 "$version") ]]; then
  not_ok program "$version, but $(others 5 "$version"): the same build must be at ${program[last]} everywhere"
elif [[ -n $(others 6 "$digest") ]]; then
  not_ok program "$version with other files on $(others 6 "$digest" | sed 's/: [^,]*//g'): copy one build to all hosts"
else
  # Ten digits of the commit tell enough.
  ok program "$(sed -E 's/(\+[0-9a-f]{10})[0-9a-f]+$/\1/' <<<"$version"), the same files on all"
fi
if [[ -n $(others 4 yes) ]]; then
  not_ok folder "$PWD is not shared with $(others 4 yes | sed 's/: [^,]*//g'): start this in a folder that all hosts see at this path"
else
  ok folder "$PWD is seen by all"
fi
[[ -z $failed ]] || exit 1

# Ten steps of batches of one utterance, from the built-in corpus of 224; with so many ranks that it has fewer steps, over several epochs.
steps=$((224 / n < 1 ? 1 : 224 / n > 10 ? 10 : 224 / n)) epochs=0
epochs=$(((10 + steps - 1) / steps))
train=("${program[@]}" train --preset mini --seed 1 --epochs "$epochs" --max-batches "$steps" --target-wer -1 --set batch=1 --set "accumulate=$n"
  --set hidden=24 --set channels=4 --device "$device" --threads 1 --loaders 1 --json)
value() { sed -nE "s/.*\"$1\": ?(\"([^\"]*)\"|([0-9.eE+-]+)).*/\2\3/p"; } # of a property, in JSON
ranks_of() { sed -n '/"ranks": \[/,/^  \]/p' "$work/ranks/environment.json" | value "$1"; }
code=0
job ranks "$n" "${train[@]}" --out "$work/ranks" || code=$?
if ((code)); then
  not_ok training "$(why ranks "$code")"
elif (($(ranks_of host | wc -l) != n)); then
  not_ok training "each process trained on its own: the launcher must be an MPI library's (srun: --mpi=pmix or pmi2)"
else
  library="$(value mpi <"$work/ranks/environment.json"), ${launch[0]} $(field 7 | head -n 1)"
  if [[ -n $(others 7 "$(field 7 | head -n 1)") ]]; then
    not_ok library "$library, but $(others 7 "$(field 7 | head -n 1)"): install the same version on all hosts"
  else
    ok library "$library on all"
  fi
  ok devices "$(paste -d'|' <(ranks_of host) <(ranks_of device) | awk -F'|' '{ printf "%srank %d on %s: %s", (NR > 1 ? "\n" : ""), NR - 1, $1, $2 }' | sed '2,$s/^/                  /')"
  code=0
  job alone 1 "${train[@]}" --out "$work/alone" || code=$?
  if ((code)); then
    not_ok training "one process alone: $(why alone "$code")"
  elif [[ $(tensors "$work/ranks/latest.safetensors") != "$(tensors "$work/alone/latest.safetensors")" ]]; then
    not_ok training "$n ranks have other bits than one process after $((steps * epochs)) steps: all ranks need the same kind of processor or GPU, and driver"
  else
    ok training "$((steps * epochs)) steps of $n ranks leave the same bits as one process"
  fi
fi

if ((${#bench[@]} == 0)); then
  echo "skipped exchange  there is no Ds2.Bench beside ${program[last]}: DS2_BENCH names it"
else
  code=0
  job exchange "$n" "${bench[@]}" exchange --megabytes "$megabytes" --rounds 3 --json || code=$?
  rate=$(value gigabytesPerSecond <"$work/exchange.log")
  if ((code)) || [[ -z $rate ]]; then
    not_ok exchange "$(why exchange "$code")"
  else
    # Of R ranks each sends and receives, for its share and for the others', 2 (R - 1) / R of the gradient.
    ok exchange "$(awk -v mb="$megabytes" -v rate="$rate" -v n="$n" -v their="$(value allreduceGigabytesPerSecond <"$work/exchange.log")" -v ratio="$(value ratio <"$work/exchange.log")" \
      'BEGIN { printf "%d MB in %.0f ms (each rank sends %.2f GB/s and receives as much); MPI_Allreduce %.0f ms, ratio %.2f; all sums right", mb, mb / rate, 2 * (n - 1) / n * rate, mb / their, ratio }')"
  fi
fi
[[ -z $failed ]]
