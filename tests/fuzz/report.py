"""Says in one line how a run of a fuzz target went: report.py TARGET RESULT LOG."""

import re
import sys
from pathlib import Path

target, result, path = sys.argv[1:]
log = Path(path).read_text(errors="replace")


def last(name: str) -> str:
    found = re.findall(re.escape(name) + r" *(\d+)", log)
    return found[-1] if found else "?"


runs, speed = last("stat::number_of_executed_units:"), last("stat::average_exec_per_sec:")
coverage, features, memory = last(" cov:"), last(" ft:"), last("stat::peak_rss_mb:")
verdict = "ok" if result == "0" else f"FAILED, see {path}"
print(
    f"{target:20} runs {runs:>10}  runs/s {speed:>6}  coverage {coverage:>6}  features {features:>6}"
    f"  memory {memory:>4} MiB  {verdict}",
    flush=True,
)
