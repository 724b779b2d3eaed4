"""Figures and explorer of lesson 2 and of its deeper pages: clocks, floor, slope, knee, and the time one waits."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator

from course_utils.explore import Control
from course_utils.plotting import GUESS, LABEL_BOX, batch_axis, batch_color, mark_guess

TICKS = [1, 10, 100, 1000, 10_000, 60_000]
FLOORS = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1, 2, 5, 10]
RATES = [10, 20, 50, 75, 100, 125, 150, 175, 200, 300, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000]
BATCHES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000]
INK = {"C1": "#A84300", "C2": "#00694C", "C3": "#9A4A78"}  # the same hues, dark enough for text


def machine(num_examples=60_000):
    """Return `(fig, update, controls)`: what one update and one epoch cost on a machine of two numbers.

    `update(batch_size=…, t0=…, rate=…)` draws t(B) = max(t₀, B/r) for a floor of `t0` ms and a rate of `rate`
    examples per ms, beside it an epoch of `num_examples`, and on both the batch size that was chosen.
    """
    grid = np.geomspace(1, num_examples, 200)
    fig, axes = _update_and_epoch((9.6, 4.0))
    axes[0].set(xlim=(0.8, 75_000), ylim=(0.002, 10_000))
    axes[1].set(xlim=(0.8, 75_000), ylim=(0.0005, 1000))
    moving = {"animated": True, "color": "C0"}
    lines = [ax.plot([], [], linewidth=2.6, **moving)[0] for ax in axes]
    dots = [ax.plot([], [], "o", markersize=10, animated=True)[0] for ax in axes]
    knees = [ax.axvline(1, ymax=0.76, linewidth=1.4, **moving) for ax in axes]
    at_top = {"transform": axes[0].get_xaxis_transform(), "va": "center"}
    knee_text = axes[0].text(1, 0.8, "", weight="bold", **at_top, **moving)
    floor_text = axes[0].text(1, 1, "", va="top", **moving)
    slope_text = axes[0].text(20_000, 1, "B/r", ha="right", **moving)
    captions = [ax.text(0.02, 0.98, "", transform=ax.transAxes, va="top", animated=True) for ax in axes]

    def update(*, batch_size: int, t0: float, rate: float) -> str:
        def time(sizes):
            return np.maximum(t0, np.asarray(sizes) / rate)

        knee, updates = t0 * rate, -(-num_examples // batch_size)
        cost = float(time(batch_size)), float(updates * time(batch_size) / 1000)
        for line, y in zip(lines, (time(grid), num_examples / grid * time(grid) / 1000), strict=True):
            line.set_data(grid, y)
        for dot, y in zip(dots, cost, strict=True):
            dot.set(xdata=[batch_size], ydata=[y], color=batch_color(batch_size))
        for bar in knees:
            bar.set_xdata([knee, knee])
        place = "left" if knee < 30 else "right" if knee > 3000 else "center"
        knee_text.set_text(f"knee at B = {_number(knee)}")
        knee_text.set(x=np.clip(knee, 1, num_examples), ha=place)
        floor_text.set(y=t0 / 1.5, text=f"floor t₀ = {t0:g} ms")
        slope_text.set(y=1.4 * float(time(20_000)), alpha=float(knee < 10_000))
        captions[0].set_text(f"B = {batch_size:,}: {_number(cost[0])} ms")
        captions[1].set_text(f"B = {batch_size:,}: {updates:,} updates, {_number(cost[1])} s")
        return (
            f"Time per update and time per epoch of {num_examples:,} examples against batch size, all axes logarithmic, "
            f"for a floor of {t0:g} ms and a rate of {rate:,} examples per ms. Up to the knee at B = {_number(knee)} the "
            f"update is flat and the epoch falls; beyond it the update grows and the epoch is flat. At B = "
            f"{batch_size:,} an update takes {_number(cost[0])} ms and an epoch of {updates:,} updates {_number(cost[1])} s."
        )

    controls = {
        "batch_size": Control("batch size B", BATCHES, 1000),
        "t0": Control("floor t₀ (ms)", FLOORS, 0.2),
        "rate": Control("rate r (examples per ms)", RATES, 10_000),
    }
    return fig, update, controls


def _number(x):
    """Return `x` with three digits, or all of those before the point."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def _update_and_epoch(figsize):
    """Return a figure with an axes for ms per update and one for s per epoch, all axes logarithmic."""
    fig, axes = plt.subplots(1, 2, figsize=figsize)
    for ax, what, unit in zip(axes, ("update", "epoch"), ("ms", "s"), strict=True):
        ax.set(title=f"One {what}")
        _time_axis(ax, f"time ({unit} per {what})")
        batch_axis(ax, TICKS)
    return fig, axes


def _time_axis(ax, label, minor=()):
    """Make the y axis of `ax` logarithmic in time, with ticks written out, also at `minor` times a power of ten."""
    ax.set(yscale="log", ylabel=label)
    ax.yaxis.set_major_formatter("{x:,g}")
    if minor:
        ax.yaxis.set_minor_locator(LogLocator(subs=minor))
        ax.yaxis.set_minor_formatter("{x:,g}")


def _name(ax, text, point, offset, color, side="center", **style):
    """Write `text` at `offset` points from `point`, in the dark form of `color`."""
    color = INK.get(color, color)
    ax.annotate(text, point, offset, textcoords="offset points", ha=side, color=color, **style)


def clocks(sizes, readings, guess=None):
    """Draw the milliseconds per update that four clocks read, `readings[name]` (sizes,); ring the guessed clock."""
    looks = {  # colour, marker, and where the name stands: at which size, how many points away
        "the first call": ("C3", "^", 0, (60, 6)),
        "the loader": ("C1", "s", 1, (32, 8)),
        "the right clock": ("black", "o", 1, (8, -17)),
        "the missing wait": ("C2", "v", 1, (0, 9)),
    }
    fig, ax = plt.subplots(figsize=(6.4, 4.4))
    for name, (color, marker, at, offset) in looks.items():
        ax.plot(sizes, readings[name], color=color, marker=marker)
        _name(ax, name, (sizes[at], readings[name][at]), offset, color)
    ax.set(title="One machine, four clocks")
    _time_axis(ax, "time (ms per update)")
    batch_axis(ax, sizes)
    places = {name: (sizes[2], readings[name][2]) for name in ("the loader", "the missing wait")}
    first, second = readings["the first call"][:2]
    places["the first call"] = (sizes[0] * sizes[1]) ** 0.5, first**0.75 * second**0.25  # below its name
    return fig, (
        f"Time per update against batch size, both logarithmic, as four clocks read it. {_readings(sizes, readings)}."
        + mark_choice(ax, guess, places)
    )


def update_and_epoch(recorded, here, num_examples, guess=None):
    """Draw time per update and per epoch: recordings with their knees, what was measured here, the guessed knee.

    `recorded[label]` is a table of milliseconds, a line a run and a column a batch size, with the knee of its
    median, or None; `here` the curve of this machine as `(sizes, milliseconds)`.
    """
    fig, axes = _update_and_epoch((9.6, 4.6))
    for i, (label, (runs, knee)) in enumerate(recorded.items()):
        color = f"C{i}"
        sizes = runs.columns.to_numpy()
        for ax, factor in zip(axes, _factors(sizes, num_examples), strict=True):
            ax.plot(sizes, factor * runs.median(), "o-", color=color, label=label)
            ax.fill_between(sizes, factor * runs.min(), factor * runs.max(), color=color, alpha=0.2, lw=0)
            if knee:
                ax.axvline(knee, color=color, lw=1.2, alpha=0.7)
        if knee:
            side, away = (("right", -4), ("left", 4))[i % 2]
            _name(axes[0], f"knee {knee:.0f}", (knee, runs.median().max()), (away, -4), color, side)
    sizes, milliseconds = here
    for ax, factor in zip(axes, _factors(sizes, num_examples), strict=True):
        ax.plot(sizes, factor * milliseconds, "--", color="black", label="here and now")
    axes[1].legend(loc="upper right", frameon=True, edgecolor="none")
    return fig, (
        "Two charts against batch size, all axes logarithmic. In the recordings time per update starts nearly flat and "
        "then, on a processor, rises in proportion to the batch size; time per epoch falls, and is flat where the update rises. "
        f"A dashed line is of this machine: an update of {sizes[-1]:,} took {_number(milliseconds[-1])} ms. Vertical "
        f"lines mark knees: {', '.join(f'{k} {v[1]:.0f}' for k, v in recorded.items() if v[1])}."
        + mark_guess(axes[0], guess, low=1, high=60_000, axis="x")
    )


def _factors(sizes, num_examples):
    """Return what turns milliseconds per update into those, and into seconds per epoch."""
    return 1, np.ceil(num_examples / np.asarray(sizes)) / 1000


def floor(sizes, times, recorded):
    """Draw ms per update against batch size of up to three kinds of update, `times[name]`, and the `recorded` Series."""
    fig, ax = plt.subplots(figsize=(6.4, 4.2))
    recorded = recorded.loc[: max(sizes)]
    ax.plot(recorded.index, recorded, color="#AAAAAA", lw=5, label="784-128-10, recorded")
    for (name, y), color, marker in zip(times.items(), ("black", "C1", "C2"), "o^s", strict=False):
        ax.plot(sizes, y, "--", color=color, marker=marker, label=f"{name}, here")
    ax.set(title="The floor is made of calls")
    _time_axis(ax, "time (ms per update)", minor=[2, 5])
    batch_axis(ax, [size for size in sizes if size in TICKS])
    ax.legend(loc="upper left")
    return fig, (
        f"Time per update against batch size up to {max(sizes):,}, both logarithmic, shortest readings. Recorded for "
        f"784-128-10: {_number(recorded.iloc[0])} to {_number(recorded.iloc[-1])} ms. {_readings(sizes, times)} here."
    )


def _readings(sizes, times, unit="ms"):
    """Return in words what each of `times` reads at the first and at the last of `sizes`."""
    ends = [(name, np.asarray(y)[[0, -1]]) for name, y in times.items()]
    read = "; ".join(f"{name} {_number(first)} and {_number(last)} {unit}" for name, (first, last) in ends)
    return f"At B = {sizes[0]:,} and at {sizes[-1]:,}: {read}"


def wait(sizes, needed, milliseconds, guess=None):
    """Draw updates needed (seeds, sizes), ms for each (sizes,), and their product in seconds; mark the guess."""
    waits = needed * milliseconds / 1000
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.8))
    panels = (
        (needed, "updates to 85 %", "Updates needed"),
        (milliseconds[None], "time (ms per update)", "× time for each"),
        (waits, "time to 85 % (s)", "= time to wait"),
    )
    for ax, (values, label, title) in zip(axes, panels, strict=True):
        ax.plot(sizes, values.mean(0), color="#999999", lw=1.5)
        for size, column in zip(sizes, values.T, strict=True):
            ax.plot([size] * len(column), column, "o", color=batch_color(size), markersize=6, alpha=0.8)
        ax.set_title(title)
        _time_axis(ax, label)
        batch_axis(ax, [1, 16, 256, 4000])
    return fig, (
        f"Three panels against batch size, all axes logarithmic, {len(needed)} seeds. Updates needed fall steeply at "
        "first and then level off; time per update is level at first and then rises; their product is smallest at "
        f"B = {sizes[waits.mean(0).argmin()]:,}." + mark_guess(axes[2], guess, low=1, high=4000, axis="x")
    )


def knee(runs, hard, soft):
    """Draw the recorded `runs` (a line a run, a column a batch size) under both fitted forms, with the knee's interval."""
    fig, ax = plt.subplots(figsize=(6.4, 4.4))
    sizes, grid = runs.columns, np.geomspace(runs.columns.min(), runs.columns.max(), 200)
    ax.axvspan(hard.low, hard.high, color="C0", alpha=0.12, lw=0)
    ax.axvline(hard.knee, color="C0", lw=1.2)
    ax.plot(grid, hard.predict(grid), color="C0", lw=2.2)
    ax.plot(grid, soft.predict(grid), color="C1", lw=2.2, ls="--")
    for _, run in runs.iterrows():
        ax.plot(sizes, run, "o", color="black", markersize=4, alpha=0.45, mew=0)
    _name(ax, f"knee {hard.knee:.0f}", (hard.knee, hard.t0 * 12), (-6, 0), "C0", "right")
    _name(ax, "max(t₀, B/r)", (350, 350 / hard.rate), (-8, 8), "C0", "right")
    _name(ax, "t₀ + B/r", (400, float(soft.predict(400))), (10, -12), "C1", "left")
    ax.set(
        yscale="log", ylabel="time (ms per update)", title=f"One thread, {len(runs)} runs: floor, slope, knee"
    )
    batch_axis(ax, sizes)
    return fig, (
        f"Recorded time per update of {len(runs)} runs against batch size up to {sizes.max():,}, both logarithmic, with "
        "two fits. The points leave the floor gradually, as the soft form does, and end on a slope of one. A band "
        f"around the knee at {hard.knee:.0f} shows its interval, {hard.low:.0f} to {hard.high:.0f}."
    )


def roofline(recorded, limits):
    """Draw each network's recorded ms per update (a Series by batch size) above its two limits.

    `limits[network]` is (ms for each example by arithmetic, ms for each update by moving the weights).
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), sharey=True)
    for ax, (network, milliseconds) in zip(axes, recorded.items(), strict=True):
        per_example, per_update = limits[network]
        line = milliseconds.index.to_numpy()[[0, -1]]
        ax.plot(milliseconds.index, milliseconds, "o-", color="C0", label="recorded, one thread")
        ax.plot(line, per_example * line, color="C1", ls="--", label="arithmetic at measured peak")
        ax.axhline(per_update, color="C3", ls=":", lw=2, label="weights at measured bandwidth")
        ax.set(yscale="log", title=network.replace("x", "×"), ylim=(0.004, 9000))
        batch_axis(ax, [tick for tick in TICKS if tick <= line[1]])
    axes[0].set_ylabel("time (ms per update)")
    axes[0].legend(loc="upper left")
    return fig, (
        "Two panels, the small and the large network: recorded time per update against batch size, both logarithmic, "
        "above two limits. For large batches the recording runs parallel to and just above the line of the "
        "arithmetic. For the large network its floor lies near the line for moving the weights, for the small one "
        "well above it."
    )


def best_batch(sizes, waits, predicted, best):
    """Draw seconds to 85 % against batch size, `waits[label]` (seeds, sizes), and what the two bends predict.

    `predicted` is `(sizes, seconds)`, `best` the batch size at which it is smallest.
    """
    fig, ax = plt.subplots(figsize=(6.4, 4.4))
    for (label, values), color, marker in zip(waits.items(), ("C0", "C1"), "os", strict=False):
        ax.plot(sizes, values.mean(0), color=color, marker=marker, label=label)
        ax.fill_between(sizes, values.min(0), values.max(0), color=color, alpha=0.2, lw=0)
    ax.plot(*predicted, color="black", ls="--", label="predicted: S(B) · t(B)")
    ax.axvline(best, color="black", lw=1.2, ls=":")
    ax.set(yscale="log", ylabel="time to 85 % (s)", title="Between the problem's bend and the machine's")
    batch_axis(ax, sizes)
    _name(ax, f"√(B_crit·B*) = {best:.0f}", (best, ax.get_ylim()[1]), (6, -12), "black", "left")
    ax.legend(loc="lower left")
    ax.set_ylim(bottom=0.001)
    return fig, (
        "Seconds until 85 % of the validation digits are read, against batch size, both logarithmic; lines are means, "
        "bands hold all five seeds. Both curves fall, are lowest at B = 16 to 64 and rise again. The dashed prediction "
        f"is smallest at {best:.0f}."
    )


def loader(sizes, updating, loading, num_examples=60_000):
    """Draw seconds per epoch of updates alone, of the loader alone, and of both in turn; milliseconds are (sizes,)."""
    fig, ax = plt.subplots()
    seconds = np.ceil(num_examples / np.asarray(sizes)) / 1000
    for milliseconds, color, marker, name in (
        (updating + loading, "black", "o", "loader and updates, in turn"),
        (updating, "C0", "s", "updates"),
        (loading, "C1", "^", "PyTorch's DataLoader"),
    ):
        ax.plot(sizes, seconds * milliseconds, color=color, marker=marker, label=name)
    ax.set(title="The loader adds its own floor and price")
    _time_axis(ax, "time (s per epoch)", minor=[2, 5])
    batch_axis(ax, sizes)
    ax.legend()
    epochs = {"updates": seconds * updating, "PyTorch's DataLoader": seconds * loading}
    return fig, (
        "Time per epoch against batch size, both logarithmic, of the updates, of the loader, and of both in turn. "
        f"{_readings(sizes, epochs, 's')}."
    )


def gpu(thread, on_gpu):
    """Draw recorded ms per update of each network: of one `thread[network]` and `on_gpu[network, mode]`.

    Each is a table, a line a run and a column a batch size; bands hold all runs.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), sharey=True)
    looks = {"call by call": ("C1", "s"), "one CUDA graph": ("C2", "^")}
    for ax, (network, runs) in zip(axes, thread.items(), strict=True):
        curves = [("one thread of a processor", runs, "C0", "o")]
        curves += [(f"H100, {m}", on_gpu[network, m], *look) for m, look in looks.items()]
        for name, table, color, marker in curves:
            ax.plot(table.columns, table.median(), color=color, marker=marker, label=name)
            ax.fill_between(table.columns, table.min(), table.max(), color=color, alpha=0.2, lw=0)
        ax.set(title=network.replace("x", "×"))
        _time_axis(ax, "")
        batch_axis(ax, TICKS)
    axes[0].set_ylabel("time (ms per update)")
    axes[0].legend(loc="upper left")
    ends = {f"{network}, {mode}": runs.median() for (network, mode), runs in on_gpu.items()}
    return fig, (
        "Two panels, the small and the large network: recorded time per update against batch size, both logarithmic. "
        "One thread of a processor starts at a quarter of a millisecond and rises in proportion to the batch size "
        f"from some tens of examples on; the H100's curves are flat for long. {_readings(TICKS, ends)}."
    )


def mark_choice(ax, guess: str | None, places: dict[str, tuple[float, float]]) -> str:
    """Ring the place (in data coordinates) that stands for the reader's `guess`, and return it as a sentence for the alt text.

    Raises ValueError where the guess is none of `places`.
    """
    if guess is None:
        return ""
    if guess not in list(places):
        choices = ", ".join(map(repr, places))
        raise ValueError(f"a guess here is one of {choices}, or None to skip it, got {guess!r}")
    halo = [withStroke(linewidth=5, foreground="white")]  # so that it shows on a dark map too
    ring = {"markersize": 18, "markerfacecolor": "none", "markeredgecolor": GUESS, "markeredgewidth": 2}
    ax.plot(*places[guess], "o", **ring, path_effects=halo, zorder=6)
    label = {"xytext": (13, 9), "textcoords": "offset points", "color": GUESS, "bbox": LABEL_BOX, "zorder": 7}
    ax.annotate("your guess", places[guess], **label)
    return f" Your guess, {guess}, is ringed."
