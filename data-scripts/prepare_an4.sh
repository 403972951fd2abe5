#!/usr/bin/env bash
# Manifests and texts for CMU AN4 in the form of Sphinx feature files (13 MFCCs a frame).
#
#   prepare_an4.sh SOURCE OUT
#
# SOURCE has feat/**/ID.mfc and an4_{train,test}.trans.txt, lines "ID TEXT". OUT gets {train,test}/ID.txt and
# an4_{train,test}_manifest.csv, which name the feature files where they are.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
[[ $# == 2 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
source=$(realpath "$1")
out=$2

for split in train test; do
  texts=$source/an4_$split.trans.txt
  [[ -e $texts ]] || { echo "prepare_an4: $texts: no such file" >&2; exit 2; }
  mkdir -p "$out/$split"
  manifest=$out/an4_${split}_manifest.csv
  find "$source/feat" -name '*.mfc' | awk -v texts="$texts" -v out="$out" -v split_name="$split" '
    { id = $0; sub(/.*\//, "", id); sub(/\.mfc$/, "", id); file[id] = $0 }
    END {
      while ((getline line < texts) > 0) {
        space = index(line, " ")
        id = substr(line, 1, space - 1)
        if (!(id in file)) { print "prepare_an4: no feature file for " id > "/dev/stderr"; exit 2 }
        text = out "/" split_name "/" id ".txt"
        print substr(line, space + 1) > text
        close(text)
        print file[id] "," split_name "/" id ".txt"
      }
    }' >"$manifest.part"
  mv "$manifest.part" "$manifest"
  echo "$manifest: $(wc -l <"$manifest") utterances"
done
