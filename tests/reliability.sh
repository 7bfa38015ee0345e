#!/usr/bin/env bash
# The full run of what tries the promises of docs/reliability.md: hours. A bounded share of it is in tests/run.sh.
#   tests/reliability.sh [simulation|jepsen-lite|power|fuzz|planted]…
# As root with strace, faketime, xfsprogs and loop devices all nemeses can strike; jepsen-lite says which can't.
set -euo pipefail
cd "$(dirname "$0")/.."

simulation() {
    # With assertions, and optimised all the same: a seed takes 0.4 s of processor time instead of 0.8.
    cargo run --config profile.dev.opt-level=2 --config profile.dev.package.corndogs.opt-level=3 \
        --config 'profile.dev.package."*".opt-level=3' --manifest-path tests/simulation/Cargo.toml -- \
        --seeds "0..${SEEDS:-10000}" --twice 100
}
jepsen-lite() {
    cargo run --package jepsen-lite -- --nemesis all --time "${SECONDS_OF_FAULTS:-7200}" --seed "${SEED:-1}"
}
power() {
    cargo run --package jepsen-lite -- --nemesis power-all --time 450 --seed "${SEED:-1}"
}
fuzz() {
    tests/fuzz/run.sh
}
planted() {
    cargo run --package jepsen-lite -- planted
    tests/planted/run.sh
}

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(simulation jepsen-lite power fuzz planted)
for part in "${parts[@]}"; do
    printf '\n== %s\n' "$part"
    "$part"
done
