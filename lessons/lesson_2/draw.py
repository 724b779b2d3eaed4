"""Figures and explorers of lesson 2: floor, slope and knee."""

import matplotlib.pyplot as plt
import numpy as np

from course_utils.plotting import batch_axis


def timing(batch_sizes, milliseconds):
    """Return `(fig, update)` that draws t(B) = max(t0, B/r), what an epoch takes with it, and the knee of both.

    `batch_sizes` (sizes,) and `milliseconds` (sizes,) are a measured curve, shown where `measured` asks for it.
    `update(t0=…, rate=…, num_examples=…, guess=…, measured=…)` redraws: a floor of `t0` ms, `rate` examples per
    ms, epochs of `num_examples`, and the reader's `guess` of the knee.
    """
    sizes, times = np.asarray(batch_sizes), np.asarray(milliseconds, dtype=float)
    grid = np.geomspace(1, sizes.max(), 200)
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4))
    for ax in axes:
        ax.set(yscale="log", xlim=(0.8, 1.25 * sizes.max()))
        batch_axis(ax, [1, 10, 100, 1000, 10_000, *sizes[sizes >= 50_000]])
    axes[0].set(title="One update", ylim=(0.01, 10_000), ylabel="time (ms per update)")
    axes[1].set(title="One epoch", ylim=(0.001, 10_000), ylabel="time (s per epoch)")
    still = {"animated": True, "linewidth": 1.4}
    limits = [ax.plot([], [], color="#777777", linestyle=":", **still)[0] for ax in axes]
    knees = [ax.axvline(color="C0", ymax=0.88, **still) for ax in axes]
    guesses = [ax.axvline(color="C1", ymax=0.88, linestyle="--", **still) for ax in axes]
    lines = [ax.plot([], [], color="C0", linewidth=2.6, animated=True)[0] for ax in axes]
    points = [ax.plot([], [], "ko", markersize=5, animated=True)[0] for ax in axes]
    at_top = {"transform": axes[0].get_xaxis_transform(), "animated": True, "va": "center"}
    knee_text = axes[0].text(1, 0.96, "", color="C0", weight="bold", **at_top)
    guess_text = axes[0].text(1, 0.9, "", color="#A84300", **at_top)
    caption = axes[1].text(
        0.98, 0.96, "", transform=axes[1].transAxes, ha="right", va="center", animated=True
    )

    def mark(bars, text, place):
        for bar in bars:
            bar.set_xdata([place, place])
        text.set(
            x=np.clip(place, 1, sizes.max()),
            ha="left" if place < 30 else "right" if place > 3000 else "center",
        )

    def update(*, t0: float, rate: float, num_examples: int, guess: int, measured: bool) -> str:
        knee = t0 * rate
        within, fits = grid[grid <= num_examples], measured & (sizes <= num_examples)
        epoch = num_examples / 1000 * np.maximum(t0 / within, 1 / rate)  # s: N/B updates of t(B) ms
        lines[0].set_data(grid, np.maximum(t0, grid / rate))
        lines[1].set_data(within, epoch)
        limits[0].set_data([1, grid[-1], np.nan, 1, grid[-1]], [t0, t0, np.nan, 1 / rate, grid[-1] / rate])
        limits[1].set_data(grid[[0, -1]], [num_examples / rate / 1000] * 2)
        points[0].set_data(sizes[fits], times[fits])
        points[1].set_data(sizes[fits], num_examples / sizes[fits] * times[fits] / 1000)
        mark(knees, knee_text, knee)
        mark(guesses, guess_text, guess)
        knee_text.set_text(f"knee {knee:,.0f}" if knee >= 10 else f"knee {knee:.1f}")
        guess_text.set_text(f"my guess {guess:,}")
        ratio = max(t0, 1 / rate) / max(t0 / num_examples, 1 / rate)
        caption.set_text(f"B = 1 takes {ratio:,.0f} times as long as B = N")
        return (
            f"Time per update and per epoch of {num_examples:,} examples against batch size, all axes logarithmic. "
            f"Up to the knee at {knee:,.0f} the update is flat and the epoch falls; beyond it the update grows and "
            f"the epoch is flat. The guess is {guess:,}. "
            + ("Measured points lie over both." if measured else "No measurement is shown.")
        )

    return fig, update
