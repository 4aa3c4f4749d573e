"""Where the tests find the checkout and its files."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests" / "recorded"
VIDEO = ROOT / "sandbox" / "sample.mp4"
