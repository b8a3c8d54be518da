"""What crosstone's speed and memory are measured by; each bench is one file, run from a clone."""
