"""Derive the homework from its sources: `python -m authoring.homework [batches …] [--private DIR [--seed TEXT]]`.

`notebooks/homework/source/NAME/NAME.py` (percent format, edited by hand) becomes `source/NAME/NAME.ipynb`, nbgrader's
source notebook, and from that nbgrader makes the students' template `release/NAME/NAME.ipynb`.
`--private` names a teacher's own course folder, outside the repository, whose papers are made there: those of its
`source/NAME/NAME.py`, else the repository's with other questions, `bank/NAME/QUESTION/*.py`, one of which is drawn.
The notebook in `source` and nbgrader's gradebook hold the solutions and stay out of git; the template goes in.
"""

import argparse
import sys
from pathlib import Path

import jupytext
import nbformat

from authoring.build import KERNEL, NOTEBOOKS
from course_utils.homework import Paper

HOMEWORK = NOTEBOOKS / "homework"
ELSEWHERE = "none-start-nbgrader-in-the-course-folder"  # over this, nbgrader without our settings stumbles


def papers(course: Path = HOMEWORK) -> list[str]:
    """Return the names of all papers in `course`, in alphabetical order."""
    return sorted(path.stem for path in course.glob("source/*/*.py") if path.stem == path.parent.name)


def read_paper(name: str, course: Path = HOMEWORK, seed: str = "") -> nbformat.NotebookNode:
    """Return the notebook, with solutions and without outputs, that the source of paper `name` describes.

    A paper that `course` has no source of is the repository's, with the questions that `seed` draws from its bank.
    """
    source = course / "source" / name / f"{name}.py"
    source = source if source.exists() else HOMEWORK / "source" / name / f"{name}.py"
    notebook = jupytext.read(source, fmt="py:percent")
    for question in sorted(path.name for path in (course / "bank" / name).glob("*/")):
        variants = sorted((course / "bank" / name / question).glob("*.py"))
        exchange(notebook, question, Paper(name, seed).choose(question, variants))
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = f"{name}-{position:03d}"
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "nbgrader") if key in cell.metadata}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def exchange(notebook: nbformat.NotebookNode, question: str, variant: Path) -> None:
    """Put the cells of the file `variant` in the place of `question`, from its heading to the next one.

    Raises ValueError where the paper has no such question, or the variant other names or points.
    """
    heads = [i for i, cell in enumerate(notebook.cells) if cell.source.startswith("## ")]
    parts = [slice(*pair) for pair in zip(heads, [*heads[1:], len(notebook.cells)], strict=True)]
    asked = {name: part for part in parts for name in names_and_points(notebook.cells[part])}
    if question not in asked:
        raise ValueError(f"{variant}: there is no question {question!r}; there are: {', '.join(asked)}")
    old, new = notebook.cells[asked[question]], jupytext.read(variant, fmt="py:percent").cells
    if names_and_points(old) != names_and_points(new) or not new[0].source.startswith("## "):
        raise ValueError(
            f"{variant} must begin with a heading '## ' and have the names and points {names_and_points(old)}, "
            f"found {names_and_points(new)}"
        )
    notebook.cells[asked[question]] = new
    print(f"{question}: {variant.name}")


def names_and_points(cells: list[nbformat.NotebookNode]) -> dict[str, int | None]:
    """Return {grade_id: points, None where there are none} of those cells that nbgrader knows."""
    settings = [cell.metadata["nbgrader"] for cell in cells if "nbgrader" in cell.metadata]
    return {setting["grade_id"]: setting.get("points") for setting in settings}


def derive(name: str, course: Path = HOMEWORK, output: Path | None = None, seed: str = "") -> Path:
    """Write source notebook and template of paper `name` under `output`, else `course`; return the template's path.

    Raises RuntimeError with nbgrader's own log where nbgrader refuses the source.
    """
    root = output or course
    source = root / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    notebook = read_paper(name, course, seed)
    notebook.metadata.kernelspec = {**KERNEL, "language": ELSEWHERE}  # without our settings, no template
    nbformat.write(notebook, source)
    result = grader(root).generate_assignment(name)
    if not result["success"]:
        raise RuntimeError(f"nbgrader refuses {name}:\n{result.get('log', '')}{result.get('error', '')}")
    return root / "release" / name / f"{name}.ipynb"


def found_private(folder: Path) -> Path:
    """Return `folder`, which is made a course folder if it is none yet. Exits where it lies in the repository."""
    folder = folder.expanduser().resolve()
    if folder.is_relative_to(NOTEBOOKS.parent):
        sys.exit(f"{folder} lies in the repository, where students may read it: name a folder outside")
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / "nbgrader_config.py"
    if not own.exists():
        lines = [f"load_subconfig('nbgrader_config.py', path={str(HOMEWORK)!r})  # the course's settings",
                 "c = get_config()  # yours below: they go before the course's"]  # fmt: skip
        own.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def grader(root: Path):
    """Return nbgrader for the course folder `root`, with the settings that lie there, else the repository's."""
    from nbgrader.apps import NbGraderAPI  # slow to import, and an extra
    from traitlets.config.loader import PyFileConfigLoader

    folder = root if (root / "nbgrader_config.py").exists() else HOMEWORK
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(root)
    return NbGraderAPI(config=config)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the students' templates from the papers' sources.")
    parser.add_argument("names", nargs="*", help="papers; all where none is named")
    parser.add_argument("--private", type=Path, help="a course folder of your own, outside the repository")
    parser.add_argument("--seed", default="", help="draws the questions from the private folder's bank")
    options = parser.parse_args(arguments)
    course = found_private(options.private) if options.private else HOMEWORK
    there = sorted({*papers(), *papers(course)})
    if unknown := [name for name in options.names if name not in there]:
        sys.exit(f"no paper {', '.join(unknown)} in {course / 'source'}; there are: {', '.join(there)}")
    for name in options.names or there:
        print(f"{name} -> {derive(name, course, seed=options.seed).relative_to(course)}")


if __name__ == "__main__":
    main()
