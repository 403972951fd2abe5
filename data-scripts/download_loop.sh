#!/usr/bin/env bash
# Serves a small LibriSpeech on loopback, downloads it, cuts the download at random moments and runs it again, flips bytes, and checks all outcomes.
#
#   download_loop.sh [CUTS [LIBRISPEECH [SEED]]]
#
# CUTS: how often the whole process group is killed with SIGKILL (20). LIBRISPEECH: an unpacked tree to make the archives from, as
# ../shared/data/digits/LibriSpeech (the default). A download is cut again and again until it ends by itself; what it leaves must equal, byte for byte,
# what an undisturbed one left; then the next one starts, until there were so many cuts. Needs tar, sha256sum, curl and ASP.NET's runtime for the server.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
cd "$(dirname "$0")/.."
wanted=${1:-20}
source=$(realpath "${2:-../shared/data/digits/LibriSpeech}")
RANDOM=${3:-1}
port=$((20000 + $$ % 20000))
work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "download_loop: $1" >&2; cat "$work/log" >&2; exit 1; }

mkdir "$work/archives" "$work/tree" "$work/server"
ln -s "$source" "$work/tree/LibriSpeech"
for split in "$source"/{train,dev,test}-*; do
  [[ -d $split ]] || continue
  name=$(basename "$split")
  tar -C "$work/tree" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -czf "$work/archives/$name.tar.gz" "LibriSpeech/$name"
done
(cd "$work/archives" && sha256sum ./*.tar.gz) >"$work/digests"

# A few megabytes a second for each connection: on loopback all would have come before the first cut.
cat >"$work/server/server.cs" <<'CS'
#:sdk Microsoft.NET.Sdk.Web
#:property PublishAot=false
WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Warning);
WebApplication app = builder.Build();
app.MapMethods("/{name}", ["GET", "HEAD"], (string name) => File.Exists(Path.Combine(args[0], Path.GetFileName(name)))
    ? Results.File(new SlowFile(Path.Combine(args[0], Path.GetFileName(name))), "application/gzip", enableRangeProcessing: true)
    : Results.NotFound());
app.Run($"http://127.0.0.1:{args[1]}");

sealed class SlowFile(string path) : FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read)
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation = default)
    {
        await Task.Delay(2, cancellation);
        return await base.ReadAsync(buffer[..Math.Min(buffer.Length, 16 * 1024)], cancellation);
    }
}
CS
source data-scripts/program.sh
export DS2="${program[*]}"
dotnet build "$work/server/server.cs" --output "$work/server/out" --nologo --verbosity quiet >"$work/log" || fail "the server cannot be built"
dotnet "$work/server/out/server.dll" "$work/archives" "$port" >"$work/log" 2>&1 &
server=$!
curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 --head "http://127.0.0.1:$port/$name.tar.gz" >/dev/null || fail "the server does not answer"

download=(data-scripts/download_dataset.sh --files "$(cd "$work/archives" && echo ./*.tar.gz | sed 's|\./||g; s| |,|g')"
  --mirror "http://127.0.0.1:$port" --digests "$work/digests" --retries 3)
milliseconds() { echo $(($(date +%s%N) / 1000000)); }
started() { # target: waits until the program is at work
  until [[ -e $1/download/lock ]] || ! kill -0 "$run" 2>/dev/null; do sleep 0.01; done
}

setsid "${download[@]}" --target "$work/whole" >"$work/log" 2>&1 &
run=$!
started "$work/whole"
start=$(milliseconds)
wait "$run" || fail "the undisturbed download failed"
length=$(($(milliseconds) - start))
tail -n 1 "$work/log"
[[ $(data-scripts/verify_dataset.sh "$work/whole" 2>"$work/log") == "Dataset Checksum Passed." ]] || fail "it does not verify"

cuts=0 downloads=0
while ((cuts < wanted)); do
  while true; do
    setsid "${download[@]}" --target "$work/cut" >"$work/log" 2>&1 &
    run=$!
    started "$work/cut"
    moment=$((RANDOM * length / 32768))
    ((cuts >= wanted)) || { sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"; kill -KILL -- "-$run" 2>/dev/null || true; }
    code=0
    wait "$run" 2>/dev/null || code=$?
    ((code != 0)) || break
    ((code == 137)) || fail "after $cuts cuts the download left with code $code"
    cuts=$((cuts + 1))
    echo "cut $cuts after $moment ms: $(find "$work/cut/download" -type f -name '*.flac' | wc -l) FLAC files, $(find "$work/cut" -name '*.wav' | wc -l) WAV files, list $([[ -e $work/cut/checksums.sha256 ]] && grep -c '^# archive' "$work/cut/checksums.sha256" || echo none)"
  done
  diff -r "$work/whole" "$work/cut" >"$work/log" || fail "after $cuts cuts the data set differs from the undisturbed one"
  downloads=$((downloads + 1))
  ((cuts >= wanted)) || rm -r "$work/cut"
done
[[ $(data-scripts/verify_dataset.sh "$work/cut" 2>"$work/log") == "Dataset Checksum Passed." ]] || fail "it does not verify"

flip() { # file: changes a bit of a random byte, expects verify to name the file and nothing else, and mends it
  local offset=$(((RANDOM * 32768 + RANDOM) % $(stat -c %s "$1"))) byte code=0
  byte=$(od -An -tu1 -j "$offset" -N 1 "$1")
  cp "$1" "$work/kept"
  printf "\\x$(printf %02x $((byte ^ 1 << RANDOM % 8)))" | dd of="$1" bs=1 seek="$offset" conv=notrunc status=none
  "${program[@]}" data verify "$work/cut" >"$work/log" 2>/dev/null || code=$?
  [[ $code == 1 && $(cat "$work/log") == "changed  $1" ]] || fail "a flipped byte at $offset of $1 gave code $code"
  cp "$work/kept" "$1"
}
flips=0
while read -r file; do
  flip "$file"
  flips=$((flips + 1))
done < <(find "$work/cut" -type f | sort | shuf -n 20 --random-source="$work/archives/$name.tar.gz"; find "$work/cut" -maxdepth 1 -type f)
((flips > 20)) || fail "only $flips files could be changed"
echo "$cuts cuts in $downloads downloads ($length ms when left alone): the same bytes each time; $flips flipped bytes were found and named"
