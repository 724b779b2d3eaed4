"""Print decks as handouts, a sheet of A4 for each slide and its notes: `python -m authoring.handout [03 …]`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from authoring.slides import DECKS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = ["--headless", "--disable-gpu", "--no-pdf-header-footer", "--virtual-time-budget=30000"]
if getattr(os, "geteuid", lambda: None)() == 0:
    OPTIONS.append("--no-sandbox")  # without which it refuses to run as root


def print_handout(deck: Path) -> Path:
    """Print `deck`, an HTML file, beside itself and return the PDF's path.

    Raises FileNotFoundError where the machine has no Chromium or the deck isn't there, RuntimeError where the
    browser prints nothing.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise FileNotFoundError(f"no Chromium here: install it, on Debian with apt-get install {BROWSERS[0]}")
    if not deck.is_file():
        raise FileNotFoundError(f"{deck.name} is not there: make slides writes it")
    printed = deck.with_suffix(".pdf")
    printed.unlink(missing_ok=True)
    address = f"{deck.resolve().as_uri()}?handout"
    said = subprocess.run(
        [browser, *OPTIONS, f"--print-to-pdf={printed}", address],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    if not printed.exists():
        raise RuntimeError(f"{browser} printed nothing of {deck.name}:\n{said.stderr}")
    return printed


def main(numbers: list[str]) -> None:
    decks = [DECKS / f"{number}.html" for number in numbers] or sorted(DECKS.glob("*.html"))
    for deck in decks:
        print(f"{deck.name} → {print_handout(deck).name}")


if __name__ == "__main__":
    main(sys.argv[1:])
