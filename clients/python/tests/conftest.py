"""A real server, or three, for each test."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "tests" / "python")]

from servers import cluster, server, start  # noqa: E402

__all__ = ["cluster", "server", "start"]
