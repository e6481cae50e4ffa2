"""The two plots of benches/PEERS.md."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from peers_figures import Figures
from race import OURS

plt.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "zkcredit",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "legend.frameon": False,
        "legend.fontsize": 8,
        "lines.markersize": 4,
    }
)

SPEND, RANGE, BBS = "tab:blue", "tab:green", "tab:orange"
TARI, ACT = "tari_bulletproofs_plus", "anonymous-credit-tokens"


def batch(figures: Figures, path: Path) -> None:
    """Verification of each proof against the number of proofs: ours solid, peers dashed."""
    figure, axes = plt.subplots(figsize=(7.6, 6.0), layout="constrained")
    lines = [
        ("spend, K = 1", OURS, SPEND),
        ("range, 64 bits", OURS, RANGE),
        ("range, 64 bits", TARI, RANGE),
        ("BBS, 5 of 10 shown", OURS, BBS),
        ("BBS, 5 of 10 shown", "bbs_plus", BBS),
    ]
    for work, who, colour in lines:
        sizes, micros = figures.curve("batch", work, who)
        ours = who == OURS
        axes.plot(sizes, micros, "o-" if ours else "s--", color=colour, label=f"{work}: {who}")
    alone = [
        ("range", "verify", 64, "bulletproofs", RANGE, "range, 64 bits"),
        ("spend", "verify and sign", 32, ACT, SPEND, "spend, with signing"),
        ("bbs", "verify proof", 10, "zkryptium", BBS, "BBS, 5 of 10 shown"),
    ]
    for table, work, at, who, colour, label in alone:
        micros_alone = figures.get(table, work, at, who)
        if micros_alone is not None:
            full = f"{label}: {who} (no batches)"
            axes.axhline(micros_alone, color=colour, linestyle=":", label=full)
    axes.set_xscale("log", base=2)
    axes.set_xticks([4**power for power in range(7)])
    axes.set_yscale("log")
    _plain(axes)
    axes.set_xlabel("proofs in the batch")
    axes.set_ylabel("µs for each proof, one thread")
    figure.legend(loc="outside lower center", ncols=2)
    _save(figure, path)


def sizes(figures: Figures, path: Path) -> None:
    """Times above, bytes below, against bits, K and M."""
    figure, grid = plt.subplots(2, 3, figsize=(9.6, 5.4), sharex="col", layout="constrained")
    columns = [
        ("range", "bits of a range proof"),
        ("buckets", "K, due buckets of a spend"),
        ("attributes", "M, attributes of a spend"),
    ]
    works = {"prove": SPEND, "verify": RANGE, "verify in batch": BBS}
    for column, (table, label) in enumerate(columns):
        times, sizes_of = grid[0][column], grid[1][column]
        times.sharey(grid[0][0])
        for work, colour in works.items():
            at, micros = figures.curve(table, work, OURS)
            millis = [value / 1000 for value in micros]
            times.plot(at, millis, "o-", color=colour, label=work)
        at, size = figures.curve(table, "proof", OURS)
        sizes_of.plot(at, [value / 1000 for value in size], "o-", color="tab:purple", label=OURS)
        times.set_yscale("log")
        times.minorticks_off()
        times.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        sizes_of.set_ylim(bottom=0)
        sizes_of.set_xlabel(label)
    at, size = figures.curve("range", "proof", TARI)
    grid[1][0].plot(at, [value / 1000 for value in size], "s--", color="tab:gray", label=TARI)
    grid[1][0].legend()
    grid[0][0].set_ylabel("ms, one thread")
    grid[1][0].set_ylabel("proof, kB")
    grid[0][1].legend()
    _save(figure, path)


def _plain(axes: Axes) -> None:
    """Numbers as they are written, not as powers."""
    axes.minorticks_off()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)
