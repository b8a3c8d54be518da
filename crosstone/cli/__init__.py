"""The command `crosstone`."""

from crosstone.cli.app import main

__all__ = ["main"]
