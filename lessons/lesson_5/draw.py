"""Figures and explorers of lesson 5: momentum in a ravine, and the ball on a landscape."""

import matplotlib.pyplot as plt
import numpy as np

from course_utils.descent import Surface, descend, growth_factors, ravine, regime


def momentum(num_steps: int = 150):
    """Return `(fig, update)` that shows momentum in a ravine: path, loss curve and eigenvalues move together.

    `update(lr=…, beta=…, kappa=…, angle=…)` redraws: the ravine (x²/κ + y²)/2, and a start at distance 1 from its
    minimum, `angle` degrees out of the flat direction. The circle holds the factors by which the two directions grow
    per update; everything inside it shrinks.
    """
    fig, (map_ax, loss_ax, circle_ax) = plt.subplots(1, 3, figsize=(9.6, 4.3), width_ratios=(1.1, 1, 0.95))
    turn = np.linspace(0, 2 * np.pi, 200)
    steep_color, flat_color = "#D55E00", "#0072B2"
    map_ax.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), xlabel="flat direction x", ylabel="steep direction y")
    map_ax.set_title("path")
    map_ax.grid(False)
    loss_ax.set(yscale="log", xlim=(0, num_steps), ylim=(1e-9, 30), xlabel="updates", ylabel="loss")
    loss_ax.set_title("loss")
    circle_ax.set(xlim=(-1.3, 1.3), ylim=(-1.75, 2.15), aspect="equal", title="growth factors")
    circle_ax.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlabel="real part", ylabel="imaginary part")
    circle_ax.plot(np.cos(turn), np.sin(turn), color="#888888", linewidth=1)
    circle_ax.text(0, -1.25, "outside the circle: grows\ndotted: radius √β", ha="center", va="top")
    map_ax.plot(0, 0, marker="x", color="#222222", markersize=8, markeredgewidth=2)
    style = {"animated": True}
    (contours,) = map_ax.plot([], [], color="#c4c4c4", linewidth=0.8, zorder=1, **style)
    (path,) = map_ax.plot([], [], color="#222222", linewidth=0.9, marker="o", markersize=3, **style)
    (start,) = map_ax.plot([], [], "o", color="#222222", markerfacecolor="white", markersize=8, **style)
    (predicted,) = loss_ax.plot([], [], color="#888888", linestyle="--", linewidth=1.2, **style)
    (curve,) = loss_ax.plot([], [], color="#222222", linewidth=1.5, **style)
    (ring,) = circle_ax.plot([], [], color="#888888", linestyle=":", linewidth=1.2, **style)
    dots = [
        circle_ax.plot([], [], marker, color=color, markersize=8, markeredgecolor="white", **style)[0]
        for marker, color in (("s", flat_color), ("o", steep_color))
    ]
    corner = {
        "transform": loss_ax.transAxes,
        "ha": "right",
        "va": "top",
        "linespacing": 1.4,
        "animated": True,
    }
    rate_text = loss_ax.text(0.98, 0.98, "", **corner)
    names = [
        circle_ax.text(-1.2, y, "", color=color, **style)
        for y, color in ((1.75, flat_color), (1.4, steep_color))
    ]

    def update(*, lr: float, beta: float, kappa: float, angle: float) -> str:
        surface = ravine(kappa)
        phi = np.deg2rad(angle)
        points = descend(surface.gradient, [-np.cos(phi), np.sin(phi)], lr=lr, beta=beta, num_steps=num_steps)
        with np.errstate(over="ignore", invalid="ignore"):
            losses = surface.loss(points)
        inside = np.all(abs(points) <= 1.15, axis=1)
        shown = points[: num_steps + 1 if inside.all() else inside.argmin() + 1]
        size = np.sqrt(2 * np.geomspace(2e-4, 1.2, 11))[:, None]  # half-axes of the curves of equal loss
        gap = np.full((len(size), 1), np.nan)
        contours.set_data(
            np.hstack([size * np.sqrt(kappa) * np.cos(turn), gap]).ravel(),
            np.hstack([size * np.sin(turn), gap]).ravel(),
        )
        path.set_data(shown[:, 0], shown[:, 1])
        start.set_data(shown[:1, 0], shown[:1, 1])
        steps = np.arange(num_steps + 1)
        curve.set_data(steps, np.clip(np.nan_to_num(losses, nan=1e9), 1e-30, 1e9))
        factors = growth_factors(lr, beta, np.array([1 / kappa, 1.0]))
        rate = abs(factors).max()
        predicted.set_data(steps, np.clip(losses[0] * rate ** (2.0 * steps), 1e-30, 1e9))
        ring.set_data(np.sqrt(beta) * np.cos(turn), np.sqrt(beta) * np.sin(turn))
        states = [regime(lr, beta, curvature) for curvature in (1 / kappa, 1.0)]
        for dot, name, pair, word, state in zip(dots, names, factors, ("flat", "steep"), states, strict=True):
            dot.set_data(np.clip(pair.real, -1.3, 1.3), pair.imag)
            name.set_text(f"{word}: {state}")
        rate_text.set_text(
            f"largest factor {rate:.3f}\n(dashed: its slope)" + ("" if inside.all() else "\nleaves the map")
        )
        return (
            f"Ravine of condition number {kappa:g}, η = {lr:g}, β = {beta:g}: flat direction {states[0]}, steep "
            f"direction {states[1]}; the largest growth factor is {rate:.3f} per update, and after {num_steps} "
            f"updates the loss has gone from {losses[0]:.2g} to {losses[-1]:.1g}."
        )

    return fig, update


def ball(surface: Surface, *, xlim, ylim, num_steps: int = 40):
    """Return `(fig, update)` that rolls a ball over a one-weight `surface`, with the two parts of each move.

    `update(step=…, lr=…, beta=…, start=…)` redraws: the ball after `step` updates with arrows for the parts of its
    next move, and beside it the two parts of all `num_steps` moves as bars.
    """
    fig, (ax, bars_ax) = plt.subplots(1, 2, figsize=(9.6, 4.2), width_ratios=(1.25, 1))
    colors = {"−η · gradient": "#D55E00", "β · last move": "#0072B2", "their sum: the move": "#222222"}
    x = np.linspace(*xlim, 400)
    ax.plot(x, surface.loss(x), color="#888888", linewidth=1.5)
    ax.set(
        xlim=xlim, ylim=ylim, xlabel="weight w", ylabel="loss", title="where the ball is (arrows enlarged)"
    )
    for row, (name, color) in enumerate(colors.items()):
        ax.text(0.5, 0.97 - 0.07 * row, name, color=color, transform=ax.transAxes, ha="center", va="top")
    bars_ax.axhline(0, color="#888888", linewidth=0.8)
    bars_ax.set(
        xlim=(0.3, num_steps + 0.7),
        xlabel="move number",
        ylabel="part of the move ÷ the largest part",
        ylim=(-1.1, 1.3),
    )
    bars_ax.set_title("which part wins")
    style = {"animated": True}
    (trace,) = ax.plot([], [], "o", color="#b0b0b0", markersize=4, **style)
    (ball,) = ax.plot([], [], "o", color="#222222", markersize=11, **style)
    arrows = ax.quiver(
        np.zeros(3),
        np.zeros(3),
        np.zeros(3),
        np.zeros(3),
        color=list(colors.values()),
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.009,
        animated=True,
    )
    cursor = bars_ax.axvspan(-0.5, 0.5, color="#eeeeee", zorder=0, **style)
    pull, carry = (
        bars_ax.vlines([], [], [], color=color, linewidth=2.6, **style) for color in list(colors.values())[:2]
    )
    caption = bars_ax.text(0.98, 0.98, "", transform=bars_ax.transAxes, ha="right", va="top", **style)
    lift = 0.045 * (ylim[1] - ylim[0])

    def update(*, step: int, lr: float, beta: float, start: float) -> str:
        points = descend(surface.gradient, start, lr=lr, beta=beta, num_steps=num_steps)
        pulls = -lr * surface.gradient(points[:-1])
        carries = beta * np.concatenate([[0.0], np.diff(points)[:-1]])
        heights = surface.loss(points)
        trace.set_data(points[:step], heights[:step])
        ball.set_data(points[step : step + 1], heights[step : step + 1])
        parts = np.array([pulls[step], carries[step], pulls[step] + carries[step]])
        arrows.set_offsets(
            np.stack([np.full(3, points[step]), heights[step] + lift * np.array([3, 2, 1])], 1)
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

    return fig, update
