"""The frame agrees with itself: README, package metadata, conda's file, pinned versions."""

import contextlib
import importlib.util
import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from authoring.build import FIGURE, figure_of_the_readme, sources
from course_utils.claims import load_claims, sentence

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING = (
    (ROOT / f"{name}.md").read_text(encoding="utf-8") for name in ("README", "CONTRIBUTING")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def name_of(requirement):
    return re.match(r"[A-Za-z0-9-]+", requirement).group()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_link_leads_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text)
    assert links and all((ROOT / link).exists() for link in links)


def test_the_readme_is_one_screen_and_promises_no_address_that_is_not_known_yet():
    assert len(README.splitlines()) <= 45 and "OWNER" not in README


def test_the_readme_lists_every_lesson_with_its_title_and_its_reading_time():
    for source in (source for source in sources() if source.parent.name == "src"):
        title = re.search(r"^# # (.+)$", source.read_text(encoding="utf-8"), re.M).group(1)
        assert re.search(
            rf"\| \[{re.escape(title)}\]\(notebooks/{source.stem}\.ipynb\) \| .+ \| \d+ min \|", README
        )


def test_the_readme_shows_a_verdict_as_it_stands_and_the_figure_of_the_page():
    said = re.search(r"^> (.+)$", README, re.M).group(1)
    claim = load_claims()[re.search(r"C\d\d|E\d\d", said).group()]
    assert said.replace("**Holds if**", "Verdict: holds if") in sentence(claim)
    assert FIGURE.read_bytes() == figure_of_the_readme()


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {target for line in re.findall(r"^([a-z -]+):", makefile, re.M) for target in line.split()}
    named = set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)?)(?=[ `\n])", README + CONTRIBUTING))
    assert {"lab", "test", "build", "record", "bench", "test-browser", "lint"} <= named <= targets


def test_conda_installs_what_pip_installs():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^  - ([a-z][\w-]*>=[\d.]+)", text, re.M)
    wanted = {r.replace(name_of(r), CONDA_NAMES.get(name_of(r), name_of(r))) for r in PROJECT["dependencies"]}
    extras = set(PROJECT["optional-dependencies"]["lab"]) | {f"python{PROJECT['requires-python']}"}
    assert set(listed) == wanted | extras
    assert text.rstrip().endswith("- pip:\n      - -e .")


def test_every_dependency_has_a_tested_version():
    pinned = {line.partition("==")[0].lower() for line in PINS.splitlines()}
    extras = [r for group in PROJECT["optional-dependencies"].values() for r in group]
    assert {name_of(r).lower() for r in PROJECT["dependencies"] + extras} <= pinned


def test_every_pinned_version_installs_on_the_oldest_python_that_is_promised():
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    for name, version in re.findall(r"^([\w-]+)==(\S+)$", PINS, re.M):
        with contextlib.suppress(PackageNotFoundError):  # an extra that is not installed here
            wanted = distribution(name).metadata["Requires-Python"] or ""
            assert distribution(name).version != version or SpecifierSet(wanted).contains(oldest), name


def test_the_container_is_set_up_as_make_does_it():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    target, command = re.match(
        r"make (\S+) && .venv/bin/python -m (\S+)$", container["postCreateCommand"]
    ).groups()
    assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert importlib.util.find_spec(command)


def test_the_order_of_imports_goes_downwards_only():
    numbers = ["data", "models", "results", "training", "timing", "curvature", "descent"]
    order = [*numbers, "claims", "homework", "plotting", "explore", "checks"]
    for module in (ROOT / "course_utils").rglob("*.py"):
        rank = (
            order.index(module.relative_to(ROOT / "course_utils").parts[0].removesuffix(".py"))
            if module.stem != "__init__"
            else len(order)
        )
        imported = re.findall(r"^\s*from course_utils\.(\w+)", module.read_text(encoding="utf-8"), re.M)
        assert all(order.index(name) <= rank for name in imported), module
