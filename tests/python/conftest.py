"""A real server, or three, for each test."""

from servers import cluster, server, start

__all__ = ["cluster", "server", "start"]
