"""The frame agrees with itself: README, package metadata, conda's file, pinned versions."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def name_of(requirement):
    return re.match(r"[A-Za-z0-9-]+", requirement).group()


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if not link.startswith("https://")]
    assert local and all((ROOT / link).exists() for link in local)


def test_the_readme_names_the_repository_as_the_package_does():
    owner_and_name = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
    named = re.findall(r"(?:github(?:\.com)?|/gh)/([^/\s]+/[\w-]+?)(?:/blob|/main|\s)", README)
    assert set(named) == {owner_and_name} and len(named) == 3


def test_the_readme_lists_every_lesson_with_its_title_and_a_run_time():
    for source in sorted((ROOT / "notebooks" / "src").glob("[0-9][0-9]_*.py")):
        title = re.search(r"^# # (.+)$", source.read_text(encoding="utf-8"), re.M).group(1)
        assert re.search(rf"\| \[{re.escape(title)}\]\(notebooks/{source.stem}\.ipynb\) \| \d+ s", README)


def test_every_make_target_that_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)?)(?=[ `\n])", README))
    assert {"lab", "test", "build", "record", "bench", "test-browser", "lint"} <= named <= targets


def test_conda_installs_what_pip_installs():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^  - ([a-z][\w-]*>=[\d.]+)", text, re.M)
    wanted = {r.replace(name_of(r), CONDA_NAMES.get(name_of(r), name_of(r))) for r in PROJECT["dependencies"]}
    extras = set(PROJECT["optional-dependencies"]["lab"]) | {f"python{PROJECT['requires-python']}"}
    assert set(listed) == wanted | extras
    assert text.rstrip().endswith("- pip:\n      - -e .")


def test_every_dependency_has_a_tested_version():
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = [r for group in PROJECT["optional-dependencies"].values() for r in group]
    assert {name_of(r).lower() for r in PROJECT["dependencies"] + extras} <= pinned


def test_the_order_of_imports_goes_downwards_only():
    order = [
        "claims",
        "homework",
        "data",
        "models",
        "timing",
        "training",
        "curvature",
        "descent",
        "experiment",
        "plotting",
        "checks",
        "widgets",
        "authoring",
    ]
    for module in (ROOT / "course_utils").rglob("*.py"):
        rank = (
            order.index(module.relative_to(ROOT / "course_utils").parts[0].removesuffix(".py"))
            if module.stem != "__init__"
            else len(order)
        )
        imported = re.findall(r"^\s*from course_utils\.(\w+)", module.read_text(encoding="utf-8"), re.M)
        assert all(order.index(name) <= rank for name in imported), module
