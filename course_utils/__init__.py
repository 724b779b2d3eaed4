"""The small package behind the lessons: what a reader need not read in order to follow them."""
