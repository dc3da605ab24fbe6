"""What `scripts/bench/gpu.py` runs, a process for each part.

A part is a function of a module here. It is given a directory, "cuda" or "cpu" and its arguments, and yields pieces of what it
finds as it finds them. A module's ``prepare`` (if it has one) does what can be done before it is the part's turn; what it returns
is the function's first argument.
"""
