#!/usr/bin/env bash
# Fetches LibriSpeech and makes ./LibriSpeech_dataset of it. Run it again after any interruption: what is done is not done twice.
#
#   download_dataset.sh [--files train-clean-100.tar.gz,dev-clean.tar.gz,…] [--target DIR] [--mirror URL] [--digests FILE]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
exec "${program[@]}" data download "$@"
