"""Draw each explorer as a film: frames on a grid of its settings, for a page that no kernel stands behind.

A frame is drawn by the same `update` that moves the explorer in a notebook. A film is a JavaScript file, since a page
that was opened from a disk may read nothing else. It holds the resting picture, and for each frame the parts of it
that changed, as WebP. Parts are strips from one axes to the next, so one that stays the same while another control
moves is stored once. An explorer that a deck shows is drawn in the size of a slide, for deck and site alike. A film
that is there and up to date is left alone.
"""

import base64
import hashlib
import io
import itertools
import json
import math
import re
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import nbformat
import numpy as np
from matplotlib.text import Text
from PIL import Image

from authoring import figures
from authoring.build import NOTEBOOKS, lesson_of, read_source, sources

ROOT = NOTEBOOKS.parent
BYTES = 2_750_000  # of frames in a film; in base64, with the alt texts, 3.9 MB
FRAMES = 600  # at most, for the time they take to draw
LEVELS = 12  # of each colour at edges: half the size of all 256, and the difference is not to be seen


class Film(NamedTuple):
    """An explorer of a page: its name, the code up to and with the cell that shows it, and the text beside it."""

    name: str
    source: Path
    code: tuple[str, ...]
    text: str

    def is_in(self, decks: Iterable[Path]) -> bool:
        """Return whether one of the `decks` shows it."""
        return tuple(self.name.split("-", 1)) in figures.shown_in(decks)

    @property
    def on_slide(self) -> bool:
        """Whether a deck shows it."""
        return self.is_in((NOTEBOOKS / "slides").glob("*.md"))

    @property
    def key(self) -> str:
        """A text that changes when something does that the film is drawn from."""
        folders = ROOT / "course_utils", ROOT / "lessons" / f"lesson_{lesson_of(self.source)}"
        files = [
            Path(__file__),
            Path(figures.__file__),
            *(path for folder in folders for path in sorted(folder.glob("*.*"))),
        ]
        texts = [path.read_bytes() for path in files if path.is_file()]
        told = b"".join(texts) + "".join(self.code).encode()
        rows = (NOTEBOOKS / "results").glob("*.csv")
        texts += [path.read_bytes() for path in sorted(rows) if path.stem.encode() in told]
        texts += [cell.encode() for cell in (*self.code, self.text, str(self.on_slide))]
        return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]

    def is_drawn(self, path: Path) -> bool:
        """Return whether the file `path` is this film, and up to date."""
        return path.exists() and path.open(encoding="utf-8").readline() == f"// {self.key}\n"


def shows_explorer(cell: nbformat.NotebookNode) -> bool:
    """Return whether a cell of a page shows an explorer."""
    return cell.cell_type == "code" and any(line.startswith("explore(") for line in cell.source.split("\n"))


def film_name(source: Path, cell: nbformat.NotebookNode) -> str:
    """Return the name of a cell's film, `05-zigzag`."""
    return f"{source.stem.partition('_')[0]}-{cell.id}"


def films(prefixes: Sequence[str] = ()) -> list[Film]:
    """Return the films of all pages, or of those that start with a prefix."""
    found = []
    for source in sources(prefixes):
        cells = read_source(source).cells
        for position, cell in enumerate(cells):
            if shows_explorer(cell):
                code = tuple(c.source for c in cells[: position + 1] if c.cell_type == "code")
                beside = (c.source for c in cells[position - 1 : position + 2] if c.cell_type == "markdown")
                found.append(Film(film_name(source, cell), source, code, "\n".join(beside)))
    return found


def draw_films(folder: Path, wanted: Sequence[Film], *, most: int = FRAMES, jobs: int = 2) -> list[Path]:
    """Draw those of the `wanted` films that `folder` lacks or that are out of date; return the paths of these.

    `most` is how many frames a film has at most.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stale = [film for film in wanted if not film.is_drawn(folder / f"{film.name}.js")]
    stale.sort(key=lambda film: -len(film.code))  # pages that compute a while first
    return joblib.Parallel(jobs)(joblib.delayed(draw_film)(folder, film, most) for film in stale)


def draw_film(folder: Path, film: Film, most: int = FRAMES) -> Path:
    """Draw one film, write it to `folder`, return its path."""
    frames = shoot(*explorer(film), most, on_slide=film.on_slide, text=film.text)
    told = json.dumps(frames, ensure_ascii=False, separators=(",", ":"))
    path, unfinished = folder / f"{film.name}.js", folder / f"{film.name}.tmp"
    unfinished.write_text(f"// {film.key}\nfilmed({json.dumps(film.name)}, {told});\n", encoding="utf-8")
    return unfinished.replace(path)


def read_film(path: Path) -> dict[str, Any]:
    """Return what a film says, as `shoot` does."""
    return json.loads(re.search(r"\{.*\}", path.read_text(encoding="utf-8"), re.DOTALL)[0])


def first_frame(film: dict[str, Any]) -> bytes:
    """Return as PNG the picture of a film with its controls as they start."""
    number = 0
    for control in film["controls"]:
        number = number * len(control["values"]) + control["start"]
    picture = _opened(film["still"])
    for left, part in zip(film["cuts"], film["frames"][number], strict=True):
        if part >= 0:
            x, y = film["places"][part]
            picture.alpha_composite(_opened(film["pictures"][part]), (left + x, y))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "png")
    return file.getvalue()


def explorer(film: Film) -> tuple:
    """Run a page up to its explorer and return what the page hands to `explore`: `(fig, update, controls)`."""
    import course_utils.explore

    handed, real = [], course_utils.explore.explore
    course_utils.explore.explore = lambda *parts: handed.append(parts)
    try:
        scope = {"__name__": "__main__"}
        with redirect_stdout(io.StringIO()):
            for cell in film.code:
                exec(compile(cell, film.name, "exec"), scope)
    finally:
        course_utils.explore.explore = real
    return handed[-1]


def shoot(
    fig, update, controls, most: int = FRAMES, *, on_slide: bool = False, text: str = ""
) -> dict[str, Any]:
    """Return a film as what JSON can say; `on_slide` says whether it is drawn in the size of a slide.

    What the `text` beside the explorer names, as "β = 0.9" does, can be chosen.

    `size` [width, height], `cuts` (where a strip begins), `still` and `pictures` (WebP as base64), `places` ([x, y] of
    a picture on its strip), `controls` (label, values, position of the start), and for each frame, the last control
    fastest, `alts` and `frames`, the number of the picture on each strip, or −1 where the still shows through.
    """
    values = {name: _plain(control.values) for name, control in controls.items()}
    start = {name: _nearest(values[name], control.start) for name, control in controls.items()}
    update(**start)
    camera = Camera(fig, update, on_slide)
    must = {name: [start[name], *named(values[name], controls[name].label, text)] for name in values}
    chosen = thinned(values, must, camera.cost(values, start), most)
    frames, alts, numbers, pictures, places = [], [], {}, [], []
    for settings in itertools.product(*chosen.values()):
        alt, strips = camera.take(dict(zip(chosen, settings, strict=True)))
        alts.append(alt)
        marks = [hashlib.sha256(strip).digest() if strip.any() else None for strip in strips]
        for mark, strip in zip(marks, strips, strict=True):
            if mark and mark not in numbers:
                numbers[mark] = len(pictures)
                picture, place = _cropped(strip)
                pictures.append(_webp(picture))
                places.append(place)
        frames.append([numbers.get(mark, -1) for mark in marks])
    told = [
        {
            "label": c.label,
            "values": [_told(v) for v in chosen[name]],
            "start": chosen[name].index(start[name]),
        }
        for name, c in controls.items()
    ]
    height, width = camera.still.shape[:2]
    whole = {
        "of": math.prod(len(v) for v in values.values()),
        "size": [width, height],
        "cuts": camera.cuts[:-1],
    }
    return {
        **whole,
        "still": _webp(camera.still),
        "controls": told,
        "alts": alts,
        "frames": frames,
        "pictures": pictures,
        "places": places,
    }


class Camera:
    """Takes frames of an explorer: what changed against the still, strip by strip."""

    def __init__(self, fig, update, on_slide: bool):
        import matplotlib.pyplot as plt
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from course_utils.plotting import CSS_PIXELS_PER_INCH

        plt.close(fig)
        fig.set_dpi(figures.PIXELS_PER_INCH if on_slide else CSS_PIXELS_PER_INCH)
        self.canvas = FigureCanvasAgg(fig)
        if on_slide:
            figures.lay_out(fig, figures.UNDER_CONTROLS)
        self.canvas.draw()
        fig.set_layout_engine("none")
        self.fig, self.update = fig, update
        self.moving = fig.findobj(lambda artist: artist.get_animated())
        self.words = [a for a in self.moving if on_slide and isinstance(a, Text) and a.axes]
        self.background = self.canvas.copy_from_bbox(fig.bbox)
        self.still = np.asarray(self.canvas.buffer_rgba()).copy()
        lefts = sorted(max(0, int(ax.get_tightbbox().x0) - 4) for ax in fig.axes)
        self.cuts = [0, *lefts[1:], self.still.shape[1]]

    def take(self, settings: dict) -> tuple[str, list[np.ndarray]]:
        """Return the alt text of a frame and its strips (height, width, 4), transparent where the still shows."""
        alt = self.update(**settings)
        for words in self.words:
            figures.set_indices(words)
            figures.break_lines(words, words.axes)
        self.canvas.restore_region(self.background)
        for artist in self.moving:
            self.fig.draw_artist(artist)
        frame = np.asarray(self.canvas.buffer_rgba())
        step = 255 / (LEVELS - 1)
        rough = np.rint(np.rint(frame / step) * step).astype(np.uint8)
        flat = (frame == np.roll(frame, 1, axis=1)).all(-1)  # areas keep their colour, edges may be rough
        rough[flat] = frame[flat]
        rough[(frame == self.still).all(-1)] = 0
        return alt, [np.ascontiguousarray(rough[:, a:b]) for a, b in itertools.pairwise(self.cuts)]

    def cost(self, values: dict[str, list], start: dict[str, Any]) -> list[tuple[float, set[str]]]:
        """Return for each strip the bytes of a picture of it, about, and the controls that change it."""
        rest = self.take(start)[1]
        sizes, moved_by = [[len(_webp(_cropped(strip)[0]))] for strip in rest], [set() for _ in rest]
        for name, choices in values.items():
            for value in (choices[0], choices[len(choices) // 2], choices[-1]):
                for number, strip in enumerate(self.take(start | {name: value})[1]):
                    if (strip != rest[number]).any():
                        moved_by[number].add(name)
                        sizes[number].append(len(_webp(_cropped(strip)[0])))
        return [(float(np.mean(size)) * 3 / 4, names) for size, names in zip(sizes, moved_by, strict=True)]


def named(values: list, label: str, text: str) -> list:
    """Return those of a control's `values` that `text` gives to the last word of its `label`, such as β."""
    told = re.findall(rf"(?<!\w){re.escape(label.split()[-1])} = (\d+(?:\.\d+)?)", text)
    return [v for v in values if _is_number(v) and f"{v:g}" in told]


def thinned(
    values: dict[str, list], must: dict[str, list], cost: list[tuple[float, set[str]]], most: int = FRAMES
) -> dict[str, list]:
    """Return as many of the `values` of each control as a film has room for, both ends and what it `must` have.

    The first control, the one that a reader tries first, keeps twice as many as the others.
    """
    count = {name: len(choices) for name, choices in values.items()}
    first = next(iter(count))
    least = {
        name: max(3, len({choices[0], choices[-1], *must[name]})) if _is_number(choices[0]) else len(choices)
        for name, choices in values.items()
    }

    def too_many():
        size = sum(bytes_each * math.prod(count[n] for n in names) for bytes_each, names in cost)
        return size > BYTES or math.prod(count.values()) > most

    while too_many() and (longer := [name for name in count if count[name] > least[name]]):
        count[max(longer, key=lambda name: count[name] / (2 if name == first else 1))] -= 1
    return {name: _spread(choices, count[name], must[name]) for name, choices in values.items()}


def _spread(choices: list, count: int, must: list) -> list:
    """Return `count` of the `choices`, evenly by position, each of `must` in place of the nearest that may go."""
    kept = set(np.rint(np.linspace(0, len(choices) - 1, count)).astype(int))
    fixed = {0, len(choices) - 1, *map(choices.index, must)}
    for place in sorted(fixed - kept):
        kept.remove(min(kept - fixed, key=lambda i: abs(i - place)))
        kept.add(place)
    return [choices[i] for i in sorted(kept)]


def _plain(values) -> list:
    return [value.item() if hasattr(value, "item") else value for value in values]


def _nearest(values: list, start: Any) -> Any:
    return min(values, key=lambda v: abs(v - start)) if _is_number(start) else start


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _told(value: Any) -> str | float:
    """Return a number as the slider in a notebook writes it, a text as it is."""
    return f"{value:g}" if _is_number(value) else value


def _cropped(strip: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Return the part of a strip that isn't transparent, one pixel at least, and its place, [x, y]."""
    rows, columns = (np.flatnonzero(strip[..., 3].any(axis)) for axis in (1, 0))
    if not len(rows):
        return strip[:1, :1], [0, 0]
    part = strip[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.ascontiguousarray(part), [int(columns[0]), int(rows[0])]


def _webp(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "webp", lossless=True, method=2, quality=50)
    return base64.b64encode(file.getvalue()).decode()


def _opened(webp: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(webp))).convert("RGBA")
