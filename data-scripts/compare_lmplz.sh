#!/usr/bin/env bash
# Holds `lm build` against KenLM's lmplz: the same n-grams, and probabilities and back-offs within 1e-4.
#
#   compare_lmplz.sh TEXT...          UTF-8 texts, a sentence a line
#
# lmplz must be on the PATH (https://github.com/kpu/kenlm). Orders 1 to 5, unpruned and pruned; where a text is too small for discounts of its own, both take
# the fallback 0.5 1 1.5. Lines of the tables: text, order, pruning, n-grams, largest difference of log10 p, and of log10 back-offs.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
fail() { echo "compare_lmplz: $1" >&2; exit "${2:-1}"; }
(($# > 0)) || fail "which texts? compare_lmplz.sh TEXT..." 2
command -v lmplz >/dev/null || fail "lmplz is not on the PATH; build it from https://github.com/kpu/kenlm" 2
texts=()
for text; do texts+=("$(realpath "$text")"); done
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source data-scripts/program.sh

for text in "${texts[@]}"; do
  for order in 1 2 3 4 5; do
    for prune in "0" "0 1" "0 0 2" "1 2"; do
      read -ra thresholds <<<"$prune"
      ((${#thresholds[@]} <= order)) || continue
      lmplz -o "$order" --prune "${thresholds[@]}" --discount_fallback --skip_symbols -S 1G <"$text" >"$work/theirs.arpa" 2>"$work/log" || fail "lmplz: $(tail -1 "$work/log")"
      "${program[@]}" lm build --text "$text" --order "$order" --prune "${thresholds[@]}" --discount-fallback --out "$work/ours.arpa" >/dev/null 2>"$work/log" || fail "$(tail -1 "$work/log")"
      printf '%s\t%s\t%s\t' "$(basename "$text")" "$order" "$prune"
      awk -F'\t' '
        FNR == 1 { file++ }
        /^(\\|ngram |$)/ { next }
        file == 1 { probability[$2] = $1; back[$2] = $3 + 0; theirs++; next }
        { ours++ }
        !($2 in probability) { missing = $2; next }
        { p = $1 - probability[$2]; b = $3 - back[$2]; if (p < 0) p = -p; if (b < 0) b = -b; if (p > most) most = p; if (b > mostBack) mostBack = b }
        END {
          printf "%d\t%.1e\t%.1e\n", ours, most, mostBack
          if (missing != "" || ours != theirs) { printf "lmplz has %d n-grams, and not \"%s\"\n", theirs, missing; exit 1 }
          exit most > 1e-4 || mostBack > 1e-4
        }' "$work/theirs.arpa" "$work/ours.arpa" || fail "$text, order $order, pruned $prune: not equal"
    done
  done
done
