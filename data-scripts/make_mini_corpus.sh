#!/usr/bin/env bash
# Makes the small corpus that the repository carries: numbers and short commands, spoken by espeak-ng in many voices.
#   make_mini_corpus.sh [OUT]          OUT: Ds2.Train/MiniCorpus
# Needs espeak-ng (1.51) and sox. The same versions give the same bytes: nothing here depends on the time or on a random device.
# Training and validation voices differ: no voice variant (m1, f3, ...) is in both. Every training voice says every word at least twice.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
export LC_ALL=C

out=${1:-$(cd "$(dirname "$0")/.." && pwd)/Ds2.Train/MiniCorpus}
for tool in espeak-ng sox soxi; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install espeak-ng sox" >&2; exit 1; }
done

# variant:accent:pitch:words a minute
train_voices=(
  m1:en-us:42:145 m1:en-gb:54:163 m2:en-us:48:154 m3:en-gb:50:141 m3:en-us:38:158 m5:en-us:55:150 m6:en-gb:45:154
  m8:en-us:50:145 f1:en-us:52:150 f1:en-gb:44:158 f2:en-us:50:141 f2:en-gb:58:154 f4:en-us:46:150 f5:en-us:52:158
)
val_voices=(m4:en-us:46:148 m4:en-gb:52:157 m7:en-us:50:151 m7:en-gb:44:145 f3:en-us:48:150 f3:en-gb:54:155)
digits=(ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE)

seed=1
# A number below $1, in $random. (A function in a subshell would lose the seed.)
draw() {
  seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
  random=$(((seed >> 12) % $1))
}

# The next digit of a shuffled deck, in $digit: all ten come before one comes again.
deck=()
next_digit() {
  ((${#deck[@]})) || deck=("${digits[@]}")
  draw ${#deck[@]}
  digit=${deck[random]}
  unset "deck[random]"
  deck=("${deck[@]}")
}

# The texts that a voice says, in $texts: one for each pattern given, in which # is a digit.
fill_patterns() {
  texts=()
  local pattern word text
  for pattern; do
    text=
    for word in $pattern; do
      [[ $word == '#' ]] && { next_digit; word=$digit; }
      text+=" $word"
    done
    texts+=("${text# }")
  done
}

speak() { # split id variant accent pitch speed text
  local wav=$out/$1/wav/$2.wav
  espeak-ng -v "$4+$3" -p "$5" -s "$6" -w "$scratch/spoken.wav" -- "${7,,}"
  # 16 kHz mu-law (half the bytes of 16 bits, at speech's quality), silence cut to 80 ms on both sides.
  sox -D -V1 "$scratch/spoken.wav" -r 16000 -c 1 -e mu-law -b 8 "$wav" gain -n -6 rate -h \
    silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.08 0.08
  printf '%s\n' "$7" >"$out/$1/txt/$2.txt"
  printf '%s %s\n' "$(soxi -s "$wav")" "$1/wav/$2.wav,$1/txt/$2.txt" >>"$scratch/$1"
}

make_split() { # split, then voices; patterns come in $patterns
  local split=$1 voice variant accent pitch speed id text
  shift
  rm -rf "${out:?}/$split"
  mkdir -p "$out/$split/wav" "$out/$split/txt"
  for voice; do
    IFS=: read -r variant accent pitch speed <<<"$voice"
    fill_patterns "${patterns[@]}"
    id=0
    for text in "${texts[@]}"; do
      id=$((id + 1))
      draw 13; local p=$((pitch + random - 6))
      draw 21; local s=$((speed + random - 10))
      speak "$split" "$(printf '%s-%s-%02d' "$accent" "$variant" "$id")" "$variant" "$accent" "$p" "$s" "$text"
    done
  done
  # Shortest first, as the trainer wants it.
  sort -n -k1,1 -k2,2 "$scratch/$split" | cut -d' ' -f2 >"$out/${split}_manifest.csv"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

patterns=(
  '# # # #' '# # #' '# # # # #' '# # # #'
  'OPEN DOOR #' 'OPEN WINDOW # #' 'CLOSE DOOR # #' 'CLOSE WINDOW #'
  'START MUSIC #' 'START MUSIC # #' 'STOP MUSIC #' 'STOP MUSIC # #'
  'TURN LEFT # #' 'TURN RIGHT #' 'TURN RIGHT # #' 'TURN LEFT #'
)
make_split train "${train_voices[@]}"
patterns=('# # #' '# # # #' 'OPEN WINDOW #' 'CLOSE DOOR #' 'START MUSIC # #' 'STOP MUSIC #' 'TURN LEFT #' 'TURN RIGHT # #')
make_split val "${val_voices[@]}"

for split in train val; do
  printf '%s: %d utterances, %.0f s\n' "$split" "$(wc -l <"$out/${split}_manifest.csv")" \
    "$(awk '{ s += $1 } END { print s / 16000 }' "$scratch/$split")"
done
du -sb "$out" | cut -f1 | xargs printf '%d bytes in all\n'
