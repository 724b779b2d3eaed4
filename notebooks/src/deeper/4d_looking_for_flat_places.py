# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4d · Does it help to look for flat places?
#
# This page belongs to [lesson 4](../04_sharp_and_flat_minima.ipynb).
# There, the flatter networks tested better, but η and B had made them flat, and may have made them good in another way.
# Here η and B stay as they are, and training itself looks for flat places: *sharpness-aware minimisation*, SAM (Foret et al. 2021).
#
# About 10 minutes to read, 10 seconds to run.

# %%
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import reply
from course_utils.curvature import top_eigenvalue
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import evaluate, minibatches
from lessons.lesson_4 import draw

# %% [markdown]
# ## One line more
#
# An ordinary step goes down the gradient at w.
# SAM first climbs: a way of length ρ straight uphill, as far as the batch can see it, to w + ρ·g/|g|.
# It takes the gradient *there*, comes back, and goes down that one:
#
# $$w \leftarrow w - \eta\,\nabla L_B\!\left(w + \rho\,\frac{g}{|g|}\right), \qquad g = \nabla L_B(w)$$
#
# Where the loss is nearly a bowl, the gradient up there is $g + \rho\,H g/|g|$, and the second term points down the *slope of the slope*: of two ways down it prefers the one where the gradient shrinks.
# A step costs two gradients in place of one.


# %% sam-step
def sam_step(model, images, labels, rho, lr=1 / 4):
    """Take one step with the gradient at w + ρ·g/|g|, in place."""
    weights = list(model.parameters())
    g = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
    length = torch.sqrt(sum(part.pow(2).sum() for part in g))
    uphill = [rho * part / length for part in g]
    with torch.no_grad():
        for w, up in zip(weights, uphill, strict=True):
            w += up
    there = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
    with torch.no_grad():
        for w, up, g_there in zip(weights, uphill, there, strict=True):
            w -= up + lr * g_there


# %% [markdown]
# Once, live: 1,000 digits, B = 32, stopped where the training loss first lies below 0.05.

# %% live tags=["nbval-ignore-output"]
train_set, valid_set, _ = load_mnist()
digits = train_set[:1000]


def train_below(rho, level=0.05):
    """Return updates, λ_max and accuracy where the training loss, looked at every 10 updates, is below `level`."""
    model, step = mlp((784, 64, 10), seed=0), 0
    generator = torch.Generator().manual_seed(0)
    while True:
        for batch in minibatches(len(digits), 32, generator=generator):
            if step % 10 == 0 and evaluate(model, digits)[0] < level:
                accuracy = evaluate(model, valid_set)[1]
                return f"{step}", f"{top_eigenvalue(model, digits):.2f}", f"{accuracy:.1%}"
            sam_step(model, digits.images[batch], digits.labels[batch], rho)
            step += 1


pd.DataFrame(
    [train_below(rho) for rho in (0.0, 0.1, 0.4)],
    index=pd.Index([0, 0.1, 0.4], name="ρ"),
    columns=["updates", "λ_max", "accuracy, 500 unseen digits"],
)

# %% [markdown]
# Flat it is.
# But one seed and 500 digits say nothing of the accuracy.
#
# ## Flatter, and better?
#
# Recorded ([the script](../experiments/sam_digits.py)): five draws of 1,000 digits to train on, each tested on the 4,000 others; the network 784-64-10, plain SGD, η = 1/4 everywhere; B = 32 and the full batch.
# All are compared at one training loss, 0.05.
# (A ρ is left out where a run of the five did not come down to it in 1,000 updates.)
#
# **Guess.** With B = 32, how many points does ρ = 0.4 gain on unseen digits?

# %%
guess_gain = None  # points, below 0 if it loses some; or None to skip

# %% looked-for tags=["reveal"]
clean = read_results("sam_digits", wrong=0.0)
at_loss = clean[clean["moment"] == 0.05]
keys = ("batch_size", "rho")
bends = by_seed(at_loss, "largest_eigenvalue", *keys).dropna(axis=1)
accuracy = 100 * by_seed(at_loss, "test_accuracy", *keys).dropna(axis=1)
gains = accuracy.sub(accuracy.xs(0.0, axis=1, level="rho"), axis=1, level="batch_size")
show(*draw.looked_for(bends, gains, guess=guess_gain))
reply(guess_gain, gains[32, 0.4].mean(), "points")
