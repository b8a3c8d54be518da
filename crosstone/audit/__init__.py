"""Predictions of any toolkit: read, held against a protocol, scored by every convention."""

from crosstone.audit.audit import Audit, audit

__all__ = ["Audit", "audit"]
