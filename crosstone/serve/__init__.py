"""A trained model over HTTP, and the page on which a person asks it."""

from crosstone.serve.app import create_app
from crosstone.serve.limits import Limits
from crosstone.serve.server import serve

__all__ = ["Limits", "create_app", "serve"]
