"""One complete model as a GGUF file with its Modelfile: for llama.cpp, Ollama, LM Studio."""

from __future__ import annotations

from functools import partial

from brightrun_tui.registry.export_kind import ExportKind
from brightrun_tui.registry.exports.merging import write_whole_model

Q8_0 = ExportKind(
    name="gguf",
    ending="-gguf",
    order=22,
    write=partial(write_whole_model, form="q8_0"),
    gives="A GGUF file in 8 bits with an Ollama Modelfile, measured beside the graded model: for llama.cpp, Ollama, LM Studio.",
)
F16 = ExportKind(
    name="gguf-f16",
    ending="-gguf-f16",
    order=24,
    write=partial(write_whole_model, form="f16"),
    gives="The same in 16 bits: twice as large, nothing rounded away.",
)
Q4_K_M = ExportKind(
    name="gguf-q4",
    ending="-gguf-q4",
    order=26,
    write=partial(write_whole_model, form="q4_k_m"),
    gives="The same in 4 bits (Q4_K_M): half of 8 bits, and measured, because it is the one that can lose something.",
)
