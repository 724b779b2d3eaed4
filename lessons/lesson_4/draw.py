"""Figures and explorers of lesson 4 and its deeper pages."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullLocator

from course_utils.explore import Control
from course_utils.plotting import batch_axis, batch_color, mark_guess, plot_band
from course_utils.results import interval

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
MARKERS = {
    16: "o",
    64: "s",
    400: "D",
    4000: "^",
}  # of a batch size, so that colour is never the only difference


def _ticks(ax, axis: str, values, labels=None) -> None:
    """Put ticks at `values` of a logarithmic axis and nowhere else."""
    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_ticks(list(values), labels or [f"{value:g}" for value in values])
    line.set_minor_locator(NullLocator())


def _log_ticks(ax) -> None:
    """Put ticks at 1, 2, 5, 10, … of a logarithmic x axis, at powers of ten where it spans more than two of them."""
    low, high = ax.get_xlim()
    steps = (1, 2, 5) if high / low < 100 else (1,)
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))))
    _ticks(ax, "x", [x for e in exponents for m in steps if low <= (x := m * 10.0**e) <= high])


# ---- the lesson


def canyon_and_basin(*, curvatures, shift: float):
    """Draw two parabolas of these curvatures (2,), each with a copy moved to the right by `shift`."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.5), sharey=True)
    w = np.linspace(-1.6, 1.6, 400)
    for ax, name, curvature in zip(axes, ("basin", "canyon"), curvatures, strict=True):
        ax.plot(w, curvature * w**2 / 2, color=BLUE, label="training loss")
        moved = curvature * (w - shift) ** 2 / 2
        ax.plot(w, moved, color=ORANGE, linestyle="--", label="loss on new examples?")
        rise = curvature * shift**2 / 2
        ax.plot([0, 0], [0, rise], color="#222222", linewidth=2.4)
        ax.plot(0, 0, "o", color=BLUE, markersize=6)
        ax.plot(0, rise, "s", color=ORANGE, markersize=5)
        ax.set(title=f"a {name}", xlabel="weight w", ylim=(-0.12, 2.6), yticks=[])
    axes[0].set_ylabel("loss")
    axes[0].legend(loc="upper center")
    return fig, (
        "Two parabolas of equal depth, a wide one called basin and a narrow one called canyon, each with a dashed copy "
        "moved a little to the right. Over the lowest point of the solid curve the dashed one has hardly risen in the "
        "basin, and far in the canyon."
    )


def samples(fitted: dict, costs: dict):
    """Draw, for each name, the parabola of its curvature and the minima of training sets on it.

    `fitted` maps a name to (curvature, minima (sets,)), `costs` to the mean of ½λw² over the minima.
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.5), sharex=True, sharey=True)
    w = np.linspace(-1, 1, 400)
    for ax, (name, (curvature, minima)) in zip(axes, fitted.items(), strict=True):
        ax.plot(w, curvature * w**2 / 2, color="#999999")
        shown = minima[:300]
        ax.plot(shown, curvature * shown**2 / 2, "o", color=BLUE, markersize=4, alpha=0.35)
        ax.axhline(costs[name], color=ORANGE, linestyle="--")
        said = f"mean cost {costs[name]:.4f}"
        ax.text(0.98, -0.008, said, color="#A84300", ha="right", va="top")  # below, where no curve is
        ax.set(
            xlim=(-1, 1), ylim=(-0.04, 0.25), xlabel="weight w (best: 0)", title=f"{name}: λ = {curvature}"
        )
    axes[0].set_ylabel("cost on all examples, ½λw²")
    spread = {name: minima.std() for name, (_, minima) in fitted.items()}
    return fig, " ".join(
        f"{name.capitalize()} of curvature {fitted[name][0]}: the minima of 2,000 training sets spread around 0 by "
        f"{spread[name]:.3f} and cost {costs[name]:.4f} on average."
        for name in fitted
    )


def walkers(loss, batch_sizes, outside: dict, *, guess=None):
    """Draw the wells `loss(w)` and, for each learning rate, the share (sizes,) of walkers outside the canyon."""
    fig, (ax, share_ax) = plt.subplots(1, 2, figsize=(9.6, 3.7))
    w = np.linspace(-1.5, 3, 500)
    ax.plot(w, loss(w), color="#222222")
    for x, text in ((-1.0, "canyon\nλ = 50"), (1.0, "basin\nλ = 2")):
        ax.text(x, -0.35, text, ha="center", va="top")
    ax.set(ylim=(-1.4, 5), xlabel="weight w", ylabel="loss", title="Two wells of equal depth")
    ax.set_yticks(range(6))
    for (rate, shares), color, marker in zip(outside.items(), (BLUE, ORANGE, GREEN), "osD", strict=True):
        share_ax.plot(batch_sizes, shares, color=color, marker=marker, label=f"η = {rate}")
    batch_axis(share_ax, batch_sizes)
    share_ax.legend(loc="upper center", ncols=3, handlelength=1.4, columnspacing=1.2)
    share_ax.set(
        ylabel="share of the walkers", ylim=(-0.03, 1.24), title="Outside the canyon after 2,000 updates"
    )
    said = mark_guess(share_ax, guess, low=1, high=256, axis="x")
    borders = {
        rate: max(b for b, s in zip(batch_sizes, shares, strict=True) if s > 0.5)
        for rate, shares in outside.items()
    }
    return fig, (
        "Left: two wells of equal depth, a narrow and a wide one. Right: the share of walkers outside the narrow one "
        "against batch size, falling from nearly one to zero; more than half are out up to "
        + ", ".join(f"B = {size} at η = {rate}" for rate, size in borders.items())
        + "."
        + said
    )


def equal_loss(curvature):
    """Draw λ_max against the training loss at η = 1/4, and at a loss of 0.05 against η/B, with 95 % intervals.

    `curvature` is `by_seed(rows, "largest_eigenvalue", "level", "lr", "batch_size")`; where a run is missing, so is
    the point.
    """
    fig, (loss_ax, noise_ax) = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True)
    levels, rates = (sorted(set(curvature.columns.get_level_values(i)), reverse=True) for i in (0, 1))
    for size, marker in MARKERS.items():
        look = {"color": batch_color(size), "marker": marker}
        runs = {level: curvature[level, 1 / 4, size] for level in levels}
        _band(loss_ax, runs, label=f"B = {size:,}", **look)
        _band(noise_ax, {rate / size: curvature[0.05, rate, size] for rate in rates}, **look)
    loss_ax.set(xscale="log", yscale="log", xlabel="training loss (nats)", ylabel="λ_max")
    loss_ax.invert_xaxis()
    _ticks(loss_ax, "x", levels)
    _ticks(loss_ax, "y", (0.5, 1, 2, 5))
    loss_ax.set_title("at η = 1/4, as training goes on →")
    loss_ax.legend(loc="lower left")
    noise_ax.set(xscale="log", xlabel="η/B (per example)", title="at a loss of 0.05, against η/B")
    noise_ax.annotate(
        "full batch, η = 1/2",
        (1 / 8000, curvature[0.05, 1 / 2, 4000].mean()),
        xytext=(1.7e-5, 1.0),
        arrowprops={"arrowstyle": "-", "color": "#777777"},
    )
    noise_ax.xaxis.set_minor_locator(NullLocator())
    ends = [curvature[0.05, 1 / 4, size].mean() for size in (16, 4000)]
    return fig, (
        "Recorded λ_max, five seeds. Left, against the training loss at η = 1/4: it falls for every batch size and is "
        f"higher for larger ones; at 0.05 it is {ends[0]:.2f} for B = 16 and {ends[1]:.2f} for the full batch. Right, at "
        "a loss of 0.05 against η/B: those of B = 16 and 64 fall side by side, the full batch lies level until η = 1/2."
    )


def _band(ax, runs: dict, **look) -> None:
    """Draw the band over seeds of `runs`, x → values (seeds,), leaving out what isn't there for all seeds."""
    whole = {x: values for x, values in runs.items() if values.notna().all()}
    plot_band(ax, list(whole), np.transpose(list(whole.values())), **look)


def rescaling(factors, alphas, cuts, measures: dict, answers):
    """Return the explorer of one network rescaled by a: its loss, its measures, and what it says of one digit.

    `cuts` (factors, points) are losses along one direction at `alphas` (points,), `measures` maps up to three names to
    values (factors,), `answers` (factors, classes) are probabilities; `factors` (factors,) holds 1.
    """
    factors, cuts, answers = (np.asarray(x, dtype=float) for x in (factors, cuts, np.stack(list(answers))))
    one = int(abs(factors - 1).argmin())
    fig, (cut_ax, measure_ax, answer_ax) = plt.subplots(1, 3, figsize=(9.6, 3.7))
    cut, caption = _cut_panel(cut_ax, alphas, cuts, one)
    cursor, numbers = _measure_panel(measure_ax, factors, measures, one)
    bars, answer = _answer_panel(answer_ax, answers[one])

    def update(*, a: float) -> str:
        i = int(abs(factors - a).argmin())
        cut.set_data(alphas, cuts[i])
        caption.set_text(f"a = {factors[i]:g} (dashed: a = 1)")
        cursor.set_xdata([factors[i]] * 2)
        for bar, height in zip(bars, 100 * answers[i], strict=True):
            bar.set_height(height)
        said = [f"{name} {values[i]:.3g}" for name, values in measures.items()]
        for text, words in zip(numbers, said, strict=True):
            text.set_text(words)
        change = 100 * abs(answers[i] - answers[one]).max()
        answer.set_text(f"largest change {change:.2f} points")
        return (
            f"Network with its first layer times {factors[i]:g} and its last layer divided by it: {', '.join(said)}; "
            f"the predicted probabilities change by {change:.2f} points at most."
        )

    return fig, update, {"a": Control("factor a", factors.tolist(), factors.tolist()[-2])}


def _cut_panel(ax, alphas, cuts, one: int):
    ax.plot(alphas, cuts[one], color="#999999", linestyle="--", linewidth=1.2)
    ax.set(yscale="log", ylim=(cuts.min() / 1.4, 3 * cuts.max()), title="loss")
    ax.set(xlabel="position α along one direction", ylabel="loss (nats)")
    (cut,) = ax.plot([], [], color="#222222", animated=True)
    place = {"transform": ax.transAxes, "ha": "center", "va": "top", "animated": True}
    return cut, ax.text(0.5, 0.97, "", **place)


def _measure_panel(ax, factors, measures: dict, one: int):
    relative = [np.asarray(values, dtype=float) / values[one] for values in measures.values()]
    looks = zip(relative, (ORANGE, BLUE, GREEN), ("-", "--", ":"), "osD", strict=False)
    for values, color, style, marker in looks:
        ax.plot(factors, values, color=color, linestyle=style, marker=marker, markersize=4)
    ax.set(xscale="log", yscale="log", xlabel="factor a", ylabel="measure ÷ its value at a = 1")
    ax.set(title="three measures", ylim=(np.min(relative) / 2, 30 * np.max(relative)))  # room for the numbers
    _ticks(ax, "x", factors)
    place = {"transform": ax.transAxes, "va": "top", "animated": True}
    colors = ("#A84300", BLUE, "#00694C")
    numbers = [
        ax.text(0.03, 0.98 - 0.105 * row, "", color=colors[row], **place) for row in range(len(measures))
    ]
    return ax.axvline(1, ymax=0.72, color="#222222", linewidth=1.2, animated=True), numbers


def _answer_panel(ax, probabilities):
    classes = np.arange(len(probabilities))
    ax.set(ylim=(0, 119), xlabel="class", ylabel="predicted probability (%)", title="prediction")
    ax.set_xticks(classes)
    ax.grid(False)
    place = {"transform": ax.transAxes, "ha": "center", "va": "top", "animated": True}
    return ax.bar(classes, 100 * probabilities, color="#56B4E9", animated=True), ax.text(
        0.5, 0.97, "", **place
    )


def flat_and_good(rows, orders: dict):
    """Draw accuracy on unseen digits against each measure, one point a setting, with intervals over the seeds.

    `rows` has the columns batch_size, lr, unseen and those that `orders` names: column → (label, (rank correlation,
    low, high)).
    """
    fig, axes = plt.subplots(1, len(orders), figsize=(9.6, 3.9), sharey=True)
    for ax, (column, (label, order)) in zip(axes, orders.items(), strict=True):
        for (size, _), runs in rows.groupby(["batch_size", "lr"]):
            mean, half, _ = interval(100 * runs["unseen"])
            look = {"color": batch_color(size), "fmt": MARKERS[size], "markersize": 7, "elinewidth": 0.7}
            ax.errorbar(runs[column].mean(), mean, half, **look)
        ax.set(xscale="log", xlabel=label)
        _log_ticks(ax)
        ax.set_title("rank correlation\n{:.2f} ({:.2f} to {:.2f})".format(*order).replace("-", "−"))
    for size, marker in MARKERS.items():
        axes[-1].plot([], [], marker, color=batch_color(size), label=f"B = {size:,}")
    axes[-1].legend(loc="upper left")
    axes[0].set_ylabel("accuracy on unseen digits (%)")
    return fig, "Accuracy on unseen digits of 16 settings at one training loss, five seeds each. " + " ".join(
        "Against {}: rank correlation {:.2f}, 95 % interval {:.2f} to {:.2f}.".format(label, *order)
        for label, order in orders.values()
    )


# ---- 4a: measuring curvature


def differences(epsilons, found: dict, exact: dict, *, guess=None):
    """Draw the largest curvature by differences of gradients against their step, for two networks, and the exact one."""
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    for (name, values), color, marker in zip(found.items(), (ORANGE, BLUE), "os", strict=True):
        ax.plot(epsilons, values, marker=marker, color=color, label=f"{name}, by differences")
        ax.axhline(exact[name], color=color, linestyle="--", linewidth=1.2, label=f"{name}, exact")
    highest = max(map(max, found.values()))
    ax.set(xscale="log", yscale="log", xlabel="step ε", ylabel="largest curvature found")
    ax.set(title="A smaller step is not a better one", ylim=(min(exact.values()) / 2, 2 * highest))
    _ticks(ax, "x", epsilons, ["0.1", "0.01", "0.001", "0.0001", "0.00001"])
    _ticks(
        ax,
        "y",
        [y for y in (1, 2, 5, 10, 20, 50, 100, 200, 500) if min(exact.values()) / 2 <= y <= 2 * highest],
    )
    ax.invert_xaxis()
    ax.legend(loc="upper left")
    said = mark_guess(ax, guess, low=0.1, high=10_000)
    return fig, (
        "Largest curvature found by differences of gradients, steps from 0.1 down to 0.00001. "
        + " ".join(
            f"{name}: exact {exact[name]:.2f}; found {', '.join(f'{x:.2f}' for x in values)}."
            for name, values in found.items()
        )
        + said
    )


def radius(radii, rises: dict, eigenvalues: dict):
    """Draw how many times as sharp the full batch is as B = 16, against the radius ρ, with 95 % intervals.

    `rises` maps "one_step" and "rise" to (ratio, low, high) for each radius, `eigenvalues` the two columns of
    eigenvalues to one such triple each.
    """
    fig, ax = plt.subplots(figsize=(6.4, 4.2))
    looks = {"one_step": ("one step uphill", ORANGE, "s--"), "rise": ("the worst of 30 steps", BLUE, "o-")}
    for kind, (label, color, form) in looks.items():
        mean, low, high = np.transpose(rises[kind])
        ax.errorbar(radii, mean, (mean - low, high - mean), color=color, fmt=form, capsize=3, label=label)
    for column, label in (("largest_eigenvalue", "λ_max"), ("scaled_eigenvalue", "λ_max of D·H·D")):
        ax.axhline(eigenvalues[column][0], color=GREEN, linewidth=1.2, linestyle=":")
        ax.text(radii[0], 1.06 * eigenvalues[column][0], label, color="#00694C")
    ax.axhline(1, color="#222222", linewidth=1)
    ax.set(xscale="log", yscale="log", xlabel="radius ρ", ylabel="full batch over B = 16")
    _ticks(ax, "x", radii)
    ax.set_ylim(0.06, 6)
    _ticks(ax, "y", (0.1, 0.2, 0.5, 1, 2, 5))
    ax.set_title("Which batch is sharper? The radius decides")
    ax.legend(loc="lower left")
    return (
        fig,
        "Sharpness of the full batch over that of B = 16, five seeds, against the radius. "
        + " ".join(
            f"{label[0].upper()}{label[1:]}: "
            + ", ".join(
                f"{mean:.2f} at ρ = {rho:g}" for rho, (mean, _, _) in zip(radii, rises[kind], strict=True)
            )
            + "."
            for kind, (label, _, _) in looks.items()
        ),
    )


def cuts(alphas, raw: dict, normalised: dict):
    """Draw the mean loss over random directions of three networks, plain directions left, filter-normalised right."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.8), sharey=True)
    looks = [(batch_color(16), "-", 1.8), (ORANGE, (0, (4, 3)), 3.0), (batch_color(4000), "-.", 1.8)]
    for ax, curves, title in zip(
        axes, (raw, normalised), ("random directions", "filter-normalised"), strict=True
    ):
        for (name, runs), (color, style, width) in zip(curves.items(), looks, strict=True):
            ax.plot(alphas, runs.mean(0), color=color, linestyle=style, linewidth=width, label=name)
        ax.set(yscale="log", xlabel="position α along the direction", title=title)
    axes[0].set(ylabel="training loss (nats)")
    axes[0].legend(loc="upper center", ncols=2)
    axes[0].set_ylim(top=3 * max(runs.mean(0).max() for runs in raw.values()))
    apart = [
        abs(np.log(curves["B = 16, rescaled"].mean(0) / curves["B = 16"].mean(0))).max()
        for curves in (raw, normalised)
    ]
    return fig, (
        "Mean training loss over three random directions. Plain directions: a network and its rescaled twin differ by up "
        f"to a factor of {np.exp(apart[0]):.1f}. Filter-normalised: by {np.exp(apart[1]):.2f}; the full batch is steeper."
    )


# ---- 4b: Keskar's experiment repeated


def line(alphas, lines: dict, *, ends: tuple[str, str]):
    """Return the explorer of loss and accuracy along a line through two networks.

    `lines` maps names, two at most, to what `curvature.loss_along` gives for `alphas` (points,); `ends` names the
    networks at α = 0 and α = 1.
    """
    alphas = np.round(np.asarray(alphas, dtype=float), 6)
    fig, (loss_ax, accuracy_ax) = plt.subplots(1, 2, figsize=(9.6, 3.9))
    losses, accuracies = (
        np.array([getattr(line, kind) for line in lines.values()]) for kind in ("loss", "accuracy")
    )
    errors = 100 * (1 - accuracies.min())
    loss_ax.set(yscale="log", ylabel="loss (nats)", ylim=(losses.min() / 1.4, 3 * losses.max()))
    accuracy_ax.set(ylim=(100 - 1.6 * errors, 100 + 0.06 * errors), ylabel="accuracy (%)")
    # What is said stands where the curves are not: over the loss, under the accuracy.
    moving = _line_panel(loss_ax, alphas, dict(zip(lines, losses, strict=True)), ends, 0.99, "{} {:.3f}")
    moving += _line_panel(
        accuracy_ax, alphas, dict(zip(lines, 100 * accuracies, strict=True)), ends, 0.01, "{} {:.1f} %"
    )

    def update(*, alpha: float) -> str:
        i = int(abs(alphas - alpha).argmin())
        for cursor, dot, text, name, curve, form in moving:
            cursor.set_xdata([alphas[i]] * 2)
            dot.set_data([alphas[i]], [curve[i]])
            text.set_text(form.format(name, curve[i]))
        seen = "; ".join(
            f"{name} loss {line.loss[i]:.3f}, accuracy {line.accuracy[i]:.1%}" for name, line in lines.items()
        )
        return f"Line from {ends[0]} (α = 0) to {ends[1]} (α = 1), at α = {alphas[i]:.1f}: {seen}."

    return fig, update, {"alpha": Control("position α", alphas.tolist(), 0.0)}


def _line_panel(ax, alphas, curves: dict, ends, edge: float, form: str) -> list[tuple]:
    """Draw the curves and return what moves along them."""
    sign = -1 if edge > 0.5 else 1
    ax.set(xlim=(alphas[0], alphas[-1]), xlabel="position α on the line")
    place = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "center", "color": GREY}
    for x, name in enumerate(ends):
        ax.axvline(x, color="#bbbbbb", linewidth=1, zorder=0)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        ax.text(x, edge + sign * 0.23, name, bbox=box, **place)
    cursor = ax.axvline(0, color="#222222", linewidth=1.4, animated=True)
    moving = []
    for row, (name, curve) in enumerate(curves.items()):
        style = {"color": (BLUE, ORANGE)[row], "linestyle": ("-", "--")[row]}
        ax.plot(alphas, curve, **style)
        (dot,) = ax.plot([], [], "o", markersize=8, animated=True, **style)
        height = edge + sign * (0.03 + 0.08 * (row if sign < 0 else len(curves) - 1 - row))
        at = {"transform": ax.transAxes, "va": "center", "color": (BLUE, "#A84300")[row]}
        moving.append((cursor, dot, ax.text(0.02, height, "", animated=True, **at), name, curve, form))
    return moving


def paid(cost, curvature):
    """Draw what networks pay on unseen digits against their λ_max, and what they would if it went by curvature.

    `cost` (nats) and `curvature` are tables with a line for each training set and columns (η, batch size).
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), sharey=True)
    said = []
    for ax, rate in zip(axes, (1 / 4, 1 / 2), strict=True):
        x, y = curvature[rate], cost[rate]
        for size in (16, 4000):
            ax.plot(
                x[size], y[size], MARKERS[size], color=batch_color(size), label=f"B = {size:,}", markersize=7
            )
        ends = np.array([x[16].mean(), x[4000].mean()])
        ax.plot(
            ends, y[16].mean() * ends / ends[0], color=GREY, linestyle="--", label="in proportion to λ_max"
        )
        ax.set(xlabel="λ_max", title=f"η = 1/{1 / rate:g}", xlim=(0, None), ylim=(0, 1.1))
        said.append(
            f"η = 1/{1 / rate:g}: λ_max from {ends[0]:.2f} to {ends[1]:.2f}, cost from {y[16].mean():.3f} to "
            f"{y[4000].mean():.3f}."
        )
    axes[0].set_ylabel("loss on unseen digits\nminus training loss (nats)")
    axes[0].legend(loc="upper left")
    return (
        fig,
        "Cost on unseen digits against λ_max, six training sets, B = 16 and the full batch. "
        + " ".join(said),
    )


def leads(leads: dict):
    """Draw by how many points the smaller batch is ahead, with 95 % intervals, (data, loss, setting) → Interval."""
    looks = {"4,000 digits": (BLUE, "o"), "six sets": (GREEN, "s"), "all of MNIST": (ORANGE, "D")}
    rows = {name: sorted((key for key in leads if key[0] == name), key=lambda k: -k[1]) for name in looks}
    fig, axes = plt.subplots(1, 3, figsize=(9.6, 0.32 * max(map(len, rows.values())) + 1.1), sharex=True)
    said = []
    for ax, (name, keys) in zip(axes, rows.items(), strict=True):
        color, marker = looks[name]
        for row, key in enumerate(keys):
            lead = leads[key]
            ax.errorbar(lead.mean, row, xerr=lead.half_width, color=color, fmt=marker, ms=5, capsize=2)
            said.append(f"{name}, loss {key[1]}, {key[2]}: {lead.mean:+.2f} ± {lead.half_width:.2f}.")
        ax.set_yticks(
            range(len(keys)),
            [f"{loss}: {setting}".replace(", ", "\n").replace(" of each", "") for _, loss, setting in keys],
        )
        ax.set(title=name, ylim=(len(keys) - 0.5, -0.5), xlabel="points ahead")
        ax.axvline(0, color="#222222", linewidth=1)
    axes[0].set_ylabel("training loss: setting")
    return fig, "Lead of the smaller batch in points, at equal training loss. " + " ".join(said)


# ---- 4c: where training stays


def surfaces(functions: dict, spectra: dict):
    """Draw each function of two weights (2, ...) in contours around (0, 0): blue and dashed below it, yellow above it."""
    fig, axes = plt.subplots(1, len(functions), figsize=(9.6, 3.1), sharey=True)
    w = np.stack(np.meshgrid(*[np.linspace(-1, 1, 121)] * 2))
    for ax, (name, f) in zip(axes, functions.items(), strict=True):
        height = f(w) - f(np.zeros(2))
        size = abs(height).max()
        levels = np.concatenate([-np.geomspace(size, size / 300, 7), np.geomspace(size / 300, size, 7)])
        ax.contourf(*w, height, levels=levels, cmap="cividis", norm="asinh", alpha=0.75, extend="both")
        ax.contour(*w, height, levels=levels, colors="#333333", linewidths=0.6)
        ax.plot(0, 0, "o", color=ORANGE, markersize=6)
        ax.set(title=name, xlabel="w₁", aspect="equal", xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        ax.grid(False)
    axes[0].set_ylabel("w₂")
    return (
        fig,
        "Contours of four surfaces around a critical point at (0, 0), dashed where lower than it. "
        + " ".join(f"{name}: eigenvalues {low:g} and {high:g}." for name, (low, high) in spectra.items()),
    )


def edge(edges: dict, *, every: int):
    """Draw λ_max against updates for each learning rate, with its border 2/η."""
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    for (rate, tops), color, marker in zip(edges.items(), (BLUE, ORANGE, GREEN), "osD", strict=True):
        ax.plot(every * np.arange(len(tops)), tops, color=color, marker=marker, markersize=3)
        ax.axhline(2 / rate, color=color, linestyle="--", linewidth=1.2)
        ax.text(every * (len(tops) - 1) + 6, 2 / rate, f"2/η for η = {rate}", color=color, va="center")
    ax.set(xlim=(0, every * (len(tops) - 1)), ylim=(0, 45), xlabel="updates", ylabel="λ_max")
    ax.set_title("Full batch, no noise: up to the border")
    return fig, "λ_max against updates of full-batch training. " + " ".join(
        f"η = {rate}: {tops[-4:].mean() * rate / 2:.2f} times 2/η at the end." for rate, tops in edges.items()
    )


def border(shares: dict):
    """Draw curvature as a share of 2/η: left λ_max against updates, right both measures against B, five seeds.

    `shares` maps "λ_max" and "batch sharpness" to tables with a line for each seed and columns (B, updates).
    """
    fig, (way_ax, size_ax) = plt.subplots(1, 2, figsize=(9.6, 4.0), sharey=True)
    top = shares["λ_max"]
    sizes = list(top.columns.levels[0])
    for size, marker in zip(sizes, "ov^sD", strict=True):
        runs = top[size]
        plot_band(
            way_ax, runs.columns, runs, color=batch_color(size), marker=marker, ms=4, label=f"B = {size}"
        )
    way_ax.set(xlabel="updates", ylabel="curvature as a share of 2/η", title="λ_max, along the way")
    way_ax.legend(ncols=2, loc="upper right")
    said = []
    for (name, table), color, form in zip(shares.items(), (BLUE, ORANGE), ("o-", "s--"), strict=True):
        late = [interval(table[size].loc[:, 3000:].mean(axis=1)) for size in sizes]
        means, halves = [x.mean for x in late], [x.half_width for x in late]
        size_ax.errorbar(sizes, means, halves, fmt=form, color=color, ms=6, capsize=3, label=name)
        told = ", ".join(f"{x.mean:.2f} at B = {size}" for size, x in zip(sizes, late, strict=True))
        said.append(f"{name}: {told}.")
    batch_axis(size_ax, sizes)
    size_ax.set(title="3,000 to 4,000 updates", ylim=(0, None))
    size_ax.legend(loc="lower right")
    for ax in (way_ax, size_ax):
        ax.axhline(1, color="#222222", linewidth=1.2, linestyle=":")
    return fig, "Curvature as a share of 2/η, from 3,000 to 4,000 updates. " + " ".join(said)


def change(ends):
    """Draw λ_max at a loss of 0.05 for each order of two batch sizes; `ends` has columns (η, first, second batch)."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.7), sharey=True)
    orders = {
        (4000, 4000): "full,\nthen full",
        (4000, 16): "full,\nthen 16",
        (16, 4000): "16,\nthen full",
        (16, 16): "16,\nthen 16",
    }
    said = []
    for ax, rate in zip(axes, (1 / 4, 1 / 2), strict=True):
        for place, order in enumerate(orders):
            values = ends[(rate, *order)]
            ax.plot(
                np.full(len(values), place), values, "o", color=batch_color(order[1]), markersize=6, alpha=0.7
            )
            said.append(f"η = 1/{1 / rate:g}, B = {order[0]:,} then {order[1]:,}: {values.mean():.2f}.")
        ax.set(yscale="log", title=f"η = 1/{1 / rate:g}", xlabel="batch size to a loss of 0.1, then to 0.05")
        ax.set_xticks(range(4), list(orders.values()))
        ax.set_xlim(-0.5, 3.5)
        _ticks(ax, "y", (0.5, 1, 2, 4))
    axes[0].set_ylabel("λ_max at a loss of 0.05")
    return fig, "λ_max on six training sets, means: " + " ".join(said)


# ---- 4d: training that looks for flat places


def looked_for(bends, gains, *, guess=None):
    """Draw λ_max and the gain in accuracy on unseen digits (points) against ρ, at one training loss.

    `bends` and `gains` are tables with a line for each seed and columns (B, ρ).
    """
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9))
    sizes, radii = bends.columns.levels
    places, said = {rho: place for place, rho in enumerate(radii)}, []
    for ax, table, axis_label in zip(axes, (np.log10(bends), gains), ("λ_max", "points gained"), strict=True):
        for size, marker, shift in zip(sizes, "os", (-0.06, 0.06), strict=True):
            runs = table[size]
            label = f"B = {size:,}" + " (full batch)" * bool(size == sizes[-1])
            means, halves = zip(*(interval(runs[rho])[:2] for rho in runs), strict=True)
            look = {"color": batch_color(size), "marker": marker, "capsize": 3, "label": label}
            ax.errorbar([places[rho] + shift for rho in runs], means, halves, **look)
            unit = 10 ** np.array(means) if ax is axes[0] else means
            told = ", ".join(f"{x:.2f} at ρ = {rho:g}" for rho, x in zip(runs, unit, strict=True))
            said.append(f"{axis_label}, B = {size:,}: {told}.")
        ax.set_xticks(range(len(radii)), [f"{rho:g}" for rho in radii])
        ax.set_xlabel("ρ, how far uphill the gradient is taken")
    axes[0].set(ylabel="λ_max", title="Flatter: λ_max at a loss of 0.05")
    marks = (0.2, 0.5, 1, 2, 5)
    axes[0].set_yticks(np.log10(marks), [f"{mark:g}" for mark in marks])
    axes[0].legend()
    axes[1].axhline(0, color="#222222", linewidth=1)
    axes[1].set(ylabel="ahead of ρ = 0 on unseen digits (points)", title="Better: accuracy at a loss of 0.05")
    said.append(mark_guess(axes[1], guess, low=-5, high=10).strip())
    return fig, " ".join(["Means of five seeds at a training loss of 0.05.", *said]).strip()
