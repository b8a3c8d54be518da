"""Blocks that know neither paper nor corpus."""
