#!/usr/bin/env bash
# Joins a manifest's recordings into one, and holds its text against the recordings' own, one after the other; then the memory for an hour of it against that for five minutes.
#
#   compare_long.sh CHECKPOINT MANIFEST [PAUSE...]     default: 0 0.1 0.3 0.7 1.5
#
# PAUSE: seconds of digital silence after each recording. Lines of the table: pause, words that differ (changed, lost or too many), in percent, segments, recordings;
# below each, the words themselves (- own, + joined). Needs sox and GNU time. The recordings must be of one rate and one number of channels. DS2 names the program where it is built already.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
export LC_ALL=C
fail() { echo "compare_long: $1" >&2; exit "${2:-1}"; }
(($# >= 2)) || fail "which model, and which recordings? compare_long.sh CHECKPOINT MANIFEST [PAUSE...]" 2
for tool in sox soxi /usr/bin/time; do
  command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install sox time"
done
checkpoint=$(realpath "$1")
manifest=$(realpath "$2")
[[ -f $checkpoint ]] || fail "$1: no such file" 2
[[ -f $manifest ]] || fail "$2: no such file" 2
shift 2
(($# > 0)) || set -- 0 0.1 0.3 0.7 1.5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source "$(dirname "${BASH_SOURCE[0]}")/program.sh"
# Greedily: a language model beside the checkpoint would hide what the joints do to what is heard.
transcribe=("${program[@]}" transcribe --checkpoint "$checkpoint" --lm none --device host)

# By their names, so that a speaker's follow each other.
mapfile -t recordings < <(cut -d, -f1 "$manifest" | sort | sed "s|^[^/]|$(dirname "$manifest")/&|")
mkdir "$work/own"
for i in "${!recordings[@]}"; do
  sox -D "${recordings[i]}" "$work/own/$(printf '%06d' "$i").wav"
done
"${transcribe[@]}" --out "$work/texts" "$work/own" 2>"$work/log" || fail "$(tail -1 "$work/log")"
cat "$work"/texts/*.txt | tr -s ' \n' '\n\n' >"$work/words"

join() { # pause; makes joined.wav
  if [[ $(awk -v p="$1" 'BEGIN { print (p > 0) }') == 1 ]]; then
    sox -D "$work/own/000000.wav" "$work/silence.wav" trim 0 0 pad 0 "$1"
    local parts=() part
    for part in "$work"/own/*.wav; do parts+=("$part" "$work/silence.wav"); done
    sox -D "${parts[@]}" "$work/joined.wav"
  else
    sox -D "$work"/own/*.wav "$work/joined.wav"
  fi
}

for pause; do
  join "$pause"
  "${transcribe[@]}" "$work/joined.wav" >"$work/text" 2>"$work/log" || fail "$(tail -1 "$work/log")"
  tr -s ' \n' '\n\n' <"$work/text" >"$work/heard"
  awk -v pause="$pause" -v segments="$(wc -l <"$work/text")" -v recordings="${#recordings[@]}" '
    FNR == NR { own[++n] = $0; next }
    { heard[++m] = $0 }
    END {
      for (j = 0; j <= m; j++) row[j] = j
      for (i = 1; i <= n; i++) {
        diagonal = row[0]; row[0] = i
        for (j = 1; j <= m; j++) {
          best = diagonal + (own[i] != heard[j])
          diagonal = row[j]
          if (row[j] + 1 < best) best = row[j] + 1
          if (row[j - 1] + 1 < best) best = row[j - 1] + 1
          row[j] = best
        }
      }
      printf "%s s\t%d of %d\t%.2f %%\t%d\t%d\n", pause, row[m], n, 100 * row[m] / n, segments, recordings
    }' "$work/words" "$work/heard"
  { diff "$work/words" "$work/heard" || true; } | sed -n 's/^< /- /p; s/^> /+ /p' | paste -sd' ' | sed 's/^/  /'
done

join 0.7
seconds=$(soxi -D "$work/joined.wav")
for length in 300 3600; do
  sox -D "$work/joined.wav" "$work/long.wav" repeat "$(awk -v l="$length" -v s="$seconds" 'BEGIN { print int(l / s) }')" trim 0 "$length"
  /usr/bin/time -o "$work/time" -f '%M %e' "${transcribe[@]}" "$work/long.wav" >/dev/null 2>"$work/log" || fail "$(tail -1 "$work/log")"
  tail -1 "$work/time" | awk -v sound="$length" '{ printf "%d s\t%d MB\t%.1f s\n", sound, $1 / 1024, $2 }'
done
