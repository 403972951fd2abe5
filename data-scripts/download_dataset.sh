#!/usr/bin/env bash
# Fetches LibriSpeech and makes ./LibriSpeech_dataset of it. Run it again after any interruption: what is done is not done twice.
#
#   download_dataset.sh [--files train-clean-100.tar.gz,dev-clean.tar.gz,…] [--target DIR] [--mirror URL] [--digests FILE]
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
exec "${program[@]}" data download "$@"
