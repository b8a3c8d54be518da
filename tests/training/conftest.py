import sys
from pathlib import Path

# toy_training is imported by tests and, under this name, by the processes they start
sys.path.insert(0, str(Path(__file__).parent))
