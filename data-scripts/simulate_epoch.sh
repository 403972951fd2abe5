#!/usr/bin/env bash
# An epoch of LibriSpeech's size without LibriSpeech: 281,241 made-up utterances of its lengths, a tiny model, Ds2.Train's own command line; once left alone,
# once killed twice (SIGKILL) and resumed. Checks that both end alike and that each utterance is trained on once; prints times, memory and sizes.
#
#   simulate_epoch.sh [options of Ds2.Bench epoch]     --share 0.01: a hundredth, in a minute or two; --stored: without the features' time
#
# Environment: DS2, as the other scripts take it.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
root=$(cd "$(dirname "$0")/.." && pwd)
if [[ -z ${DS2:-} ]]; then
  dotnet build "$root/Ds2.Train" -c Release --nologo --verbosity quiet >&2
  DS2="dotnet $root/Ds2.Train/bin/Release/net10.0/Ds2.Train.dll"
fi
exec dotnet run -c Release --project "$root/Ds2.Bench" -- epoch --program "$DS2" "$@"
