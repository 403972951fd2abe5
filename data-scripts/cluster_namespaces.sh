#!/usr/bin/env bash
# Makes several hosts of this machine and runs a command on the first of them, from which Open MPI reaches the others over TCP.
#
#   cluster_namespaces.sh [--hosts N] [--rate RATE] [--cut-when FILE] -- COMMAND [ARGUMENT…]
#   cluster_namespaces.sh check
#
#   --hosts N         how many, 2 to 9 (2)
#   --rate RATE       what each host sends at most: 10mbit, 1gbit, … (unlimited)
#   --cut-when FILE   the last host's link is cut as soon as FILE is there; hosts then give up a TCP connection after 3 repeats (net.ipv4.tcp_retries2), some seconds: with
#                     Linux's 15, mpirun waits a quarter of an hour for its daemon behind the link
#   check             trains a tiny model on two hosts, on four, over a slow link and over one that is cut, and says what came of it
#
# A host is a network namespace with a host name of its own (ds2-…-1, ds2-…-2, …), an address (10.213.0.1, …), and a link to a bridge, which is in a namespace too: this
# machine's own network is left as it is. Files, cores and memory are shared. COMMAND finds Open MPI's settings in its environment: the hosts, one slot each and ranks dealt out
# in turn, how to start something on them, and TCP as the only way between ranks, also of one host. A plain mpirun does the rest:
#
#   cluster_namespaces.sh --hosts 2 --rate 1gbit -- mpirun.openmpi -n 2 dotnet Ds2.Bench.dll exchange
#
# More ranks than hosts want mpirun's --oversubscribe. DS2_HOSTS has the hosts' names, which are also those of the namespaces, and DS2_SWITCH the bridge's namespace, where the
# links have the hosts' numbers: `ip -n "$DS2_SWITCH" link set link2 down` cuts the second host off.
#
# The exit code is COMMAND's; 1 where processes are left on a host 15 s after COMMAND's end. Needs root, iproute2, and openmpi-bin for what is run.
set -euo pipefail
[[ ${1-} == --help || ${1-} == -h ]] && { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit 0; }
fail() { echo "cluster_namespaces: $1" >&2; exit 1; }
self=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")

hosts=2 rate='' cut='' check=''
while (($#)); do
  case $1 in
    --hosts) hosts=${2:?}; shift 2 ;;
    --rate) rate=${2:?}; shift 2 ;;
    --cut-when) cut=${2:?}; shift 2 ;;
    --) shift; break ;;
    check) check=1; shift; break ;;
    *) fail "$1: unknown (--help)" ;;
  esac
done
[[ -n $check || $# -gt 0 ]] || fail "no command (--help)"
[[ $hosts == [2-9] ]] || fail "--hosts $hosts: 2 to 9"
[[ -z $rate || $rate =~ ^([0-9]+)([kmg])bit$ ]] || fail "--rate $rate: a whole number and kbit, mbit or gbit"
((EUID == 0)) || fail "needs root, to make network namespaces"
command -v ip >/dev/null && command -v tc >/dev/null || fail "needs ip and tc: apt install iproute2"

work=$(mktemp -d)
prefix=ds2-$$
switch=$prefix-switch
names=()
for ((i = 1; i <= hosts; i++)); do names+=("$prefix-$i"); done

# Processes on the hosts.
left() { local name; for name in "${names[@]}"; do ip netns pids "$name" 2>/dev/null || true; done; }

clean() {
  local name pids
  pids=$(left)
  [[ -z $pids ]] || kill -KILL $pids 2>/dev/null || true
  for name in "${names[@]}" "$switch"; do ip netns delete "$name" 2>/dev/null || true; done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

if [[ -n $check ]]; then
  source "$(dirname "$self")/program.sh"
  options=(train --max-batches 15 --target-wer -1 --set hidden=24 --set channels=4 --set accumulate=4 --device host --threads 1 --loaders 1 --checkpoint-batches 2)
  # A safetensors file is the header's length (8 bytes), the header (with times and the history), and the tensors.
  tensors() { tail -c "+$((9 + $(od -An -tu8 -N8 "$1")))" "$1" | sha256sum; }
  "${program[@]}" "${options[@]}" --epochs 2 --out "$work/alone" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "a process alone fails"; }
  for setting in "2" "4" "2 --rate 10mbit"; do
    folder="$work/${setting//[^0-9a-z]/}" start=$SECONDS
    # shellcheck disable=SC2086 # a number and options
    "$self" --hosts $setting -- mpirun.openmpi -n "${setting%% *}" "${program[@]}" "${options[@]}" --epochs 2 --out "$folder" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "--hosts $setting: training fails"; }
    for name in latest best; do
      [[ $(tensors "$work/alone/$name.safetensors") == "$(tensors "$folder/$name.safetensors")" ]] || fail "--hosts $setting: $name.safetensors differs from that of a process alone"
    done
    echo "--hosts $setting: the bits of one process ($((SECONDS - start)) s)"
  done
  # First the ranks notice, then Open MPI itself does: its daemons ask each other for a sign of life after 2 s, and miss 2 of them.
  for who in ds2 ORTE; do
    folder=$work/cut-$who code=0
    keepalive=()
    [[ $who == ds2 ]] || keepalive=(--mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 2)
    "$self" --hosts 2 --cut-when "$folder/latest.safetensors" -- mpirun.openmpi -n 2 "${keepalive[@]}" \
      "${program[@]}" "${options[@]}" --epochs 1000 --exchange-timeout 5 --out "$folder" >"$work/log" 2>"$work/errors" || code=$?
    ((code != 0)) && (($(grep -cE "^$who( has lost|: rank)" "$work/errors") == 1)) || { cat "$work/log" "$work/errors" >&2; fail "a link that is cut: code $code, and not one line that says so"; }
    "${program[@]}" "${options[@]}" --epochs 1 --resume auto --out "$folder" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the checkpoint of the job whose link was cut does not load"; }
    grep -E "^($who( has lost|: rank)|cluster_namespaces:)" "$work/errors"
  done
  echo "a link that is cut ends the job, and the checkpoint before it loads"
  exit
fi

for name in "${names[@]}" "$switch"; do ip netns add "$name" || fail "cannot make a network namespace"; done
ip -n "$switch" link add bridge type bridge
ip -n "$switch" link set bridge up
for ((i = 1; i <= hosts; i++)); do
  name=$prefix-$i
  ip -n "$name" link add eth0 type veth peer name "link$i" netns "$switch"
  ip -n "$switch" link set "link$i" master bridge up
  ip -n "$name" address add "10.213.0.$i/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" link set lo up
  [[ -z $cut ]] || ip netns exec "$name" sysctl -qw net.ipv4.tcp_retries2=3
  if [[ -n $rate ]]; then
    # The bucket has what is sent between two of the kernel's ticks, and a packet of the largest kind, which the link takes whole.
    declare -A unit=([k]=1000 [m]=1000000 [g]=1000000000)
    tc -n "$name" qdisc add dev eth0 root tbf rate "$rate" burst $((BASH_REMATCH[1] * unit[${BASH_REMATCH[2]}] / 8 / 250 + 65536)) latency 200ms
  fi
  echo "10.213.0.$i slots=1" >>"$work/hosts"
done

# Starts a command on a host, as ssh would.
cat >"$work/on" <<END
#!/usr/bin/env bash
set -euo pipefail
name=$prefix-\${1##*.}
shift
exec ip netns exec "\$name" unshare --uts bash -c 'echo "\$0" >/proc/sys/kernel/hostname; eval "exec \$*"' "\$name" "\$@"
END
chmod +x "$work/on"
export DS2_HOSTS="${names[*]}" DS2_SWITCH=$switch TERM=dumb OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 TMPDIR="$work" \
  OMPI_MCA_orte_default_hostfile="$work/hosts" OMPI_MCA_plm_rsh_agent="$work/on" OMPI_MCA_rmaps_base_mapping_policy=node OMPI_MCA_hwloc_base_binding_policy=none \
  OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=eth0 OMPI_MCA_oob_tcp_if_include=eth0 OMPI_MCA_pml=ob1
ip netns exec "${names[0]}" unshare --uts bash -c 'echo "$0" >/proc/sys/kernel/hostname; exec "$@"' "${names[0]}" "$@" &
command=$!
if [[ -n $cut ]]; then
  until [[ -e $cut ]] || ! kill -0 "$command" 2>/dev/null; do sleep 0.02; done
  ip -n "$switch" link set "link$hosts" down
  at=$(date +%s%N)
fi
code=0
wait "$command" || code=$?
seconds() { printf '%d.%d' $((($(date +%s%N) - at) / 1000000000)) $((($(date +%s%N) - at) / 100000000 % 10)); }
[[ -z $cut ]] || ended=$(seconds)
for ((i = 0; i < 300; i++)); do [[ -n $(left) ]] || break; sleep 0.05; done
[[ -z $(left) ]] || { ps -o pid,ppid,stat,etimes,args -p "$(left | paste -sd,)" >&2 || true; fail "processes are left on the hosts 15 s after the command's end with code $code"; }
[[ -z $cut ]] || echo "cluster_namespaces: the command has ended $ended s after the cut with code $code, the last process after $(seconds) s" >&2
exit "$code"
