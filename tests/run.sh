#!/usr/bin/env bash
# Every test of the project, on a machine with nothing but Rust and Python 3 (with venv).
# One build profile for all of it: dev, whose dependencies are optimised.
# CORNDOGS_KILL_ROUNDS=50 is the full run of the kill -9 test; 5 are the default.
# CORNDOGS_FAULT_ROUNDS=20 is the full run of a cluster's faults; 1 of each is the default.
# tests/reliability.sh is the full run of simulation, jepsen-lite and fuzzing; a bounded share of each is in here.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(cargo metadata --no-deps --format-version 1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
venv="$target/venv-tests"
requirements=tests/python/requirements.txt
failed=()
summary=()

# Runs one part; a failure is remembered, and the others run all the same.
part() {
    local name=$1 start=$SECONDS result=ok
    shift
    printf '\n== %s\n' "$name"
    "$@" || result=FAILED
    summary+=("$(printf '%-7s %-22s %4d s' "$result" "$name" $((SECONDS - start)))")
    [ "$result" = ok ] || failed+=("$name")
}

# The virtual environment is made again only when the requirements change.
python_packages() {
    cmp -s "$requirements" "$venv/installed.txt" && return
    python3 -m venv --clear "$venv" &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" &&
        "$venv/bin/python" tests/python/get_helm.py "$venv/bin" &&
        cp "$requirements" "$venv/installed.txt"
}

python_tests() {
    CORNDOGS_BIN="$target/debug/corndogs" PYTHONDONTWRITEBYTECODE=1 \
        "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/python clients/python/tests
}

# Seeds of the deterministic simulation; its crate is a workspace of its own.
simulation() {
    cargo run --quiet --locked --manifest-path tests/simulation/Cargo.toml --target-dir "$target" -- \
        --seeds "0..${CORNDOGS_SIMULATION_SEEDS:-100}"
}

# Real processes, broken in each way that this machine can break them.
jepsen_lite() {
    cargo run --quiet --package jepsen-lite -- --binary "$target/debug/corndogs" --out "$target/jepsen-lite" \
        --nemesis all --time "${CORNDOGS_JEPSEN_SECONDS:-90}" --seed "${CORNDOGS_SEED:-$(date +%s)}"
}

# A planted bug that no longer applies to the code proves nothing any more.
planted_bugs() {
    local patch
    for patch in tests/planted/*.patch; do
        git apply --check "$patch" || return
    done
}

# A binary that was named for another purpose is not what this tree's tests are about.
unset CORNDOGS_BIN

part "build" cargo test --workspace --no-run
part "Rust tests" cargo test --workspace --no-fail-fast
part "Simulation" simulation
part "jepsen-lite" jepsen_lite
part "Planted bugs" planted_bugs
part "Python packages" python_packages
part "Python tests" python_tests

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[*]}"
    exit 1
fi
echo "all tests passed"
