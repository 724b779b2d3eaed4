"""Lay the pages into `work/` for the reader to run, so that an update never meets a page that was changed: `make lab`.

What the reader has changed there stays. Where the course has changed the same page, the new one takes its place and
the reader's stands beside it, with the date in its name. `work/.copied.json` has the checksum of each file as copied.
"""

import datetime
import hashlib
import json
import shutil
from pathlib import Path

COURSE = Path(__file__).resolve().parents[1]
READ = (
    *(
        "*.md",
        "CITATION.cff",
        "LICENSE",
        "benchmarks/*.md",
        "notebooks/*.ipynb",
        "notebooks/*.md",
        "notebooks/deeper/*.ipynb",
    ),
    *(
        "notebooks/teaching/*",
        "notebooks/experiments/*.py",
        "notebooks/homework/*.py",
        "notebooks/homework/release/*/*.ipynb",
    ),
)


def lay_out(course: Path = COURSE) -> list[str]:
    """Bring `course/work` up to date; return a line for each page of the reader's that was put aside."""
    work, lines = course / "work", []
    list_file = work / ".copied.json"
    copied = json.loads(list_file.read_text(encoding="utf-8")) if list_file.exists() else {}
    for source in sorted(path for pattern in READ for path in course.glob(pattern) if path.is_file()):
        name, now = source.relative_to(course).as_posix(), _checksum(source)
        mine = work / name
        if mine.exists() and now == copied.get(name):
            continue
        mine.parent.mkdir(parents=True, exist_ok=True)
        if mine.exists() and _checksum(mine) not in (now, copied.get(name)):
            aside = mine.with_name(f"{mine.stem}.{datetime.datetime.now():%Y-%m-%d-%H%M%S}{mine.suffix}")
            mine.rename(aside)
            lines.append(f"{name} is new; yours is now {aside.name}")
        shutil.copyfile(source, mine)
        copied[name] = now
    list_file.write_text(json.dumps(copied, indent=1), encoding="utf-8")
    return lines


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    print(
        "\n".join(
            ["The pages open as copies in work/, which are yours: an update leaves them alone.", *lay_out()]
        )
    )
