"""nbgrader's settings for this course; nbgrader reads this file when it is started in this folder."""

import os
import sys
from pathlib import Path

from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    IgnorePattern,
    LimitOutput,
    OverwriteCells,
    SaveAutoGrades,
    SaveCells,
)

import course_utils

sys.path.insert(0, str(Path(course_utils.__file__).parents[1]))  # authoring lies there, and is not installed
from authoring.grading import RestoreCells, SafeExecute, SaveCellsHere
from authoring.homework import ELSEWHERE

c = get_config()  # noqa: F821  (nbgrader defines it)

# nbgrader calls `alembic`, which lies beside this Python: found too where the environment isn't activated.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

c.CourseDirectory.course_id = "batches-and-momentum"
# The percent sources hold the solutions: they must not be copied into what students get.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.py"]

# What comes from authoring.grading is this course's; the rest is nbgrader's own, in its own order.
c.Autograde.sanitize_preprocessors = [RestoreCells, OverwriteCells, CheckCellMetadata]
c.Autograde.autograde_preprocessors = [
    SafeExecute,
    IgnorePattern,
    LimitOutput,
    SaveAutoGrades,
    AssignLatePenalties,
    CheckCellMetadata,
]
# The sources are in a language that nobody else knows, and saved under a kernel that does not exist:
# nbgrader without these settings refuses to give them out, and to mark.
c.ClearSolutions.code_stub = {ELSEWHERE: "# YOUR CODE HERE\nraise NotImplementedError()"}
c.GenerateAssignment.preprocessors = [
    SaveCellsHere if step is SaveCells else step
    for step in GenerateAssignment.class_traits()["preprocessors"].default()
]

# zip_collect takes what platforms really write, names what it leaves out, and may be run again.
c.ZipCollectApp.extractor_plugin = "authoring.collecting.Unpack"
c.ZipCollectApp.collector_plugin = "authoring.collecting.TakeSorted"
c.ZipCollectApp.force = True
# An unread answer is no 0.0 in what is exported.
c.ExportApp.plugin_class = "authoring.marking.Marks"
# A page made before a mark was given is no feedback.
c.GenerateFeedback.force = True
# Markdown is cleaned where it is shown: in formgrader and in feedback.
c.HTMLExporter.filters = {"markdown2html": "authoring.grading.shown_markdown"}

# No cell of a right answer takes longer than a few seconds on two cores; 30 s leave a slow machine a wide margin.
# An endless loop costs its student the question, and the class this long for each cell that runs into it.
c.SafeExecute.timeout = 30
c.SafeExecute.iopub_timeout = 10  # after an interrupt: what is still printing then is given a fresh kernel
c.SafeExecute.shutdown_kernel = "immediate"  # nothing is left to tidy up in a kernel that has been graded
c.SafeExecute.max_output = 1_000_000  # characters a cell, room for some figures
c.SafeExecute.max_seconds = 300  # for a whole hand-in, however many cells it has
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 30
