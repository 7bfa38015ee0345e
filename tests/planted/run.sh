#!/usr/bin/env bash
# Plants each bug of this directory into a copy of the tree, and tells which seed of the simulation catches it.
#   tests/planted/run.sh [NAME…]      SEEDS=200 tries more seeds than 60
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-$PWD/target}
tree=$target/planted
git worktree remove --force "$tree" 2>/dev/null || true
git worktree add --quiet --force --detach "$tree" HEAD
trap 'git worktree remove --force "$tree"' EXIT

names=("$@")
[ ${#names[@]} -gt 0 ] || names=($(basename -s .patch "$PWD"/tests/planted/*.patch))
missed=0
for name in "${names[@]}"; do
    git -C "$tree" checkout --quiet .
    git -C "$tree" apply "$PWD/tests/planted/$name.patch"
    cargo build --quiet --locked --manifest-path "$tree/tests/simulation/Cargo.toml" --target-dir "$target"
    if said=$("$target/debug/simulation" --seeds "0..${SEEDS:-60}" --twice 1000000); then
        printf '%-28s NOT CAUGHT by the simulation\n' "$name"
        missed=$((missed + 1))
    else
        bad=$(grep -o '[0-9]* bad' <<<"$said")
        printf '%-28s %s of %s; %s\n' "$name" "$bad" "${SEEDS:-60}" "$(grep -m1 '^seed' <<<"$said")"
    fi
done
exit $((missed > 0))
