"""Draw a comparison; matplotlib has an environment of its own.

Run as a program it reads `{TITLE: {STACK: [ROUND, ...]}, ...}` as JSON and writes `argv[1]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

REQUIREMENTS = ("matplotlib==3.11.2",)

Panels = Mapping[str, Mapping[str, Sequence[float]]]


def draw(panels: Panels, bin_folder: Path, path: Path) -> None:
    """Write an SVG: bars at the medians, whiskers from the lowest to the highest round."""
    command = [bin_folder / "python", __file__, path]
    subprocess.run(command, input=json.dumps(panels), text=True, check=True)


def _draw(panels: Panels, path: str) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    # Keep text as text, and write the same file for the same figures.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "peers", "font.size": 11}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(4.5 * len(panels), 3), sharey=True, layout="tight"
    )
    for axis, (title, bars) in zip(axes, panels.items(), strict=True):
        names = list(bars)[::-1]
        middles = [median(bars[name]) for name in names]
        below = [middle - min(bars[name]) for name, middle in zip(names, middles, strict=True)]
        above = [max(bars[name]) - middle for name, middle in zip(names, middles, strict=True)]
        colours = ["#1f6f8b" if name == "imagequeue" else "#9aa5ad" for name in names]
        axis.barh(names, middles, color=colours, height=0.62)
        axis.errorbar(middles, names, xerr=(below, above), fmt="none", ecolor="#222", capsize=3)
        edge = max(max(rounds) for rounds in bars.values())
        for name, middle in zip(names, middles, strict=True):
            axis.text(max(bars[name]) + edge * 0.03, name, f"{middle:.3g}", va="center")
        axis.set_xlim(0, edge * 1.18)
        axis.set_title(title, fontsize=11, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    _draw(json.load(sys.stdin), sys.argv[1])
