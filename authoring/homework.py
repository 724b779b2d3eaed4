"""Derive the homework from its sources: `python -m authoring.homework [batches …] [--course DIR]`.

`notebooks/homework/source/NAME/NAME.py` (percent format, edited by hand) becomes `source/NAME/NAME.ipynb`, nbgrader's
source notebook, and from that nbgrader makes the students' template `release/NAME/NAME.ipynb`.
`--course` names another course folder, such as a teacher's private copy of `notebooks/homework`.
The notebook in `source` and nbgrader's gradebook hold the solutions and stay out of git; the template goes in.
"""

import argparse
import sys
from pathlib import Path

import jupytext
import nbformat

from authoring.build import KERNEL, NOTEBOOKS

HOMEWORK = NOTEBOOKS / "homework"


def papers(course: Path = HOMEWORK) -> list[str]:
    """Return the names of all papers in `course`, in alphabetical order."""
    return sorted(path.stem for path in course.glob("source/*/*.py") if path.stem == path.parent.name)


def read_paper(name: str, course: Path = HOMEWORK) -> nbformat.NotebookNode:
    """Return the notebook, with solutions and without outputs, that the source of paper `name` describes."""
    notebook = jupytext.read(course / "source" / name / f"{name}.py", fmt="py:percent")
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    for position, cell in enumerate(notebook.cells, start=1):
        cell.id = f"{name}-{position:03d}"
        cell.metadata = {key: cell.metadata[key] for key in ("tags", "nbgrader") if key in cell.metadata}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def derive(name: str, course: Path = HOMEWORK, output: Path | None = None) -> Path:
    """Write source notebook and template of paper `name` under `output`, else `course`; return the template's path.

    Raises RuntimeError with nbgrader's own log where nbgrader refuses the source.
    """
    root = output or course
    source = root / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(read_paper(name, course), source)
    result = grader(root, course / "nbgrader_config.py").generate_assignment(name)
    if not result["success"]:
        raise RuntimeError(f"nbgrader refuses {name}:\n{result.get('log', '')}{result.get('error', '')}")
    return root / "release" / name / f"{name}.ipynb"


def grader(root: Path, settings: Path):
    """Return nbgrader for the course folder `root`, with the settings in the file `settings`."""
    from nbgrader.apps import NbGraderAPI  # slow to import, and an extra
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader(settings.name, path=str(settings.parent)).load_config()
    config.CourseDirectory.root = str(root)
    return NbGraderAPI(config=config)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the students' templates from the papers' sources.")
    parser.add_argument("names", nargs="*", help="papers; all where none is named")
    parser.add_argument("--course", type=Path, default=HOMEWORK, help="the course folder")
    options = parser.parse_args(arguments)
    course, there = options.course.resolve(), papers(options.course)
    unknown = [name for name in options.names if name not in there]
    if unknown or not there:
        sys.exit(f"no paper {', '.join(unknown)} in {course / 'source'}; there are: {', '.join(there)}")
    for name in options.names or there:
        print(f"source/{name}/{name}.py → {derive(name, course).relative_to(course)}")


if __name__ == "__main__":
    main()
