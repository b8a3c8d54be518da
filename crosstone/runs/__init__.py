"""A recipe becomes a folder; folders become tables and figures."""
