"""`python -m crosstone` is the command `crosstone`."""

from crosstone.cli import main

main()
