"""Three stages, fetch, transform and store: each a queue, each a process or several.

python pipeline.py submit --jobs 100
python pipeline.py fetch         # and transform, and store; or all of them in one process
"""

import argparse
import asyncio
import json
import os
import random
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from corndogs_client import Client, Job, Next, Submit, Worker, run_workers

ADDRESSES = ["127.0.0.1:5080", "127.0.0.1:5081", "127.0.0.1:5082"]
MAX_BATCH = 1000


async def submit(client: Client, jobs: int) -> None:
    """Puts jobs in. A number of its own makes each of them known through all stages."""
    names = [f"job-{uuid.uuid4()}" for _ in range(jobs)]
    for first in range(0, jobs, MAX_BATCH):
        batch = names[first : first + MAX_BATCH]
        await client.submit_many(Submit("fetch", {"job": name}) for name in batch)
    print(*names, sep="\n", flush=True)


async def fetch(job: Job[Any]) -> Next:
    """The next task comes into being in the same step that ends this one: no crash loses or doubles a job."""
    await asyncio.sleep(random.uniform(0.01, 0.05))
    return Next(Submit("transform", {**job.payload, "text": f"what {job.payload['job']} found"}))


def transform(job: Job[Any]) -> Next:
    """An ordinary function, which runs in a thread."""
    return Next(Submit("store", {**job.payload, "text": job.payload["text"].upper()}))


class Store:
    """Keeps results as files.

    Killed between the file and the completion, it stores the job again: so it writes under the job's name.
    """

    def __init__(self, results: Path) -> None:
        self.results = results
        results.mkdir(parents=True, exist_ok=True)

    def __call__(self, job: Job[Any]) -> None:
        """All of a file or nothing."""
        partial = self.results / f"{job.task.uuid}.{os.getpid()}.partial"
        partial.write_text(json.dumps(job.payload), encoding="utf-8")
        partial.rename(self.results / f"{job.payload['job']}.json")


async def main() -> None:
    """Runs one role."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["submit", "fetch", "transform", "store", "all"])
    parser.add_argument(
        "--address", action="append", metavar="HOST:PORT", help="a node; may be repeated (ports 5080 to 5082)"
    )
    parser.add_argument("--jobs", type=int, default=100, help="how many to submit (100)")
    parser.add_argument(
        "--lease", type=float, default=10, metavar="SECONDS", help="a killed worker's tasks come back after (10)"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where store writes (results)"
    )
    options = parser.parse_args()
    async with Client(options.address or ADDRESSES) as client:
        if options.role == "submit":
            return await submit(client, options.jobs)
        lease = timedelta(seconds=options.lease)
        workers = {
            "fetch": Worker(client, "fetch", fetch, lease=lease),
            "transform": Worker(client, "transform", transform, lease=lease),
            "store": Worker(client, "store", Store(options.results), lease=lease),
        }
        await run_workers(*(workers.values() if options.role == "all" else [workers[options.role]]))


if __name__ == "__main__":
    asyncio.run(main())
