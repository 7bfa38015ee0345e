#!/bin/sh
# Claims tasks with the corndogs command, works on them, completes them, until SIGTERM or Ctrl-C.
# CORNDOGS_ADDRESS says where the server is; CORNDOGS is the program, QUEUE the queue.
set -eu
corndogs=${CORNDOGS:-corndogs}
queue=${QUEUE:-examples}

# Fields of the task, one a line; nothing where there was none. The payload is base64, as it can be any
# bytes, and not the last: it may be empty.
fields='import json, sys
task = json.load(sys.stdin)["task"]
for field in ("uuid", "current_state", "payload", "attempt"): task and print(task[field])'

stop=
trap 'stop=1' TERM INT
while [ -z "$stop" ]; do
    # A worker that dies gives its task back: after a minute another one may claim it.
    answer=$("$corndogs" next-task --queue "$queue" --override-timeout 60 --worker "shell-$$" --format json)
    { read -r uuid && read -r state && read -r payload && read -r attempt; } <<EOF || { sleep 1; continue; }
$(printf '%s' "$answer" | python3 -c "$fields")
EOF
    # Your work goes here. It should bear being done twice: a lease may run out.
    printf '%s' "$payload" | base64 -d; echo
    # It fails where the lease ran out and another worker has the task.
    "$corndogs" complete-task --uuid "$uuid" --queue "$queue" --current-state "$state" --attempt "$attempt" \
        --format json > /dev/null || echo "lost $uuid" >&2
done
