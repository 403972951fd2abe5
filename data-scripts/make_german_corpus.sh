#!/usr/bin/env bash
# Makes a German corpus to try another alphabet with: phrases spoken by espeak-ng in several voices.
#   make_german_corpus.sh OUT [PHRASES]     OUT gets train, val and unseen manifests; PHRASES: 200
# Needs espeak-ng (1.51). The same version gives the same bytes. Some 75 minutes of speech, 220 MB, two minutes of one core.
#   train    all phrases in five voices
#   val      every third phrase in four other voices
#   unseen   as many phrases that are in neither, in those four voices
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
export LC_ALL=C.UTF-8
(($# >= 1)) || { echo "where to? make_german_corpus.sh OUT [PHRASES]" >&2; exit 2; }
out=$1 phrases=${2:-200}
command -v espeak-ng >/dev/null || { echo "espeak-ng is missing: apt-get install espeak-ng" >&2; exit 1; }

# variant:pitch:words a minute
train_voices=(m1:45:150 m3:50:140 m5:55:160 f1:50:155 f5:55:150)
val_voices=(m2:48:150 m7:50:145 f2:52:150 f4:46:155)

who=("der Bäcker" "die Schülerin" "das Mädchen" "mein Bruder" "unsere Nachbarin" "der Gärtner" "die Ärztin" "ein kleiner Junge" "meine Großmutter" "der König")
does=(sucht kauft findet bringt öffnet verliert zählt malt schließt trägt)
what=("einen Schlüssel" "zwei Äpfel" "das alte Buch" "eine Tür" "drei Brötchen" "fünf Bälle" "die süße Suppe" "zwölf Stühle" "ein weißes Hemd" "den grünen Koffer")
where=("heute" "am Montag" "im Frühling" "jeden Morgen" "um halb sieben" "nach dem Frühstück" "in der Küche" "auf der Straße" "vor dem großen Haus" "über dem Fluss")
city=(München Köln Nürnberg Zürich Düsseldorf Lübeck Hamburg Berlin Leipzig Jena)
sky=(schön kühl heiß trüb nass stürmisch)

seed=1
# A number below $1, in $random. (A function in a subshell would lose the seed.)
draw() {
  seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
  random=$(((seed >> 12) % $1))
}
pick() { # array, into $picked
  local -n from=$1
  draw ${#from[@]}
  picked=${from[random]}
}
phrase() { # into $text
  draw 5
  case $random in
    0) pick city; text="wann fährt der Zug nach $picked"; pick where; text+=" $picked" ;;
    1) pick city; text="das Wetter in $picked wird"; pick where; text+=" $picked"; pick sky; text+=" $picked" ;;
    *) pick who; text=$picked; pick does; text+=" $picked"; pick what; text+=" $picked"; pick where; text+=" $picked" ;;
  esac
}

declare -A known=()
texts=()
while ((${#texts[@]} < phrases + phrases / 3)); do
  phrase
  [[ ${known[$text]+there} ]] || texts+=("$text")
  known[$text]=1
done

speak() { # split number text voice...
  local split=$1 number=$2 text=$3 voice variant pitch speed name
  shift 3
  for voice; do
    IFS=: read -r variant pitch speed <<<"$voice"
    draw 13; pitch=$((pitch + random - 6))
    draw 21; speed=$((speed + random - 10))
    name=$variant-$(printf '%04d' "$number")
    espeak-ng -v "de+$variant" -p "$pitch" -s "$speed" -w "$out/$split/$name.wav" -- "$text"
    printf '%s\n' "$text" >"$out/$split/$name.txt"
    printf '%s,%s\n' "$split/$name.wav" "$split/$name.txt" >>"$out/$split.csv"
  done
}

for split in train val unseen; do
  rm -rf "${out:?}/$split" "$out/$split.csv"
  mkdir -p "$out/$split"
done
for ((i = 0; i < ${#texts[@]}; i++)); do
  if ((i >= phrases)); then
    speak unseen "$i" "${texts[i]}" "${val_voices[@]}"
  else
    speak train "$i" "${texts[i]}" "${train_voices[@]}"
    ((i % 3)) || speak val "$i" "${texts[i]}" "${val_voices[@]}"
  fi
done
wc -l "$out"/{train,val,unseen}.csv
