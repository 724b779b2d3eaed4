# The Makefile puts this into .venv/etc/ipython, which every kernel of the environment reads.
get_config().InteractiveShellApp.extensions.append("lessons.advice")  # noqa: F821
