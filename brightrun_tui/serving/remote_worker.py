"""The worker of an endpoint on a machine that is not its gate's: ``python -m brightrun_tui.serving.remote_worker DIRECTORY``.

DIRECTORY has ``endpoint.json`` and the adapter, and the base model where that was sent; else it is fetched from the Hub here. The
worker listens on a socket in DIRECTORY that only SSH reaches, and goes on until it is killed or its machine is returned.
"""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatch
from pathlib import Path

from brightrun_tui.files import write_atomic
from brightrun_tui.process import begin_privately
from brightrun_tui.serving.plan import EndpointPlan, read_plan
from brightrun_tui.serving.view import TOKENIZER_FILES, VIEW, WEIGHT_PATTERNS, build_view
from brightrun_tui.serving.worker import serve, telling_why
from brightrun_tui.serving.worker_files import NOTE, SOCKET


def main(directory: Path) -> int:
    """Serve until the process ends; 1 when the model cannot be loaded."""
    begin_privately()
    os.chdir(directory)
    Path(SOCKET).unlink(missing_ok=True)
    with telling_why():
        plan = read_plan(Path())
        base = plan.base or fetch_base(plan)
        build_view(Path(VIEW), base=base, base_id=plan.base_id, adapter=Path(plan.adapter), ref=plan.ref)
        serve(plan.model_copy(update={"base": base}))
    return 0


def fetch_base(plan: EndpointPlan) -> str:
    """Fetch the base from the Hub in the revision that the adapter was trained on; of weights in two formats only one."""
    from huggingface_hub import HfApi

    write_atomic(Path(NOTE), f"fetching {plan.base_id} from the Hub")
    name, _, revision = plan.base_id.partition("@")
    api = HfApi(token=False)
    there = api.list_repo_files(name, revision=plan.base_revision or revision or None)
    wanted = [each for each in there if any(fnmatch(each, pattern) for pattern in (*WEIGHT_PATTERNS, *_SMALL))]
    if any(each.endswith(".safetensors") for each in wanted):
        wanted = [each for each in wanted if not each.startswith("pytorch_model")]
    found = api.snapshot_download(name, revision=plan.base_revision or revision or None, allow_patterns=wanted)
    write_atomic(Path(NOTE), "")
    return str(found)


_SMALL = ("config.json", "generation_config.json", *TOKENIZER_FILES)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
