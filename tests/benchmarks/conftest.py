"""Make benchmarks/ importable, which is part of the project but not of the package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
