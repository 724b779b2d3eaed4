"""Figures and explorers of lesson 5 and its deeper pages: ravines, the ball, noise, saddles, digits."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from course_utils.descent import descend, growth_factors, ravine, regime
from course_utils.explore import Control
from course_utils.plotting import mark_guess, plot_band, plot_surface
from course_utils.results import mean_interval
from lessons.lesson_5.surfaces import double_well, shelf

PLAIN, BALL = "#D55E00", "#0072B2"  # without momentum, and with it
GREEN, INK = "#009E73", "#222222"
PULL, CARRY = "#D55E00", "#0072B2"  # the parts of a move: −η · gradient, and β · previous move
BETAS = {0.0: (INK, "o", "-"), 0.5: (GREEN, "^", ":"), 0.9: (BALL, "s", "-"), 0.99: (PLAIN, "D", "--")}
TURN = np.linspace(0, 2 * np.pi, 200)
ON_LINES = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1}  # under words on a map


def _steps(low, high, step):
    """Return the values of a slider from `low` to `high`, without the digits that floats add."""
    return [round(low + i * step, 10) for i in range(round((high - low) / step) + 1)]


def _level_lines(kappa):
    """Return x and y of eleven curves of equal loss of `ravine(kappa)`, a gap after each, as one line."""
    size = np.sqrt(2 * np.geomspace(2e-4, 1.2, 11))[:, None]  # half-axes
    gap = np.full((len(size), 1), np.nan)
    x, y = size * np.sqrt(kappa) * np.cos(TURN), size * np.sin(TURN)
    return np.hstack([x, gap]).ravel(), np.hstack([y, gap]).ravel()


def _map(ax, title, *, xlim=(-1.15, 1.15), ylim=(-1.15, 1.15)):
    """Prepare `ax` as a map of a ravine; return the animated lines of equal loss, of the path and of its start."""
    ax.set(xlim=xlim, ylim=ylim, xlabel="flat direction x", title=title)
    ax.grid(False)
    ax.plot(0, 0, marker="x", color=INK, markersize=8, markeredgewidth=2)
    style = {"animated": True}
    (lines,) = ax.plot([], [], color="#c4c4c4", linewidth=0.8, zorder=1, **style)
    (path,) = ax.plot([], [], color=INK, linewidth=0.9, marker="o", markersize=3, **style)
    (start,) = ax.plot([], [], "o", color=INK, markerfacecolor="white", markersize=8, **style)
    return lines, path, start


# ---- the lesson


def zigzag(num_steps: int = 40):
    """Return `(fig, update, controls)`: one ravine, one learning rate, a path without momentum and one with it.

    The maps show `num_steps` updates from (−1, 0.7) on (x²/κ + y²)/2, the curves the loss over its start.
    """
    fig, (plain_ax, ball_ax, loss_ax) = plt.subplots(1, 3, figsize=(9.6, 3.5), width_ratios=(1, 1, 0.85))
    sides = []
    for ax, title, color in ((plain_ax, "without momentum", PLAIN), (ball_ax, "with momentum", BALL)):
        lines, path, start = _map(ax, title, xlim=(-1.12, 0.72), ylim=(-0.85, 1.12))
        path.set_color(color)
        for word, place, offset in (("start", (-1, 0.7), (8, -2)), ("minimum", (0, 0), (4, -17))):
            ax.annotate(word, place, xytext=offset, textcoords="offset points")
        corner = {"transform": ax.transAxes, "ha": "right", "va": "top", "bbox": ON_LINES}
        note = ax.text(0.97, 0.97, "", **corner, animated=True)
        (curve,) = loss_ax.plot([], [], color=color, animated=True)
        sides.append((lines, path, start, note, curve))
    plain_ax.set_ylabel("steep direction y")
    loss_ax.set(
        yscale="log", xlim=(0, 100), ylim=(1e-6, 30), xlabel="updates", title="loss ÷ loss at the start"
    )
    loss_ax.axhline(1e-3, color="#888888", linestyle=":", linewidth=1)
    loss_ax.text(
        0.97,
        0.96,
        "counted until\nbelow the dots:\na thousandth",
        transform=loss_ax.transAxes,
        ha="right",
        va="top",
    )

    def update(*, lr: float, beta: float, kappa: float) -> str:
        surface, told = ravine(kappa), []
        for b, (lines, path, start, note, curve) in zip((0.0, beta), sides, strict=True):
            points = descend(surface.gradient, [-1.0, 0.7], lr=lr, beta=b, num_steps=1000)
            with np.errstate(over="ignore", invalid="ignore"):
                loss = np.nan_to_num(surface.loss(points) / surface.loss(points[0]), nan=1e9).clip(1e-30, 1e9)
            needed = np.flatnonzero(loss > 1e-3)[-1] + 1  # until it stays below
            word = f"{needed} updates" if needed <= 1000 else "never, in 1,000 updates"
            lines.set_data(*_level_lines(kappa))
            path.set_data(*points[: num_steps + 1].clip(-9, 9).T)
            start.set_data(*points[:1].T)
            curve.set_data(np.arange(101), loss[:101])
            note.set_text(f"β = {b:g}\n{word}")
            sides_changed = (points[1 : num_steps + 1, 1] * points[:num_steps, 1] < 0).sum()
            told.append(f"with β = {b:g} it changes sides {sides_changed} times and needs {word}")
        return (
            f"Ravine of condition number {kappa:g}, η = {lr:g}, {num_steps} updates of each path, and the updates until "
            f"the loss stays below a thousandth of its start: {told[0]}; {told[1]}."
        )

    controls = {
        "lr": Control("learning rate η", _steps(0.05, 2.1, 0.05), 1.9),
        "beta": Control("momentum β", [*_steps(0, 0.95, 0.05), 0.99], 0.7),
        "kappa": Control("condition number κ", [1, 2, 5, 10, 20, 50, 100], 50),
    }
    return fig, update, controls


def two_parts(path, pulls, carries, loss):
    """Return `(fig, alt)` of the moves of `path` (updates + 1, 2), each the sum of its `pulls` and `carries` (updates, 2).

    `loss` takes points (..., 2). The arrows show three moves, the bars the parts of eight in each direction.
    """
    fig, (ax, flat, steep) = plt.subplots(1, 3, figsize=(9.6, 3.6), width_ratios=(1.35, 1, 1))
    plot_surface(ax, lambda x, y: loss(np.stack([x, y], -1)), (0, 0), xlim=(-1.05, 0.45), ylim=(-0.65, 0.75))
    for t in range(3):
        tip = path[t] + pulls[t]
        for tail, head, color, line in (
            (path[t], tip, PULL, "-"),
            (tip, tip + carries[t], CARRY, "--"),
            (path[t], path[t + 1], INK, "-"),
        ):
            arrow = {"arrowstyle": "-|>", "color": color, "linestyle": line, "shrinkA": 0, "shrinkB": 0}
            if np.hypot(*(head - tail)) > 0.02:
                ax.annotate("", head, tail, arrowprops=arrow | {"linewidth": 1.6})
    ax.plot(*path[:4].T, "o", color=INK, markersize=5)
    colors = {"−η · gradient": PULL, "β · previous move": CARRY, "their sum: the move": INK}
    corner = {"transform": ax.transAxes, "ha": "right", "va": "top", "bbox": ON_LINES}
    for row, (name, color) in enumerate(colors.items()):
        ax.text(0.97, 0.22 - 0.07 * row, name, color=color, **corner)
    ax.annotate("start", path[0], xytext=(8, 4), textcoords="offset points")
    ax.set(xlabel="flat direction", ylabel="steep direction", title="three moves, each a sum of two")
    updates, directions = (
        np.arange(1, 9),
        (("along the flat direction", flat), ("along the steep one", steep)),
    )
    for axis, (title, bars) in enumerate(directions):
        bars.bar(updates - 0.2, pulls[:8, axis], 0.4, color=PULL)
        bars.bar(updates + 0.2, carries[:8, axis], 0.4, color=CARRY)
        bars.axhline(0, color="#888888", linewidth=0.8)
        bars.set(xlabel="update", xticks=updates[1::2], title=title)
    flat.set_ylabel("part of the move")
    against = [(pulls[1:8, axis] * carries[1:8, axis] < 0).sum() for axis in (0, 1)]
    return fig, (
        "Left: three moves in a ravine; each black arrow is the sum of an orange one against the gradient and a dashed blue "
        "one along the previous move. Right: both parts of eight moves. Along the flat direction they point against "
        f"each other in {against[0]} of the seven updates after the first, along the steep one in {against[1]}."
    )


def memory(weights, guess=None):
    """Return `(fig, alt)` of the `weights` {β: (ages,)} of past gradients in a move, and of their running sums.

    The sum over t ages is the length of move t on an even slope, in plain steps. `guess` is one for β = 0.99.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6))
    for (b, values), age in zip(weights.items(), (6, 9, 25), strict=True):
        color, _, style = BETAS[b]
        left.plot(values[:60], color=color, linestyle=style)
        left.annotate(f"β = {b}", (age, values[age]), xytext=(6, 4), textcoords="offset points", color=color)
        right.plot(np.arange(1, len(values) + 1), values.cumsum(), color=color, linestyle=style)
        label = {"xytext": (-4, 6), "textcoords": "offset points", "ha": "right", "color": color}
        right.annotate(f"β = {b}", (len(values), values.sum()), **label)
    left.set(
        xlabel="age of a gradient (updates)",
        ylabel="its weight in the move, in units of η",
        title="A memory that fades",
    )
    right.set(xscale="log", yscale="log", ylim=(0.8, 2000), title="A start that ramps up")
    right.set(xlabel="updates on an even slope", ylabel="length of the move (plain steps)")
    said = mark_guess(right, guess, low=1, high=2000)
    ends = ", ".join(f"{values.sum():.0f} plain steps for β = {b}" for b, values in weights.items())
    return fig, (
        "Left: weight of a past gradient against its age, falling from 1 by a factor β per update. Right: length of the "
        f"moves on an even slope against updates, rising to {ends}." + said
    )


def speeds(by_kappa, by_beta, guess=None):
    """Return `(fig, alt)` of updates needed: against κ with both rules tuned, and against β in one ravine.

    `by_kappa` {κ: (plain, with momentum)}, `by_beta` {β: updates}; `guess` is one of the updates at κ = 100.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.8))
    kappas, (plain, ball) = list(by_kappa), zip(*by_kappa.values(), strict=True)
    left.plot(kappas, plain, "o-", color=PLAIN)
    left.plot(kappas, ball, "s-", color=BALL)
    left.text(60, 700, "gradient descent:\nlike κ", color=PLAIN, ha="right")
    left.text(60, 12, "with momentum:\nlike √κ", color=BALL)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="condition number κ",
        ylabel="updates to come a million times closer",
    )
    left.set_title("each with its best η and β")
    said = mark_guess(left, guess, low=1, high=5000)
    x = -np.log10(1 - np.array(list(by_beta)))
    right.plot(x, list(by_beta.values()), "s-", color=BALL)
    right.axhline(by_beta[0.0], color=PLAIN, linestyle=":", linewidth=1.2)
    right.text(0, by_beta[0.0] * 1.15, "without momentum", color=PLAIN)
    right.set(yscale="log", xlabel="momentum β", title="one ravine, one η, more and more β")
    right.set_xticks(-np.log10([1, 0.5, 0.2, 0.1, 0.01]), ["0", "0.5", "0.8", "0.9", "0.99"])
    right.set_yticks([100, 200, 500, 1000, 2000], ["100", "200", "500", "1,000", "2,000"])
    left.set_yticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    for ax in (left, right):
        ax.minorticks_off()
    best = min(by_beta, key=by_beta.get)
    return fig, (
        f"Left: updates against κ on logarithmic axes, two straight lines; at κ = 100 {by_kappa[100][0]} without and "
        f"{by_kappa[100][1]} with momentum. Right: updates against β at κ = 100, fewest, {by_beta[best]}, at β = {best:g}; "
        f"{by_beta[0.0]} without momentum and {by_beta[0.99]:,} at β = 0.99." + said
    )


def digits(losses, guess=None):
    """Return `(fig, alt)` of final training losses, a panel for each batch size and a curve for each β.

    `losses` has a line for each seed and a column for each (batch size, β, effective learning rate); `guess` is one
    of the lowest loss at B = 1,000 and β = 0.9. The open marks are the runs with η = 0.1.
    """
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.9), sharey=True)
    for ax, size in zip(axes, (10, 100, 1000), strict=True):
        for b in (0.0, 0.9, 0.99):
            color, marker, _ = BETAS[b]
            rates, runs = losses[size][b].columns, np.log10(losses[size][b])
            mean, half_width = mean_interval(runs.dropna(axis="columns"))
            rates = runs.dropna(axis="columns").columns
            ax.plot(rates, 10**mean, marker=marker, color=color, label=f"β = {b:g}")
            ax.fill_between(
                rates, 10 ** (mean - half_width), 10 ** (mean + half_width), color=color, alpha=0.2, lw=0
            )
            at = np.isclose(rates * (1 - b), 0.1)
            ax.plot(rates[at], 10 ** mean[at], marker, markersize=12, markerfacecolor="none", color=color)
        ax.set(xscale="log", yscale="log", ylim=(1e-4, 6), title=f"B = {size:,}")
        ax.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
        ax.set_xlabel("effective learning rate η/(1 − β)")
    axes[0].set_ylabel("training loss after 200 updates")
    axes[0].legend(
        loc="lower left", title="large open marks: η = 0.1\nbands: 95 %, 5 seeds", alignment="left"
    )
    said = mark_guess(axes[2], guess, low=1e-4, high=2)
    return fig, (
        "Training loss against effective learning rate for B = 10, 100 and 1,000, a curve for each β. At small rates "
        "β = 0 and 0.9 coincide and 0.99 lies above. Without momentum the loss shoots up above a rate of 1. At B = 10 no β "
        "goes lower than no momentum; at B = 100 and 1,000 the curve of β = 0.9 goes on falling. At B = 1,000 "
        "the lowest point of all is one of β = 0.99, whose band spans two decades." + said
    )


# ---- how fast, exactly


def momentum(num_steps: int = 150):
    """Return `(fig, update, controls)` of momentum in a ravine: path, loss and growth factors move together.

    The ravine is (x²/κ + y²)/2, the start at distance 1 from its minimum, `angle` degrees out of the flat direction.
    The circle holds the factors by which the two directions grow per update; everything inside it shrinks.
    """
    fig, (map_ax, loss_ax, circle_ax) = plt.subplots(1, 3, figsize=(9.6, 4.3), width_ratios=(1.1, 1, 0.95))
    contours, path, start = _map(map_ax, "path")
    map_ax.set_ylabel("steep direction y")
    predicted, curve, rate_text = _loss_curves(loss_ax, num_steps)
    ring, dots, names = _growth_circle(circle_ax)

    def update(*, lr: float, beta: float, kappa: float, angle: float) -> str:
        surface, phi = ravine(kappa), np.deg2rad(angle)
        points = descend(surface.gradient, [-np.cos(phi), np.sin(phi)], lr=lr, beta=beta, num_steps=num_steps)
        with np.errstate(over="ignore", invalid="ignore"):
            losses = surface.loss(points)
        inside = np.all(abs(points) <= 1.15, axis=1)
        shown = points[: num_steps + 1 if inside.all() else inside.argmin() + 1]
        contours.set_data(*_level_lines(kappa))
        path.set_data(*shown.T)
        start.set_data(*shown[:1].T)
        steps, factors = np.arange(num_steps + 1), growth_factors(lr, beta, np.array([1 / kappa, 1.0]))
        rate = abs(factors).max()
        curve.set_data(steps, np.clip(np.nan_to_num(losses, nan=1e9), 1e-30, 1e9))
        predicted.set_data(steps, np.clip(losses[0] * rate ** (2.0 * steps), 1e-30, 1e9))
        ring.set_data(np.sqrt(beta) * np.cos(TURN), np.sqrt(beta) * np.sin(TURN))
        states = [regime(lr, beta, curvature) for curvature in (1 / kappa, 1.0)]
        for dot, name, pair, word, state in zip(dots, names, factors, ("flat", "steep"), states, strict=True):
            dot.set_data(np.clip(pair.real, -1.3, 1.3), pair.imag)
            name.set_text(f"{word}: {state}")
        leaves = "" if inside.all() else "\nleaves the map"
        rate_text.set_text(f"largest factor {rate:.3f}\n(dashed: its slope){leaves}")
        return (
            f"Ravine of condition number {kappa:g}, η = {lr:g}, β = {beta:g}: flat direction {states[0]}, steep "
            f"direction {states[1]}; the largest growth factor is {rate:.3f} per update, and after {num_steps} "
            f"updates the loss has gone from {losses[0]:.2g} to {losses[-1]:.1g}."
        )

    controls = {
        "lr": Control("learning rate η", _steps(0.05, 4, 0.05), 1.0),
        "beta": Control("momentum β", _steps(0, 0.99, 0.01), 0.7),
        "kappa": Control("condition number κ", [1, 2, 5, 10, 20, 50, 100, 200, 500], 50),
        "angle": Control("start (degrees)", _steps(0, 90, 5), 30),
    }
    return fig, update, controls


def _loss_curves(ax, num_steps):
    """Prepare `ax` for a loss curve; return its animated lines, predicted and real, and the text in its corner."""
    ax.set(yscale="log", xlim=(0, num_steps), ylim=(1e-9, 30), xlabel="updates", ylabel="loss", title="loss")
    (predicted,) = ax.plot([], [], color="#888888", linestyle="--", linewidth=1.2, animated=True)
    (curve,) = ax.plot([], [], color=INK, linewidth=1.5, animated=True)
    corner = {"transform": ax.transAxes, "ha": "right", "va": "top", "linespacing": 1.4}
    return predicted, curve, ax.text(0.98, 0.98, "", **corner, animated=True)


def _growth_circle(ax):
    """Prepare `ax` for growth factors; return the animated ring of radius √β, two dots and the names of regimes."""
    ax.set(xlim=(-1.3, 1.3), ylim=(-1.75, 2.15), aspect="equal", title="growth factors")
    ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlabel="real part", ylabel="imaginary part")
    ax.plot(np.cos(TURN), np.sin(TURN), color="#888888", linewidth=1)
    ax.text(0, -1.25, "outside the circle: grows\ndotted: radius √β", ha="center", va="top")
    (ring,) = ax.plot([], [], color="#888888", linestyle=":", linewidth=1.2, animated=True)
    dots, names = [], []
    for marker, color, y in (("s", BALL, 1.75), ("o", PLAIN, 1.4)):
        style = {"color": color, "markersize": 8, "markeredgecolor": "white", "animated": True}
        dots += ax.plot([], [], marker, **style)
        names.append(ax.text(-1.2, y, "", color=color, animated=True))
    return ring, dots, names


def damping(steps, strengths, sizes):
    """Return `(fig, alt)` of the largest growth factor `sizes` over ηλ and β, all three as `np.meshgrid` gives them."""
    fig, ax = plt.subplots(figsize=(6.4, 4.4))
    levels = [0.4, 0.6, 0.8, 0.9, 0.95, 1.0]
    shades = {"levels": [0, *levels], "cmap": "Greys_r", "alpha": 0.55, "vmin": -0.6, "vmax": 1.1}
    ax.contourf(steps, strengths, sizes, **shades)
    lines = ax.contour(steps, strengths, sizes, levels=levels[:-1], colors="#777777", linewidths=0.8)
    places = [(1.0, 0.17), (1.0, 0.36), (1.0, 0.64), (1.0, 0.81), (1.0, 0.9)]
    ax.clabel(lines, fontsize=9, fmt="%g", manual=places)
    curve = np.linspace(0, 4, 400)
    ax.plot(curve, (1 - np.sqrt(curve)) ** 2, color=BALL)
    ax.plot(curve, curve / 2 - 1, color=PLAIN)
    leader = {"arrowprops": {"arrowstyle": "-", "color": BALL}, "color": BALL}
    ax.annotate("critically damped: β = (1 − √(ηλ))²", (0.06, 0.57), xytext=(0.25, 0.52), **leader)
    ax.text(3.0, 0.2, "unstable:\nηλ > 2(1 + β)", color=PLAIN, ha="center")
    ax.text(2.0, 0.72, "under-damped: rings", ha="center")
    leader = {"va": "center", "arrowprops": {"arrowstyle": "-", "color": INK}}
    ax.annotate("over-damped", (0.13, 0.2), xytext=(0.55, 0.25), **leader)
    ax.annotate("zigzags", (1.85, 0.05), xytext=(2.4, 0.05), **leader)
    ax.set(xlim=(0, 4), ylim=(0, 1), xlabel="ηλ", ylabel="momentum β")
    ax.set_title("Growth factor |σ| per update: small is fast")
    return fig, (
        "Map of the growth factor over ηλ from 0 to 4 and β from 0 to 1. A straight line from (2, 0) to (4, 1) bounds the "
        "unstable corner; a curve from (0, 1) to (1, 0) marks critical damping, with the over-damped corner on its left; "
        "between them the factor is the square root of β."
    )


def three_paths(surface, paths, updates):
    """Return `(fig, alt)` of `paths` {β: (updates + 1, 2)} on a ravine; `updates` {β: …} are those each needs."""
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.5), sharey=True)
    for ax, (b, points) in zip(axes, paths.items(), strict=True):
        box = {"xlim": (-0.85, 0.85), "ylim": (-0.85, 0.85)}
        plot_surface(ax, lambda x, y: surface.loss(np.stack([x, y], -1)), (0, 0), **box)
        ax.plot(*points.T, "o-", color=BALL, markersize=3.5, linewidth=0.8)
        ax.set(xlabel="flat direction", xticks=(-0.5, 0, 0.5), title=f"β = {b:g}: {updates[b]:,} updates")
    axes[0].set_ylabel("steep direction")
    needs = ", ".join(f"{updates[b]:,} at β = {b:g}" for b in paths)
    return fig, (
        f"Three paths of {len(next(iter(paths.values()))) - 1} updates in one ravine at one learning rate. Without momentum "
        "a dense zigzag; with the middle β wide steps that arrive; with the largest the path swings across the whole "
        f"picture without end. Updates needed: {needs}."
    )


def cycle(runs):
    """Return `(fig, alt)` of `runs` {name: (updates + 1,)}, the weight against the update, the first 40 of each."""
    fig, ax = plt.subplots(figsize=(6.4, 3.4))
    for (name, points), color, marker in zip(runs.items(), (PLAIN, BALL, GREEN), "osD", strict=True):
        ax.plot(points[:41], marker=marker, markersize=4, linewidth=1, color=color, label=name)
    ax.set(xlabel="update", ylabel="weight w", title="Convex, and yet it cycles for ever", ylim=(-5, 5.2))
    ax.legend(loc="upper right", ncols=3)
    ends = "; ".join(f"{name} {', '.join(f'{w:.2f}' for w in points[-3:])}" for name, points in runs.items())
    return fig, f"Weight against update for 40 updates from 3.3. The last three weights of each run: {ends}."


# ---- five formulas


def coasting(moves, guess=None):
    """Return `(fig, alt)` of lengths of moves on an even slope, `moves` {"velocity", "buffer"}: η falls after 100."""
    fig, ax = plt.subplots(figsize=(6.4, 3.6))
    velocity, buffer = moves["velocity"], moves["buffer"]
    updates = np.arange(1, len(velocity) + 1)
    ax.plot(updates, velocity, color=BALL)
    ax.plot(updates, buffer, color=PLAIN, linestyle="--")
    offset = {"textcoords": "offset points"}
    label = "Lee, Raschka, Sutskever:\ncoasts at the old rate"
    ax.annotate(label, (106, velocity[105]), xytext=(14, 10), color=BALL, **offset)
    label = "PyTorch, EMA:\nat once slower"
    ax.annotate(label, (101, buffer[100]), xytext=(-10, 4), color=PLAIN, ha="right", **offset)
    ax.annotate("both", (50, 1), xytext=(0, -16), **offset)
    ax.set(
        xlabel="update", ylabel="length of the move", title="η falls to a tenth after 100 updates (β = 0.9)"
    )
    said = mark_guess(ax, guess, low=101, high=len(updates), axis="x")
    return fig, (
        "Length of the move on an even slope against the update. Both forms rise to 1 together; when the rate falls to a "
        f"tenth after update 100, at update 102 PyTorch's is {buffer[101]:.2f} long and Lee's {velocity[101]:.2f}; Lee's "
        f"is {velocity[129]:.2f} at update 130." + said
    )


def drop(losses):
    """Return `(fig, alt)` of training losses after a drop of η, `losses` {form: table with a line a seed, a column a step}."""
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    labels = {
        "velocity": (BALL, "Lee: climbs", (51.5, 0.08)),
        "buffer": (PLAIN, "PyTorch", (51.5, 0.0747)),
        "plain": (INK, "no momentum", (51.5, 0.0708)),
    }
    for form, (color, label, where) in labels.items():
        runs = losses[form]
        plot_band(ax, runs.columns - runs.columns[0], runs, color=color, marker="o")
        ax.text(*where, label, color=color)
    ax.set(
        xlim=(-2, 65), ylim=(0.066, 0.119), xlabel="updates since η fell to a tenth", ylabel="training loss"
    )
    ax.set_title("A drop in η that makes the loss rise (5 seeds)")
    before, highest = losses["velocity"].mean().iloc[0], losses["velocity"].mean().max()
    return fig, (
        "Training loss in the 50 updates after the learning rate falls to a tenth. Without momentum and in PyTorch's form "
        f"it falls slowly; in Lee's form it first climbs from {before:.3f} to {highest:.3f} and then comes back."
    )


# ---- the ball


def places(paths):
    """Return `(fig, alt)` of `paths` {name: (surface, points)} on four surfaces, of which two have one weight."""
    fig, axes = plt.subplots(1, 4, figsize=(9.6, 2.9))
    for ax, (name, (surface, points)) in zip(axes, paths.items(), strict=True):
        if points.ndim == 1:
            x = np.linspace(-4, 2, 300) if name == "plateau" else np.linspace(-1.9, 1.8, 300)
            ax.plot(x, surface.loss(x), color="#888888", linewidth=1.2)
            ax.plot(points, surface.loss(points), "o", color=BALL, markersize=4)
            ax.set(xlabel="weight", ylabel="loss" if name == "plateau" else "")
        else:
            grid = np.stack(np.meshgrid(*[np.linspace(-1.2, 1.2, 400)] * 2), axis=-1)
            lines = {"colors": "#b0b0b0", "linewidths": 0.8, "linestyles": "solid"}
            levels = np.geomspace(4e-4, 0.8, 9) if name == "ravine" else 12
            ax.contour(*np.moveaxis(grid, -1, 0), surface.loss(grid), levels, **lines)
            ax.plot(*surface.minima.T, "x", color=INK, markersize=8, markeredgewidth=2)
            ax.plot(*points.T, "o-", color=BALL, markersize=4, linewidth=1)
            ax.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xlabel="weight 1")
            ax.set_ylabel("weight 2" if name == "saddle" else "")
            ax.grid(False)
        ax.set_title(name)
    return fig, (
        f"Four surfaces with {len(points) - 1} updates of gradient descent each. Plateau: the points hardly leave their "
        "start. Local minimum: they gather in the shallow left valley. Saddle: they run onto the pass and crowd there. "
        "Ravine: they fall in and then creep along it, far from its minimum (×)."
    )


def ball(num_steps: int = 40):
    """Return `(fig, update, controls)` of a ball on the double well, with the two parts of each of its moves.

    It shows the ball after `step` updates with arrows for the parts of its next move, and beside it the two parts of
    all `num_steps` moves as bars.
    """
    surface, xlim, ylim = double_well(), (-2.1, 2.1), (-0.55, 1.5)
    colors = {"−η · gradient": PULL, "β · last move": CARRY, "their sum: the move": INK}
    fig, (ax, bars_ax) = plt.subplots(1, 2, figsize=(9.6, 4.0), width_ratios=(1.25, 1))
    x = np.linspace(*xlim, 400)
    ax.plot(x, surface.loss(x), color="#888888", linewidth=1.5)
    ax.set(
        xlim=xlim, ylim=ylim, xlabel="weight w", ylabel="loss", title="where the ball is (arrows enlarged)"
    )
    for row, (name, color) in enumerate(colors.items()):
        ax.text(0.5, 0.97 - 0.07 * row, name, color=color, transform=ax.transAxes, ha="center", va="top")
    bars_ax.axhline(0, color="#888888", linewidth=0.8)
    bars_ax.set(xlim=(0.3, num_steps + 0.7), ylim=(-1.1, 1.3), xlabel="move number", title="which part wins")
    bars_ax.set_ylabel("part of the move ÷ the largest part")
    style = {"animated": True}
    (trace,) = ax.plot([], [], "o", color="#b0b0b0", markersize=4, **style)
    (marble,) = ax.plot([], [], "o", color=INK, markersize=11, **style)
    shape = {"angles": "xy", "scale_units": "xy", "scale": 0.7, "width": 0.009, "headwidth": 2.6}
    shape |= {"headlength": 2.2, "headaxislength": 2}  # short heads, so that a short arrow has one too
    arrows = ax.quiver(*np.zeros((4, 3)), color=list(colors.values()), **shape, **style)
    cursor = bars_ax.axvspan(-0.5, 0.5, color="#eeeeee", zorder=0, **style)
    pull, carry = (bars_ax.vlines([], [], [], color=c, linewidth=2.6, **style) for c in (PULL, CARRY))
    caption = bars_ax.text(0.98, 0.98, "", transform=bars_ax.transAxes, ha="right", va="top", **style)

    def update(*, step: int, lr: float, beta: float, start: float) -> str:
        points = descend(surface.gradient, start, lr=lr, beta=beta, num_steps=num_steps)
        pulls = -lr * surface.gradient(points[:-1])
        carries = beta * np.concatenate([[0.0], np.diff(points)[:-1]])
        heights = surface.loss(points)
        trace.set_data(points[:step], heights[:step])
        marble.set_data(points[step : step + 1], heights[step : step + 1])
        parts = np.array([pulls[step], carries[step], pulls[step] + carries[step]])
        arrows.set_offsets(
            np.stack([np.full(3, points[step]), heights[step] + 0.09 * np.array([3, 2, 1])], 1)
        )
        tallest = max(abs(pulls).max(), abs(carries).max(), 1e-9)
        arrows.set_UVC(parts / tallest, np.zeros(3))
        moves = np.arange(1, num_steps + 1)
        for lines, values, side in ((pull, pulls, -0.2), (carry, carries, 0.2)):
            lines.set_segments(
                [[(m + side, 0), (m + side, v / tallest)] for m, v in zip(moves, values, strict=True)]
            )
        cursor.set_x(step + 0.5)
        winner = "the last move" if abs(parts[1]) > abs(parts[0]) else "the gradient"
        caption.set_text(f"move {step + 1}: {winner} is larger")
        return (
            f"Ball after {step} updates with η = {lr:g}, β = {beta:g} at w = {points[step]:.2f}. Its next move is "
            f"{parts[0]:+.3f} from the gradient and {parts[1]:+.3f} from the last move."
        )

    controls = {
        "step": Control("updates made", range(num_steps), 6),
        "lr": Control("learning rate η", _steps(0.01, 0.2, 0.01), 0.05),
        "beta": Control("momentum β", _steps(0, 0.99, 0.01), 0.9),
        "start": Control("start", _steps(-1.9, 1.9, 0.1), -1.6),
    }
    return fig, update, controls


def ends(rates, friction, deep):
    """Return `(fig, alt)` of two maps over `rates` η and `friction` 1 − β: `deep` {start: whether in the deep valley}."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), sharey=True)
    colors = ListedColormap(["#E9B384", "#8DBFDD"])
    for ax, ended in zip(axes, deep.values(), strict=True):
        ax.pcolormesh(rates, 1 / friction, ended, cmap=colors, vmin=0, vmax=1, rasterized=True)
        ax.set(xscale="log", yscale="log", xlabel="learning rate η")
        ax.set_xticks([0.003, 0.01, 0.03, 0.1, 0.2], ["0.003", "0.01", "0.03", "0.1", "0.2"])
        ax.set_yticks([1, 2, 5, 10, 20, 50, 100], ["0", "0.5", "0.8", "0.9", "0.95", "0.98", "0.99"])
        ax.minorticks_off()
        ax.grid(False)
    axes[0].set(title="start at −1.6, above the shallow valley", ylabel="momentum β")
    axes[1].set(title="start at 1.9, above the deep valley")
    axes[0].text(0.012, 3, "ends in the shallow valley", ha="center")
    axes[0].text(0.068, 13.5, "ends in\nthe deep one", ha="center", va="center")
    axes[1].text(0.012, 2.2, "ends in the deep valley", ha="center")
    leader = {"ha": "center", "arrowprops": {"arrowstyle": "-", "color": INK}}
    axes[1].annotate("thrown into\nthe shallow one", (0.05, 10), xytext=(0.012, 5), **leader)
    shares = [f"{ended.mean():.0%}" for ended in deep.values()]
    return fig, (
        "Two maps over learning rate and momentum, coloured by the valley in which the ball ends. From the shallow side "
        f"{shares[0]} of the map ends in the deep valley, at large β and η. From the deep side {shares[1]} stays; a band "
        "of about the same β and η is thrown into the shallow one. Towards β = 0.99 stripes of both alternate."
    )


def shelves(stops):
    """Return `(fig, alt)` of where balls stop: `stops` {width of the shelf: {β: last weight}}, two widths."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.3), sharey=True)
    for ax, (width, rest) in zip(axes, stops.items(), strict=True):
        surface = shelf(width)
        x = np.linspace(-2.1, width + 2.3, 400)
        ax.plot(x, surface.loss(x), color="#888888", linewidth=1.2)
        styles = (INK, 10), (BALL, 14), (GREEN, 7)  # two that end together are both seen
        fallen = [b for b, at in rest.items() if at > width]
        for (b, at), (color, markersize) in zip(rest.items(), styles, strict=True):
            height, below = surface.loss(at), -22 - 14 * fallen.index(b) if b in fallen else 12
            ax.plot(at, height + 0.08, "o", color=color, markersize=markersize)
            place = {"xytext": (0, below), "textcoords": "offset points"}
            ax.annotate(f"β = {b}", (at, height), color=color, ha="center", **place)
        ax.set(xlabel="weight w", title=f"a shelf {width:g} wide", ylim=(-2, 2.3))
    axes[0].set_ylabel("loss")
    told = [", ".join(f"β = {b} at {at:.2f}" for b, at in rest.items()) for rest in stops.values()]
    widths = list(stops)
    return fig, (
        "Two slopes with a flat shelf from 0 and a drop behind it; dots mark where the ball ends. "
        f"Shelf {widths[0]:g} wide: {told[0]}. Shelf {widths[1]:g} wide: {told[1]}."
    )


# ---- noise and saddles


def clouds(points, guess=None):
    """Return `(fig, alt)` of weights around their minimum under noise, `points` {setting: (updates, copies)}."""
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.1), sharey=True)
    for ax, (name, cloud) in zip(axes, points.items(), strict=True):
        ax.plot(cloud[:150, 0], color=BALL, linewidth=1)
        ax.axhspan(-cloud.std(), cloud.std(), color="#dddddd", zorder=0)
        ax.set(xlabel="update", title=name)
    axes[0].set_ylabel("distance from the minimum")
    axes[0].text(75, -1.2, "grey: ± one standard deviation", ha="center", color="#555555")
    said = mark_guess(axes[1], guess, low=0, high=1.6)
    widths = ", ".join(f"{name} {cloud.std():.2f}" for name, cloud in points.items())
    return (
        fig,
        f"Weight around its minimum for 150 updates under gradient noise. Standard deviations: {widths}."
        + said,
    )


def leaving(updates):
    """Return `(fig, alt)` of updates until a loss, `updates` {loss: {route: table with a line a seed, a column an η}}."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), sharey=True)
    styles = {
        "full batch, β = 0": (INK, "o", "-"),
        "full batch, β = 0.9": (BALL, "s", "-"),
        "B = 10, β = 0": ("#CC79A7", "^", ":"),
    }
    for ax, (level, routes) in zip(axes, updates.items(), strict=True):
        for name, (color, marker, line) in styles.items():
            table = routes[name].dropna(axis="columns")  # rates at which every seed gets there
            plot_band(ax, table.columns, table, color=color, marker=marker, linestyle=line, label=name)
        ax.set(xscale="log", yscale="log", xlabel="learning rate η", title=f"until the loss is below {level}")
        ax.set_xticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
        ax.set_yticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"])
        ax.minorticks_off()
    axes[0].set_ylabel("updates (mean of 5 seeds)")
    axes[0].legend(loc="upper right")
    told = [
        f"{level}: "
        + "; ".join(f"{name}: {routes[name].dropna(axis='columns').mean().min():.0f}" for name in styles)
        for level, routes in updates.items()
    ]
    return fig, (
        "Updates from nearly zero weights against the learning rate, with bands of 95 % intervals. At one learning rate the "
        "curve with momentum lies below; at a tenth of it, above. Fewest updates until the loss is below "
        + ". Below ".join(told)
        + "."
    )
