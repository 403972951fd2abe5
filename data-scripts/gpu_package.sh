#!/usr/bin/env bash
# Makes one archive of what confirms Ds2 on a GPU, for a Linux x64 machine that has NVIDIA's driver and neither .NET nor a network:
# Ds2.Train, Ds2.Bench and the tests as programs that bring their runtime, gpu_check.sh, and docs/gpu.md with the estimate. Fails if it is larger than 55 MB.
#
#   gpu_package.sh [FILE]      (default: ds2-gpu.tar.gz; gzip, because a bare system has no other)
#
# There:   tar xf ds2-gpu.tar.gz && ds2-gpu/gpu_check.sh
# Needs the .NET 10 SDK and NuGet, from which the portable runtime comes.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
file=$(realpath -m "${1:-ds2-gpu.tar.gz}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
largest=55000000

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
ds2=$folder/ds2-gpu
# The tests reference all that there is, so that theirs is a folder with the three programs in it and one runtime.
dotnet publish Ds2.Tests -p:Package=true --output "$ds2/bin" --nologo --verbosity quiet
# What packages put beside the programs whatever the build says: profilers of Windows, code coverage, symbols.
rm -rf "$ds2"/bin/{amd64,Microsoft.CodeCoverage} "$ds2"/bin/{Dia2Lib,TraceReloggerLib}.dll "$ds2"/bin/*.pdb
cp data-scripts/gpu_check.sh docs/gpu.md "$ds2"

# .NET computes SHA-256 with the system's OpenSSL. Should a bare system have none, gpu_check.sh takes this one.
mkdir "$ds2/openssl"
for library in libssl.so.3 libcrypto.so.3; do
  found=$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | sed -n "s|^\\s*$library (libc6,x86-64.*=> ||p" | head -n 1)
  [[ -n $found ]] || { echo "gpu_package: $library is not on this machine: apt install libssl3" >&2; exit 1; }
  cp -L "$found" "$ds2/openssl"
done

chmod -R u=rwX,go=rX "$ds2"
tar --create --directory "$folder" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" ds2-gpu | gzip -9n >"$file"
size=$(stat --format=%s "$file")
echo "$file: $size bytes, $(du -sm "$ds2" | cut -f 1) MiB unpacked"
((size <= largest)) || { echo "gpu_package: larger than $largest bytes; 'tar tvf $file | sort -rnk 3' shows by what" >&2; exit 1; }
