# Sourced by the scripts beside it: sets `program` to the command that runs Ds2.Train. DS2 names it where it is built already
# ("dotnet /opt/ds2/Ds2.Train.dll", "mpirun -n 4 dotnet /opt/ds2/Ds2.Train.dll"); else it is built.
if ((${OMPI_COMM_WORLD_SIZE:-${PMI_SIZE:-1}} > 1)); then
  echo "$(basename "$0"): each process of the launcher would do the same; start this without one, and have DS2 be \"mpirun … dotnet …/Ds2.Train.dll\"" >&2
  exit 2
fi
if [[ -n ${DS2:-} ]]; then
  read -ra program <<<"$DS2"
else
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  dotnet build "$root/Ds2.Train" --nologo --verbosity quiet >&2
  program=(dotnet "$root/Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll")
fi

# A checkpoint's tensors as a digest: behind the header's length (8 bytes) and the header, with times and the history.
tensors() { tail -c "+$((9 + $(od -An -tu8 -N8 "$1")))" "$1" | sha256sum; }
