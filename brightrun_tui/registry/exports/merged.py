"""One complete model, base included, as a directory that any program for Hugging Face models reads."""

from __future__ import annotations

from functools import partial

from brightrun_tui.registry.export_kind import ExportKind
from brightrun_tui.registry.exports.merging import write_whole_model

KIND = ExportKind(
    name="merged",
    ending="-merged",
    order=20,
    write=partial(write_whole_model, form="merged"),
    gives="One complete model, base included, measured beside the graded one: for vLLM and transformers. Takes a while.",
)
