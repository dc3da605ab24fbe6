"""The verbs of the command line, a file per family. Imported by `cli` when they are called."""
