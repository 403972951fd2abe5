#!/usr/bin/env bash
# Compares every file of the data set with its checksums: prints "Dataset Checksum Passed.", or names each file that differs and exits with 1.
#
#   verify_dataset.sh [DIR]       default: ./LibriSpeech_dataset
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dotnet build "$root/Ds2.Train" --nologo --verbosity quiet >&2
exec dotnet "$root/Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll" data verify "$@"
