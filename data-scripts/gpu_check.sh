#!/usr/bin/env bash
# Confirms Ds2 on a GPU in about ten minutes: op and model tests, ten training steps beside the host's, benchmarks, and what the kernels compile to.
# Prints a line for each part, PASS, FAIL or SKIP with its reason; all output is kept in one folder. Exit code 0 if nothing failed.
#
#   gpu_check.sh [--device cuda|opencl] [--out DIR] [--manifest FILE] [--arch sm_60|sm_70|sm_80|sm_90] [--short] [PART ...]
#
# --device    what is checked (default: cuda)
# --out       the folder (default: gpu-check-DATE-TIME)
# --manifest  utterances for the ten steps, lines 'audio path,text path' (default: the built-in corpus)
# --arch      for the report (default: sm_60, a P100)
# --short     for emulated devices: small models, no benchmarks
# PART        devices, report, tests, steps, step-time, cublas, ops (default: all, in this order)
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail_usage() { echo "gpu_check: $1; see the head of $0" >&2; exit 2; }

device=cuda out=gpu-check-$(date +%Y%m%d-%H%M%S) manifest=$root/Ds2.Train/MiniCorpus/train_manifest.csv arch=sm_60 short=
parts=()
while (($#)); do
  case $1 in
    --device | --out | --manifest | --arch)
      (($# > 1)) || fail_usage "$1 needs a value"
      declare "${1#--}=$2"
      shift
      ;;
    --short) short=1 ;;
    -*) fail_usage "unknown option $1" ;;
    *) parts+=("$1") ;;
  esac
  shift
done
[[ $device == cuda || $device == opencl ]] || fail_usage "--device is cuda or opencl"
((${#parts[@]})) || parts=(devices report tests steps step-time cublas ops)
mkdir -p "$out" || exit 2
out=$(cd "$out" && pwd)
manifest=$(realpath "$manifest")
cd "$root"

echo "building"
dotnet build --nologo --verbosity quiet >"$out/build.log" 2>&1 || { tail "$out/build.log"; exit 1; }
bench=(dotnet Ds2.Bench/bin/Debug/net10.0/Ds2.Bench.dll)
train=(dotnet Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll)
"${train[@]}" devices >"$out/devices.log" 2>&1
grep -qE "^│ *$device " "$out/devices.log" && present=1 || present=

part_devices() { cat "$out/devices.log"; }

part_report() { "${bench[@]}" gpu-report --arch "$arch"; }

part_tests() {
  DS2_TEST_DEVICE=$device dotnet test --no-build --nologo --logger "console;verbosity=minimal" \
    --filter "FullyQualifiedName~Ds2.Tests.Ops|FullyQualifiedName~Ds2.Tests.Model|FullyQualifiedName~OnDevices|FullyQualifiedName~CopyTests"
}

part_steps() {
  local small=()
  [[ -z $short ]] || small=(--set hidden=32 --set channels=4 --set batch=4)
  "${bench[@]}" parity --device "$device" --manifest "$manifest" "${small[@]}"
}

part_step-time() { "${bench[@]}" step --preset mlperf --batch 8 --frames 1230 --labels 60 --device "$device"; }

part_cublas() { "${bench[@]}" cublas; }

part_ops() { "${bench[@]}" ops --device "$device" --filter '*(Model: Full)' --artifacts "$out/ops"; }

why_skipped() { # part
  case $1 in
    devices | report) return 1 ;;
    *) [[ $present ]] || { echo "there is no $device device"; return 0; } ;;
  esac
  case $1 in
    step-time | cublas | ops) [[ -z $short ]] || { echo "--short times nothing"; return 0; } ;;
  esac
  case $1 in
    cublas)
      [[ $device == cuda ]] || { echo "cuBLAS is CUDA's"; return 0; }
      ldconfig -p | grep -qE 'libcublas\.so\.1[0-2]' || { echo "no libcublas.so.10, 11 or 12"; return 0; }
      ;;
  esac
  return 1
}

failed=0
for part in "${parts[@]}"; do
  declare -F "part_$part" >/dev/null || fail_usage "unknown part $part"
  if reason=$(why_skipped "$part"); then
    line="SKIP  $part: $reason"
  else
    start=$SECONDS
    if "part_$part" >"$out/$part.log.part" 2>&1; then verdict=PASS; else verdict=FAIL; failed=1; fi
    mv "$out/$part.log.part" "$out/$part.log"
    line="$verdict  $part: $((SECONDS - start)) s, $out/$part.log"
  fi
  echo "$line" | tee -a "$out/summary.txt"
done
exit $failed
