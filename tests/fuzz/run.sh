#!/usr/bin/env bash
# Runs the fuzz targets along coverage, one after the other: stable Rust, a C++ compiler (for libFuzzer), Python 3.
#
#   tests/fuzz/run.sh [--seconds N] [TARGET…]   each target for N seconds (600); all targets if none is named
#   tests/fuzz/run.sh --keep [TARGET…]          keeps the smallest of what was found in tests/fuzz/corpus
#   tests/fuzz/run.sh --list                    the targets
#
# What is found stays in target/fuzz/work/TARGET and is gone on with. Ends with 1 if a target failed.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=600
act=run
targets=()
while [ $# -gt 0 ]; do
    case $1 in
        --seconds) seconds=$2 && shift ;;
        --keep) act=keep ;;
        --list) act=list ;;
        --*) echo "unknown option $1" >&2 && exit 2 ;;
        *) targets+=("$1") ;;
    esac
    shift
done

out="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
work="$out/work"
mkdir -p "$work"
host=$(rustc -vV | sed -n 's/^host: //p')
# As cargo-bolero has them; a target triple keeps them from build scripts.
flags="--cfg fuzzing --cfg fuzzing_libfuzzer -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
flags+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
flags+=" -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-sanitizer-coverage-stack-depth"
built=$(RUSTFLAGS="$flags" cargo test --locked --package corndogs --lib --no-run --profile fuzz --target "$host" \
    --target-dir "$out" --message-format json-render-diagnostics)
binary=$(python3 -c 'import json, sys
for line in sys.stdin:
    print(json.loads(line).get("executable") or "", end="")' <<<"$built")

# Files that targets read lie in memory, if there is such a place, and go when the script ends.
TMPDIR=$(mktemp -d -p "$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)" corndogs-fuzz.XXXXXX)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

tests=$("$binary" --list 2>/dev/null | sed -n 's/: test$//p' | grep '::fuzz::')
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed 's/.*:://' <<<"$tests")
if [ $act = list ]; then
    printf '%s\n' "${targets[@]}"
    exit
fi

# Runs one target's test under libFuzzer; all else is what libFuzzer is told.
libfuzzer() {
    local test
    test=$(grep "::$1\$" <<<"$tests") || { echo "no target $1: see --list" >&2 && return 2; }
    shift
    # An input that asks for memory without bound fails, whether it is used or not.
    (ulimit -v $((8 << 20)) && BOLERO_TEST_NAME=$test BOLERO_LIBTEST_HARNESS=1 BOLERO_LIBFUZZER_ARGS="$*" \
        "$binary" "$test" --exact --nocapture --quiet --test-threads 1)
}

# Seeds and what is kept, as files.
unpack() {
    rm -rf "$work/$1/known"
    mkdir -p "$work/$1/known" "$work/$1/corpus" "$work/$1/failed"
    CORNDOGS_FUZZ_UNPACK="$work/$1/known" libfuzzer "$1" >/dev/null
}

run() {
    local dir="$work/$1" result=0
    unpack "$1" || return 1
    libfuzzer "$1" "$dir/corpus" "$dir/known" "-artifact_prefix=$dir/failed/" "-max_total_time=$seconds" -timeout=20 \
        -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 >"$dir/log" 2>&1 || result=1
    python3 tests/fuzz/report.py "$1" $result "$dir/log"
    return $result
}

keep() {
    local dir="$work/$1"
    unpack "$1"
    rm -rf "$dir/merged"
    mkdir "$dir/merged"
    libfuzzer "$1" -merge=1 "$dir/merged" "$dir/known" "$dir/corpus" >"$dir/log" 2>&1
    python3 tests/fuzz/keep.py "$dir/merged" "$dir/known" "tests/fuzz/corpus/$1.hex"
}

failed=0
for target in "${targets[@]}"; do
    $act "$target" || failed=1
done
exit $failed
