#!/usr/bin/env bash
# Plants each bug of this directory into a copy of the tree, and tells what catches it: a seed of the simulation, or, where that can't
# see such a bug, the unit tests that the patch's second line names.
#   tests/planted/run.sh [NAME…]      SEEDS=200 tries more seeds than 60
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
tree=$target/planted
git worktree remove --force "$tree" 2>/dev/null || true
git worktree add --quiet --force --detach "$tree" HEAD
trap 'git worktree remove --force "$tree"' EXIT

# Tells which seeds are bad; fails if none is.
simulation() {
    local said
    cargo build --quiet --locked --manifest-path "$tree/tests/simulation/Cargo.toml" --target-dir "$target" || exit
    if said=$("$target/debug/simulation" --seeds "0..${SEEDS:-60}" --twice 1000000); then
        return 1
    fi
    printf 'simulation, %s of %s; %s' "$(grep -o '[0-9]* bad' <<<"$said")" "${SEEDS:-60}" "$(grep -m1 '^seed' <<<"$said")"
}

# Tells which unit tests fail; fails if none does.
unit_tests() {
    local said
    if said=$(cd "$tree" && cargo test --quiet --locked --package corndogs --lib --target-dir "$target" "$1" 2>&1); then
        return 1
    fi
    grep -q '^test result: FAILED' <<<"$said" || { echo "$said" >&2 && exit 2; }
    printf 'cargo test --lib %s, %s;%s' "$1" "$(grep -o '[0-9]\+ failed' <<<"$said")" "$(grep -m1 '^    [a-z_:]*$' <<<"$said")"
}

names=("$@")
[ ${#names[@]} -gt 0 ] || names=($(basename -s .patch "$PWD"/tests/planted/*.patch))
missed=0
for name in "${names[@]}"; do
    patch=$PWD/tests/planted/$name.patch
    git -C "$tree" checkout --quiet .
    git -C "$tree" apply "$patch"
    filter=$(sed -n '2s/^Unit tests: //p' "$patch")
    if caught=$(if [ -n "$filter" ]; then unit_tests "$filter"; else simulation; fi); then
        printf '%-28s %s\n' "$name" "$caught"
    else
        printf '%-28s NOT CAUGHT\n' "$name"
        missed=$((missed + 1))
    fi
done
exit $((missed > 0))
