#!/usr/bin/env bash
# Confirms Ds2 on a GPU in eight minutes at most: op and model tests, ten training steps beside the host's, the benchmark's step and its kernels' own times, memory.
# Prints a line for each part, PASS, FAIL or SKIP with its reason; all output goes to one folder as it comes, so that a part that is cut off leaves what it had.
# Runs in the repository, which it builds (.NET 10 SDK), and in the archive of gpu_package.sh, which needs NVIDIA's driver alone. Exit code 0 if nothing failed.
#
#   gpu_check.sh [--device cuda|opencl] [--out DIR] [--manifest FILE] [--short] [PART ...]
#
# --device    what is checked (default: cuda)
# --out       the folder (default: gpu-check-DATE-TIME)
# --manifest  utterances for the ten steps, lines 'audio path,text path' (default: the built-in corpus)
# --short     for emulated devices: small models, no comparisons, and ten times the time
# PART        devices, tests, steps, step-time, cublas, bandwidth, ncu (default: all, in this order, the order of their worth)
set -uo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

# Seconds of each part; what one leaves, the next ones have. 480 in all.
declare -A budget=([devices]=20 [tests]=150 [steps]=60 [step-time]=110 [cublas]=60 [bandwidth]=30 [ncu]=50)

fail_usage() { echo "gpu_check: $1; see the head of $0" >&2; exit 2; }

device=cuda out=gpu-check-$(date +%Y%m%d-%H%M%S) manifest='' short=''
parts=()
while (($#)); do
  case $1 in
    --device | --out | --manifest)
      (($# > 1)) || fail_usage "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    --short) short=1 ;;
    -*) fail_usage "unknown option $1" ;;
    *) [[ -n ${budget[$1]-} ]] || fail_usage "unknown part $1"; parts+=("$1") ;;
  esac
  shift
done
[[ $device == cuda || $device == opencl ]] || fail_usage "--device is cuda or opencl"
((${#parts[@]})) || parts=(devices tests steps step-time cublas bandwidth ncu)
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
[[ -z $manifest ]] || manifest=$(realpath "$manifest") || exit 2

filter="FullyQualifiedName~Ds2.Tests.Ops|FullyQualifiedName~Ds2.Tests.Model|FullyQualifiedName~OnDevices|FullyQualifiedName~CopyTests"
if [[ -x $here/bin/Ds2.Tests ]]; then
  train=("$here/bin/Ds2.Train") bench=("$here/bin/Ds2.Bench")
  tests=("$here/bin/Ds2.Tests" --output Detailed --no-ansi --progress off --filter "$filter")
  manifest=${manifest:-$here/bin/MiniCorpus/train_manifest.csv} estimate=$here/gpu.md
  # .NET computes SHA-256 with OpenSSL, which a bare system may lack.
  compgen -G '/lib*/libssl.so.*' >/dev/null || compgen -G '/lib*/*/libssl.so.*' >/dev/null || compgen -G '/usr/lib*/libssl.so.*' >/dev/null \
    || export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$here/openssl
else
  cd "$here/.." || exit 2
  echo "building"
  dotnet build --nologo --verbosity quiet >"$out/build.log" 2>&1 || { tail "$out/build.log"; exit 1; }
  train=(dotnet Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll) bench=(dotnet Ds2.Bench/bin/Debug/net10.0/Ds2.Bench.dll)
  tests=(dotnet test --no-build --nologo --logger "console;verbosity=normal" --filter "$filter")
  manifest=${manifest:-Ds2.Train/MiniCorpus/train_manifest.csv} estimate=docs/gpu.md
fi

# CUDA's tools and libraries, also where neither PATH nor the loader looks: toolkits, and Python packages that bring cuBLAS.
IFS=: read -ra places <<<"$PATH:${LD_LIBRARY_PATH-}"
places+=(/lib/* /lib64 /usr/lib/* /usr/lib64 /usr/local/cuda*/bin /usr/local/cuda*/lib64 /opt/nvidia/nsight-compute/*
  {/usr,/usr/local,/opt/conda}/lib/python3*/*-packages/nvidia/cublas/lib)
first_file() { # name pattern
  local place file
  for place in "${places[@]}"; do
    for file in "$place"/$1; do
      [[ ! -f $file ]] || { echo "$file"; return; }
    done
  done
}
cublas=$(first_file 'libcublas.so.1[0-2]') ncu=$(first_file ncu)

# The parts; each runs its programs through "${limited[@]}", which ends them in time.
part_devices() {
  "${limited[@]}" "${train[@]}" --version
  "${limited[@]}" "${train[@]}" devices || return
  uname -srm
  grep -m 1 'model name' /proc/cpuinfo
  grep MemTotal /proc/meminfo
  ! command -v nvidia-smi >/dev/null || "${limited[@]}" nvidia-smi
}

part_tests() { DS2_TEST_DEVICE=$device "${limited[@]}" "${tests[@]}"; }

part_steps() {
  local small=()
  [[ -z $short ]] || small=(--set hidden=32 --set channels=4 --set batch=4)
  "${limited[@]}" "${bench[@]}" parity --device "$device" --manifest "$manifest" "${small[@]}"
}

part_step-time() {
  local step=(--batch 8 --frames 1230 --labels 60)
  [[ -z $short ]] || step=(--set hidden=32 --set layers=1 --set channels=4 --batch 2 --frames 60 --labels 3 --steps 1)
  "${limited[@]}" "${bench[@]}" kernels --device "$device" --preset mlperf "${step[@]}" --estimate "$estimate"
}

part_cublas() { LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}${cublas%/*} "${limited[@]}" "${bench[@]}" cublas; }

part_bandwidth() {
  local megabytes=400
  [[ -z $short ]] || megabytes=4
  "${limited[@]}" "${bench[@]}" bandwidth --device "$device" --megabytes "$megabytes"
}

# A step of few frames with all kernels at their sizes, the one after the first, which also takes memory.
part_ncu() {
  "${limited[@]}" "$ncu" --launch-skip 130 --launch-count 120 "${bench[@]}" step --device cuda --preset mlperf --batch 8 --frames 40 --labels 2 --steps 1
}

why_skipped() { # part
  [[ $1 == devices ]] && return 1
  [[ -z $no_device ]] || { echo "${no_device#ds2: }"; return 0; }
  case $1 in
    cublas | ncu)
      [[ $device == cuda ]] || { echo "$1 is CUDA's"; return 0; }
      [[ -z $short ]] || { echo "--short compares and profiles nothing"; return 0; }
      ;;
  esac
  case $1 in
    cublas) [[ -n $cublas ]] || { echo "no libcublas.so.10, 11 or 12"; return 0; } ;;
    ncu) [[ -n $ncu ]] || { echo "no ncu"; return 0; } ;;
  esac
  return 1
}

SECONDS=0
# What any program says of a device that it cannot have, with the exit code of a user's mistake.
no_device=$(timeout -k 5 60 "${bench[@]}" bandwidth --device "$device" --megabytes 1 2>&1 >/dev/null)
(($? == 2)) || no_device=

failed=0 deadline=0 slower=${short:+10}
for part in "${parts[@]}"; do
  log=$out/$part.log
  deadline=$((deadline + budget[$part] * ${slower:-1}))
  if reason=$(why_skipped "$part"); then
    line="SKIP  $part: $reason"
  else
    start=$SECONDS
    limited=(timeout -k 5 $((deadline > SECONDS ? deadline - SECONDS : 1)))
    "part_$part" >"$log" 2>&1
    code=$?
    took="$((SECONDS - start)) s"
    if ((code == 0)); then
      line="PASS  $part: $took, $log"
    elif ((code == 124 || code == 137)); then
      line="FAIL  $part: cut off after $took, $log has what came until then" failed=1
    elif [[ $part == ncu || ($part == cublas && $code == 2) ]]; then
      # A profiler that does not know the GPU or may not read its counters, a library that does not fit the driver: they say nothing about Ds2.
      line="SKIP  $part: $(grep -m 1 -e '^==ERROR==' -e '^ds2: ' "$log" || echo "exit code $code, $log")"
    else
      line="FAIL  $part: exit code $code after $took, $log" failed=1
    fi
  fi
  echo "$line" | tee -a "$out/summary.txt"
done
exit $failed
