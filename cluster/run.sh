#!/usr/bin/env bash
# Three nodes on this machine, until Ctrl-C: ./cluster/run.sh [--fresh]
#
#   --fresh               removes the data of earlier runs first
#   CORNDOGS_BIN          the program; without it, this tree's release build is made
#   CLUSTER_DATA          where data and logs go (cluster/data)
#   CLUSTER_PORT_OFFSET   is added to every port (0)
set -euo pipefail
cd "$(dirname "$0")/.."

data=${CLUSTER_DATA:-cluster/data}
offset=${CLUSTER_PORT_OFFSET:-0}
start_patience_s=60
stop_patience_s=60
nodes=(1 2 3)
# By node.
client=() peer=() http=() log=() pid=()
stopping=0

say() { printf '%s\n' "$*"; }
fail() {
    printf 'cluster/run.sh: %s\n' "$*" >&2
    stop_all
    exit 1
}

runs() { kill -0 "$1" 2>/dev/null; }

build() {
    command -v cargo >/dev/null ||
        fail "there is no cargo to build with: install Rust from https://rustup.rs, or name a built program by CORNDOGS_BIN"
    bin=$(cargo build --release --bin corndogs --message-format json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
    [ -n "$bin" ]
}

check_ports() {
    local node port
    for node in "${nodes[@]}"; do
        for port in "${client[$node]}" "${peer[$node]}" "${http[$node]}"; do
            if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
                fail "port $port is in use: end what listens there (an earlier run?), or set CLUSTER_PORT_OFFSET=100"
            fi
        done
    done
}

# The command of a node. What its file says is said again only where it is to be otherwise.
command_of() {
    local node=$1 other members=""
    command=("$bin" run --config "cluster/node$node.toml")
    if [ "$data" != cluster/data ]; then
        command+=(--data-dir "$data/node$node")
    fi
    if [ "$offset" != 0 ]; then
        for other in "${nodes[@]}"; do
            members+="${members:+,}$other=127.0.0.1:${peer[$other]}"
        done
        command+=(--members "$members" --listen "127.0.0.1:${client[$node]}")
        command+=(--peer-listen "127.0.0.1:${peer[$node]}" --http-listen "127.0.0.1:${http[$node]}")
    fi
}

# In a process group of its own: Ctrl-C in the terminal reaches this script alone, which then stops the nodes in order.
start() {
    local node=$1
    command_of "$node"
    printf '\n== %s: %s\n' "$(date)" "${command[*]}" >>"${log[$node]}"
    set -m
    "${command[@]}" </dev/null >>"${log[$node]}" 2>&1 &
    set +m
    pid[node]=$!
    disown "$!"
}

# What a node's /readyz says; 200 is its first word once it serves.
readiness() {
    local answer
    {
        exec 3<>"/dev/tcp/127.0.0.1/${http[$1]}" || return 0
        printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        answer=$(tr -d '\r' <&3)
        exec 3>&-
    } 2>/dev/null
    answer=${answer#HTTP/1.? }
    printf '%s: %s\n' "${answer%%$'\n'*}" "${answer#*$'\n\n'}"
}

show_log() {
    say "the last lines of ${log[$1]}:" >&2
    tail -n 15 "${log[$1]}" | sed 's/^/    /' >&2
}

wait_until_ready() {
    local node now patience=$((SECONDS + start_patience_s))
    for node in "${nodes[@]}"; do
        while now=$(readiness "$node"); [[ $now != 200* ]]; do
            [ "$stopping" -eq 0 ] || return 0
            check_start
            if [ "$SECONDS" -ge "$patience" ]; then
                show_log "$node"
                fail "node $node is not ready after $start_patience_s s: ${now:-no answer from its http port}"
            fi
            sleep 0.1
        done
    done
}

check_start() {
    local node
    for node in "${nodes[@]}"; do
        runs "${pid[$node]}" && continue
        show_log "$node"
        fail "node $node ended at its start"
    done
}

signal_all() {
    local one
    for one in ${pid[@]+"${pid[@]}"}; do
        kill "-$1" "$one" 2>/dev/null || true
    done
}

any_runs() {
    local one
    for one in ${pid[@]+"${pid[@]}"}; do
        if runs "$one"; then return 0; fi
    done
    return 1
}

# The first signal ends the wait that is under way, and then the nodes; a second one kills them.
on_signal() {
    stopping=$((stopping + 1))
    if [ "$stopping" -gt 1 ]; then signal_all KILL; fi
}

stop_all() {
    local patience=$((SECONDS + stop_patience_s))
    any_runs || return 0
    stopping=1
    say "stopping the nodes; Ctrl-C again kills them"
    signal_all TERM
    while any_runs; do
        sleep 0.1
        if [ "$SECONDS" -ge "$patience" ]; then
            say "still running after $stop_patience_s s: killing them" >&2
            signal_all KILL
        fi
    done
    pid=()
    say "stopped"
}

say_what_to_try() {
    cat <<TRY
Try, in another terminal:
  $bin submit-task -q mail --payload hello -p ${client[1]}
  $bin next-task -q mail -p ${client[3]}
  watch -n 0.5 $bin cluster status -p ${client[1]}
  kill -9 ${pid[2]}      # node 2; the others go on
More is in cluster/README.md. Ctrl-C stops all.
TRY
}

# Says so when a node ends, and how to bring it back.
watch_nodes() {
    local node
    while [ "$stopping" -eq 0 ]; do
        any_runs || fail "all nodes have ended"
        for node in "${!pid[@]}"; do
            if runs "${pid[$node]}"; then continue; fi
            unset "pid[$node]"
            command_of "$node"
            say "node $node has ended; its log is ${log[$node]}. To bring it back, in another terminal:"
            say "  cd $PWD && ${command[*]}"
        done
        sleep 0.3
    done
}

fresh=no
for argument in "$@"; do
    case $argument in
        --fresh) fresh=yes ;;
        -h | --help)
            sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail "unknown argument $argument; there is --fresh" ;;
    esac
done
[[ $offset =~ ^[0-9]+$ ]] || fail "CLUSTER_PORT_OFFSET=$offset: must be a number"

for node in "${nodes[@]}"; do
    client[node]=$((5079 + offset + node))
    peer[node]=$((5089 + offset + node))
    http[node]=$((8079 + offset + node))
    log[node]=$data/node$node.log
done
trap on_signal INT TERM HUP
# Whatever ends this script, the nodes don't outlive it.
trap 'signal_all KILL' EXIT

bin=${CORNDOGS_BIN:-}
[ -n "$bin" ] || build || [ "$stopping" -gt 0 ] || fail "the build failed"
if [ "$stopping" -gt 0 ]; then exit 0; fi
[ -x "$bin" ] || fail "there is no program $bin"
# What the files say must hold, whatever this terminal was used for before.
unset CORNDOGS_CONFIG CORNDOGS_NODE_ID CORNDOGS_MEMBERS CORNDOGS_DATA_DIR
unset CORNDOGS_LISTEN CORNDOGS_PEER_LISTEN CORNDOGS_HTTP_LISTEN CORNDOGS_ADDRESS
check_ports
if [ "$fresh" = yes ]; then rm -rf "$data"/node*; fi
mkdir -p "$data"
# From here on Ctrl-C may end whatever command runs at that moment; the loops look at $stopping instead.
set +e
for node in "${nodes[@]}"; do start "$node"; done
wait_until_ready
if [ "$stopping" -eq 0 ]; then
    say "ready: 127.0.0.1:${client[1]}, ${client[2]} and ${client[3]} serve; logs and data are in $data"
    say
    "$bin" cluster status -a "127.0.0.1:${client[1]}"
    say
    say_what_to_try
    watch_nodes
fi
stop_all
