"""Derive the homework from its sources: `python -m course_utils.authoring.homework [batches …]`.

`notebooks/homework/source/NAME/NAME.py` (percent format, edited by hand) becomes `source/NAME/NAME.ipynb`, nbgrader's
source notebook, and from that nbgrader makes the students' template `release/NAME/NAME.ipynb`.
The notebook in `source` and nbgrader's gradebook hold the solutions and stay out of git; the template goes in.
"""

import sys
from pathlib import Path

import jupytext
import nbformat

from course_utils.authoring.build import KERNEL, NOTEBOOKS

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


def derive(name: str, course: Path = HOMEWORK, output: Path = HOMEWORK) -> Path:
    """Write source notebook and template of paper `name` under `output`; return the template's path.

    Raises RuntimeError with nbgrader's own log where nbgrader refuses the source.
    """
    source = output / "source" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(read_paper(name, course), source)
    result = grader(output).generate_assignment(name)
    if not result["success"]:
        raise RuntimeError(f"nbgrader refuses {name}:\n{result.get('log', '')}{result.get('error', '')}")
    return output / "release" / name / f"{name}.ipynb"


def grader(root: Path):
    """Return nbgrader for the course folder `root`, with the settings of this course."""
    from nbgrader.apps import NbGraderAPI  # slow to import, and an extra
    from traitlets.config.loader import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(HOMEWORK)).load_config()
    config.CourseDirectory.root = str(root)
    return NbGraderAPI(config=config)


def main(names: list[str]) -> None:
    unknown = set(names) - set(papers())
    if unknown:
        sys.exit(f"no paper is called {', '.join(sorted(unknown))}; there are {', '.join(papers())}")
    for name in names or papers():
        print(f"source/{name}/{name}.py → {derive(name).relative_to(HOMEWORK)}")


if __name__ == "__main__":
    main(sys.argv[1:])
