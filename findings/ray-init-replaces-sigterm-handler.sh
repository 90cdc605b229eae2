#!/usr/bin/env bash
# ray 2.60.0: `ray.init()` replaces the SIGTERM handler of the process that calls it. A program that set its own handler
# no longer runs it: the process exits with status 15, neither 143 nor death by the signal, which supervisors expect.
# The replacement is a Python handler, so `signal.signal` after `ray.init()` brings the program's own back.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip install --quiet ray==2.60.0
cat > "$folder/program.py" <<'PYTHON'
import os
import signal
import sys

import ray


def stop(number, frame):
    print("own handler runs")
    sys.exit(143)


signal.signal(signal.SIGTERM, stop)
if "ray" in sys.argv:
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
print("handler is our own:", signal.getsignal(signal.SIGTERM) is stop)
if "again" in sys.argv:
    signal.signal(signal.SIGTERM, stop)
sys.stdout.flush()
os.kill(os.getpid(), signal.SIGTERM)
PYTHON
export RAY_USAGE_STATS_ENABLED=0
for arguments in "" "ray" "ray again"; do
  status=0
  "$folder/env/bin/python" "$folder/program.py" $arguments > "$folder/out" 2> "$folder/errors" || status=$?
  cat "$folder/out"
  echo "[$arguments] exit status $status"
  case "$arguments" in
    "ray") [ "$status" = 15 ] && ! grep -q "own handler runs" "$folder/out" ;;
    *) [ "$status" = 143 ] && grep -q "own handler runs" "$folder/out" ;;
  esac
done
# Output seen:
# handler is our own: True
# own handler runs
# [] exit status 143
# handler is our own: False
# [ray] exit status 15
# handler is our own: False
# own handler runs
# [ray again] exit status 143
