#!/usr/bin/env bash
# Compares every file of the data set with its checksums: prints "Dataset Checksum Passed.", or names each file that differs and exits with 1.
#
#   verify_dataset.sh [DIR]       default: ./LibriSpeech_dataset
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
exec "${program[@]}" data verify "$@"
