# Sourced by the scripts beside it: sets `program` to the command that runs Ds2.Train. DS2 names it where it is built already
# ("dotnet /opt/ds2/Ds2.Train.dll"); else it is built.
if [[ -n ${DS2:-} ]]; then
  read -ra program <<<"$DS2"
else
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
  dotnet build "$root/Ds2.Train" --nologo --verbosity quiet >&2
  program=(dotnet "$root/Ds2.Train/bin/Debug/net10.0/Ds2.Train.dll")
fi
