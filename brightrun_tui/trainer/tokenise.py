"""``python -m brightrun_tui.trainer.tokenise RUN_DIRECTORY TOKENIZER``: the data as tokens, before a machine is paid for.

The specification comes on standard input. What makes the data unusable is written to standard output, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import WorkerExit
from brightrun_tui.domain.run import RunSpec
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.importing import without_garbage_collection, without_torch


def main(run_directory: str, tokenizer_directory: str) -> int:
    """Return the exit code."""
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="true", TRANSFORMERS_VERBOSITY="error")
    with without_garbage_collection(), without_torch():
        from brightrun_tui.trainer.data.prepare import prepare_data
        from brightrun_tui.trainer.data.template import chat_template
        from brightrun_tui.trainer.model.base_model import embedding_rows, load_config, load_tokenizer, longest_context
        from brightrun_tui.trainer.objectives import load_objective
        from brightrun_tui.trainer.runtime.limits import leave_others_memory

    leave_others_memory()
    spec = RunSpec.model_validate_json(sys.stdin.read())
    objective = spec.settings.training.objective
    try:
        tokenizer = load_tokenizer(tokenizer_directory, "")
        config = load_config(tokenizer_directory, "")
        prepare_data(
            RunDirectory(Path(run_directory)),
            spec.settings.data,
            tokenizer,
            chat_template(tokenizer),
            longest_context(config, tokenizer),
            embedding_rows(config),
            lambda code, message: None,
            load_objective(objective).examples,
            objective,
        )
    except BrightrunError as error:
        print(json.dumps(error.as_dict()))
        return WorkerExit.FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
