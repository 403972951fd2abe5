#!/usr/bin/env bash
# Runs gpu_package.sh's archive in an empty root without .NET or a network, on whatever libcuda.so.1 is found first on LD_LIBRARY_PATH: an emulated GPU's.
# Linux x64 with the folders of Debian, as root. The root gets the C and C++ runtimes, bash, the POSIX tools that gpu_check.sh calls, tar and gzip from this machine, that libcuda in the
# driver's place, /etc/passwd, /proc and four devices; no OpenSSL, no ICU, no locales. Exit code 0 if all parts passed or were skipped.
#
#   gpu_package_check.sh ARCHIVE [OUT] [gpu_check.sh's arguments]      (default: OUT gpu-package-check, arguments --short)
#
# The emulator's variables PTXEMU_* are passed on.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
(($# > 0)) || { echo "gpu_package_check: which archive? See the head of $0" >&2; exit 2; }
archive=$(realpath "$1") out=$(realpath -m "${2:-gpu-package-check}")
arguments=("${@:3}")
((${#arguments[@]})) || arguments=(--short)
IFS=: read -ra places <<<"${LD_LIBRARY_PATH-}"
driver=
for place in "${places[@]}"; do
  [[ -n $driver || ! -e $place/libcuda.so.1 ]] || driver=$place/libcuda.so.1
done
[[ -n $driver ]] || { echo "gpu_package_check: no libcuda.so.1 on LD_LIBRARY_PATH" >&2; exit 2; }

if [[ -z ${DS2_OWN_NAMESPACES-} ]]; then
  # No network, and mounts and processes that end with this script.
  exec env DS2_OWN_NAMESPACES=1 unshare --net --mount --pid --fork --kill-child -- bash "$0" "$archive" "$out" "${arguments[@]}"
fi

system=$(mktemp -d)
trap 'umount "$system"/proc "$system"/dev/* 2>/dev/null; rm -rf --one-file-system "$system"' EXIT
mkdir -p "$system"/{bin,usr/bin,lib64,lib/x86_64-linux-gnu,proc,dev,etc,tmp,home} "$out"
echo 'root:x:0:0:root:/home:/bin/bash' >"$system/etc/passwd" # NUnit asks for the user's name
tools=(bash env cat cut date dirname grep gzip head ls mkdir mv nproc realpath rm sed sleep tail tar tee timeout uname)
for tool in "${tools[@]}"; do cp -L "$(type -P "$tool")" "$system/bin"; done
cp -L "$system"/bin/env "$system/usr/bin"
libraries() { ldd "$@" | sed -n 's|.* => \(/[^ ]*\) .*|\1|p' | sort -u; }
libraries "$system"/bin/* "$driver" | while read -r library; do cp -L "$library" "$system/lib/x86_64-linux-gnu"; done
for library in libstdc++.so.6 libgcc_s.so.1 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1; do
  cp -L "/lib/x86_64-linux-gnu/$library" "$system/lib/x86_64-linux-gnu" 2>/dev/null || cp -L "/usr/lib/x86_64-linux-gnu/$library" "$system/lib/x86_64-linux-gnu"
done
cp -L /lib64/ld-linux-x86-64.so.2 "$system/lib64"
cp -L "$driver" "$system/lib/x86_64-linux-gnu/libcuda.so.1"
mount -t proc proc "$system/proc"
for device in null zero random urandom; do
  : >"$system/dev/$device"
  mount --bind "/dev/$device" "$system/dev/$device"
done
echo "in the root, without the archive: $(find "$system/bin" "$system/usr" "$system/lib" "$system/lib64" -type f | wc -l) files"
find "$system/lib" "$system/lib64" -type f -printf '  %f\n' | sort
cp "$archive" "$system/home/archive"

code=0
mapfile -t emulator < <(compgen -v PTXEMU_ | while read -r name; do printf '%s=%s\n' "$name" "${!name}"; done)
PATH=$PATH:/sbin:/usr/sbin chroot "$system" /usr/bin/env -i PATH=/bin HOME=/home "${emulator[@]}" \
  bash -c 'cd /home && tar xf archive && rm archive && ds2-gpu/gpu_check.sh --out out "$@"' gpu_check "${arguments[@]}" || code=$?
cp "$system"/home/out/* "$out" || code=1
exit "$code"
