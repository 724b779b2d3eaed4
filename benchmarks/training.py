"""`train` beside the loop that lesson 1 prints, a DataLoader that normalises each item, and Lightning's Trainer."""

import ast
import logging
import time
import warnings
from pathlib import Path

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import minibatches, train

LESSON = Path(__file__).parents[1] / "notebooks" / "src" / "01_batches_and_epochs.py"
UPDATES = {1: 3000, 32: 1000, 256: 235, 1000: 60, 60_000: 1}  # an epoch; of all digits from 256 on
EPOCHS = {1: 1, 32: 1, 256: 2, 1000: 3, 60_000: 2}  # so that a run takes about a second
REPEATS = 7
LR = 0.05


def loop_of_lesson_1():
    """Return `train_by_hand` as lesson 1 prints it."""
    tree = ast.parse(LESSON.read_text(encoding="utf-8"))
    (function,) = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "train_by_hand")
    names = {"F": F, "torch": torch, "minibatches": minibatches}
    exec(compile(ast.Module([function], []), LESSON.name, "exec"), names)
    return names["train_by_hand"]


class Items(Dataset):
    """The digits one by one, as bytes that are normalised when asked for."""

    def __init__(self, split):
        self.images, self.labels = (split.images * 255).to(torch.uint8), split.labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        return (self.images[i].float() / 255 - 0.1307) / 0.3081, self.labels[i]


class Lit(lightning.LightningModule):
    """The same network and update in Lightning's terms; it keeps the time from first batch to last."""

    def __init__(self):
        super().__init__()
        self.model = mlp((784, 128, 10), seed=0)

    def training_step(self, batch, _):
        return F.cross_entropy(self.model(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=LR)

    def on_train_start(self):
        self.begin = time.perf_counter()

    def on_train_end(self):
        self.seconds = time.perf_counter() - self.begin


def seconds(function) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def by_train(data, size, epochs):
    g = torch.Generator().manual_seed(0)
    model = mlp((784, 128, 10), seed=0)
    return seconds(
        lambda: train(model, data, batch_size=size, lr=LR, num_epochs=epochs, generator=g, eval_steps=[])
    )


def by_hand(data, size, epochs, loop=loop_of_lesson_1()):  # noqa: B008
    g = torch.Generator().manual_seed(0)
    model = mlp((784, 128, 10), seed=0)
    return seconds(lambda: loop(model, data, size, LR, epochs, g))


def by_loader(data, size, epochs):
    model = mlp((784, 128, 10), seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    loader = DataLoader(Items(data), batch_size=size, shuffle=True)

    def loop():
        for _ in range(epochs):
            for images, labels in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(images), labels).backward()
                optimizer.step()

    return seconds(loop)


def by_lightning(data, size, epochs):
    loader = DataLoader(Items(data), batch_size=size, shuffle=True)
    module = Lit()
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    return module.seconds


WAYS = {"train": by_train, "hand": by_hand, "loader": by_loader, "lightning": by_lightning}


def main() -> str:
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # a second one would add more noise than speed
    parts = load_mnist(full=True)[:2]
    whole = Split(*(torch.cat([getattr(p, name) for p in parts]) for name in ("images", "labels")))
    lines = [
        "## Training: one update of 784-128-10 on MNIST's 60,000 digits\n",
        "`train` beside (a) the loop that lesson 1 prints, (b) a `DataLoader` without workers over a data set that",
        "normalises each item, (c) Lightning's `Trainer` on the same loader. Plain SGD, one thread, no evaluation inside a clock,",
        f"{REPEATS} runs in turn; median, and smallest to largest ratio of the runs.",
        "At B = 1 and 32 an epoch is a random part of the 60,000 digits, so that it has the updates named.\n",
        "| B | updates a run | `train`, ms an update | train / (a) | (b) / train | (c) / train |",
        "|---|---|---|---|---|---|",
    ]
    for size, updates in tqdm(UPDATES.items(), desc="training"):
        picks = torch.randperm(60_000, generator=torch.Generator().manual_seed(1))[
            : min(60_000, size * updates)
        ]
        data = whole if len(picks) == 60_000 else whole[picks]
        updates = EPOCHS[size] * -(-len(data) // size)
        times = {name: [] for name in WAYS}
        for repeat in range(REPEATS):
            for name in list(WAYS)[repeat % 4 :] + list(WAYS)[: repeat % 4]:  # nobody always follows the same
                times[name].append(WAYS[name](data, size, EPOCHS[size]))
        t = {name: np.array(values) for name, values in times.items()}
        ratios = (t["train"] / t["hand"], t["loader"] / t["train"], t["lightning"] / t["train"])
        cells = [f"{np.median(r):.2f} ({r.min():.2f}–{r.max():.2f})" for r in ratios]
        lines.append(
            f"| {size:,} | {updates:,} | {1000 * np.median(t['train']) / updates:.3f} | "
            + " | ".join(cells)
            + " |"
        )
    lines += [
        "",
        "What (b) pays for: each item is fetched, converted, normalised and stacked by Python, 60,000 calls an epoch",
        "whatever B is; `train` keeps the digits as one tensor and takes a batch by a single index. (c) pays that too,",
        "and its hooks, about the same for each update, so that they weigh most at small B.\n",
    ]
    return "\n".join(lines)
