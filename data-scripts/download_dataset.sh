#!/usr/bin/env bash
# Fetches LibriSpeech and makes ./LibriSpeech_dataset of it. Run it again after any interruption: what is done is not done twice.
#
#   download_dataset.sh [--files train-clean-100.tar.gz,dev-clean.tar.gz,…] [--target DIR] [--mirror URL] [--digests FILE]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dotnet build "$root/Ds2.Train" --nologo --verbosity quiet >&2
exec dotnet "$root/Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll" data download "$@"
