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
pids=()
stopping=0

say() { printf '%s\n' "$*"; }
fail() {
    printf 'cluster/run.sh: %s\n' "$*" >&2
    exit 1
}

client_port() { echo $((5079 + offset + $1)); }
peer_port() { echo $((5089 + offset + $1)); }
http_port() { echo $((8079 + offset + $1)); }
log_of() { echo "$data/node$1.log"; }
pid_of() { echo "${pids[$(($1 - 1))]}"; }
runs() { kill -0 "$1" 2>/dev/null; }

build() {
    command -v cargo >/dev/null ||
        fail "there is no cargo to build with: install Rust from https://rustup.rs, or name a built program by CORNDOGS_BIN"
    bin=$(cargo build --release --bin corndogs --message-format json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
    [ -n "$bin" ] || fail "the build failed"
}

check_ports() {
    local node port
    for node in "${nodes[@]}"; do
        for port in "$(client_port "$node")" "$(peer_port "$node")" "$(http_port "$node")"; do
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
            members+="${members:+,}$other=127.0.0.1:$(peer_port "$other")"
        done
        command+=(--members "$members" --listen "127.0.0.1:$(client_port "$node")")
        command+=(--peer-listen "127.0.0.1:$(peer_port "$node")" --http-listen "127.0.0.1:$(http_port "$node")")
    fi
}

# In a process group of its own: Ctrl-C in the terminal reaches this script alone, which then stops the nodes in order.
start() {
    local node=$1
    command_of "$node"
    printf '\n== %s: %s\n' "$(date)" "${command[*]}" >>"$(log_of "$node")"
    set -m
    "${command[@]}" </dev/null >>"$(log_of "$node")" 2>&1 &
    set +m
    pids+=("$!")
    disown "$!"
}

# What a node's /readyz says; 200 is its first word once it serves.
readiness() {
    local answer
    {
        exec 3<>"/dev/tcp/127.0.0.1/$(http_port "$1")" || return 0
        printf 'GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
        answer=$(tr -d '\r' <&3)
        exec 3>&-
    } 2>/dev/null
    answer=${answer#HTTP/1.? }
    printf '%s: %s\n' "${answer%%$'\n'*}" "${answer#*$'\n\n'}"
}

show_log() {
    say "the last lines of $(log_of "$1"):" >&2
    tail -n 15 "$(log_of "$1")" | sed 's/^/    /' >&2
}

wait_until_ready() {
    local node now patience=$((SECONDS + start_patience_s))
    for node in "${nodes[@]}"; do
        while now=$(readiness "$node"); [[ $now != 200* ]]; do
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
        runs "$(pid_of "$node")" && continue
        show_log "$node"
        fail "node $node ended at its start"
    done
}

signal_all() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do
        kill "-$1" "$pid" 2>/dev/null || true
    done
}

any_runs() {
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do
        if runs "$pid"; then return 0; fi
    done
    return 1
}

# The first signal asks the nodes to end, a second one, or too long a wait, ends them.
on_signal() {
    stopping=$((stopping + 1))
    if [ "$stopping" -gt 1 ]; then
        signal_all KILL
        return
    fi
    exit 0
}

stop_all() {
    local code=$? patience=$((SECONDS + stop_patience_s))
    if any_runs; then
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
        say "stopped"
    fi
    exit "$code"
}

say_what_to_try() {
    cat <<TRY
Try, in another terminal:
  $bin submit-task -q mail --payload hello -p $(client_port 1)
  $bin next-task -q mail -p $(client_port 3)
  watch -n 0.5 $bin cluster status -p $(client_port 1)
  kill -9 $(pid_of 2)      # node 2; the others go on
More is in cluster/README.md. Ctrl-C stops all.
TRY
}

# Says so when a node ends, and how to bring it back.
watch_nodes() {
    local node gone=""
    while any_runs; do
        for node in "${nodes[@]}"; do
            if [[ $gone == *"<$node>"* ]] || runs "$(pid_of "$node")"; then continue; fi
            gone+="<$node>"
            command_of "$node"
            say "node $node has ended; its log is $(log_of "$node"). To bring it back, in another terminal:"
            say "  cd $PWD && ${command[*]}"
        done
        sleep 0.3
    done
    fail "all nodes have ended"
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

trap stop_all EXIT
trap on_signal INT TERM HUP

bin=${CORNDOGS_BIN:-}
[ -n "$bin" ] || build
[ -x "$bin" ] || fail "there is no program $bin"
# What the files say must hold, whatever this terminal was used for before.
unset CORNDOGS_CONFIG CORNDOGS_NODE_ID CORNDOGS_MEMBERS CORNDOGS_DATA_DIR
unset CORNDOGS_LISTEN CORNDOGS_PEER_LISTEN CORNDOGS_HTTP_LISTEN CORNDOGS_ADDRESS
check_ports
if [ "$fresh" = yes ]; then rm -rf "$data"/node*; fi
mkdir -p "$data"
for node in "${nodes[@]}"; do start "$node"; done
wait_until_ready
say "ready: 127.0.0.1:$(client_port 1), $(client_port 2) and $(client_port 3) serve; logs and data are in $data"
say
"$bin" cluster status -a "127.0.0.1:$(client_port 1)"
say
say_what_to_try
watch_nodes
