#!/bin/sh
# Fuzzes each target for some seconds; what it has learnt stays in BUILD/fuzz-corpus for the next time.
#   tests/fuzz/run.sh BUILD SECONDS [TARGET...]
# An input that breaks a promise is left in BUILD/fuzz-findings: mend the code, then move the file to
# tests/fuzz/regressions/TARGET/ under a name that says what it shows.
set -eu
build=$1 seconds=$2
shift 2
[ $# -gt 0 ] || set -- $(cd tests/fuzz && ls fuzz_*.c | sed 's/^fuzz_\(.*\)\.c$/\1/')
mkdir -p "$build/fuzz-findings"
export ASAN_OPTIONS=allocator_may_return_null=1:detect_stack_use_after_return=0
total=0
for target; do
    corpus=$build/fuzz-corpus/$target log=$build/fuzz-$target.log
    mkdir -p "$corpus"
    case $target in
    json | xml | form | fcgi) dictionary=$target seeds=tests/data/$target ;;
    record) dictionary=json seeds=tests/data/json ;;
    reply | slots) dictionary=$target seeds= ;;
    *) dictionary=header seeds= ;;
    esac
    # shellcheck disable=SC2086 # there may be no seeds
    if ! "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=1024 -timeout=10 \
        -dict="tests/fuzz/$dictionary.dict" -artifact_prefix="$build/fuzz-findings/$target-" \
        -print_final_stats=1 "$corpus" "tests/fuzz/regressions/$target" $seeds > "$log" 2>&1; then
        tail -n 40 "$log"
        echo "fuzz: $target has found something, see $build/fuzz-findings" >&2
        exit 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    total=$((total + runs))
    echo "fuzz: $target: $runs inputs, nothing found"
done
echo "fuzz: $total inputs in all"
