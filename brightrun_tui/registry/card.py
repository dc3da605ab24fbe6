"""The report card as Markdown, and the model card that goes with a version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.languages import language_name
from brightrun_tui.domain.model import Report
from brightrun_tui.planning.catalogue import catalogue
from brightrun_tui.planning.hub_dataset_names import parse
from brightrun_tui.registry.safety import Manifest
from brightrun_tui.registry.scores import (
    GRADES_MEAN,
    LOSS_MEANS,
    PERPLEXITY_MEANS,
    QUANTISED_BASE_MEANS,
    corrections_line,
    grades_line,
    mark_words,
    measured_on,
    ruling_words,
    score_lines,
)
from brightrun_tui.registry.training import computed_in_32_bits, held_in, left_out, slower, times

MAX_ANSWER_CHARACTERS = 2000


def report_markdown(report: Report, caution: str = "") -> str:
    """Return the report card in Markdown: verdict, scores, answers side by side, training facts, lineage.

    ``caution``: what to know before reading the verdict.
    """
    parts = [f"# {_inline(report.name)}", *([f"*{_inline(caution)}*"] if caution else [])]
    parts += [f"**{report.verdict.grade.capitalize()}.** {_inline(report.verdict.summary)}"]
    parts += [f"{_inline(grades).capitalize()}. ({GRADES_MEAN})"] if (grades := grades_line(report)) else []
    parts += ["\n".join(f"- {_inline(reason)}" for reason in report.verdict.reasons)] if report.verdict.reasons else []
    if report.verdict.advice:
        parts += [
            "## What to try next",
            "\n".join(
                f"{number}. {_inline(each.why)}\n\n   {_fenced(each.command, '   ')}"
                for number, each in enumerate(report.verdict.advice, 1)
            ),
        ]
    parts += [f"## On {measured_on(report)}", _scores(report)]
    for category, values in report.by_category.items():
        rows = [
            (value, f"{scores.get('base', float('nan')):.4f}", f"{scores.get('tuned', float('nan')):.4f}")
            for value, scores in values.items()
        ]
        parts += [f"### Loss by {_inline(category)}", _table((category, "base", "tuned"), rows)]
    if report.corrections:
        parts += [
            "## What was corrected",
            f"{corrections_line(report).capitalize()}.",
            _table(
                ("asked", "wanted", "answers now", ""),
                [(each.question, each.wanted, each.answer or "(nothing)", each.mark) for each in report.corrections],
            ),
        ]
    if report.samples:
        parts += [
            "## The same questions, before and after",
            *(_sample(report, number) for number in range(len(report.samples))),
        ]
    parts += ["## Training", _training(report), "## Where it comes from", _lineage(report)]
    return "\n\n".join(parts) + "\n"


def _scores(report: Report) -> str:
    return _table(
        ("", "base", "tuned", "what it means"),
        [
            ("loss", f"{report.base.loss:.4f}", f"{report.tuned.loss:.4f}", LOSS_MEANS),
            *(
                [("loss of the 4-bit base", f"{report.quantised_base.loss:.4f}", "", QUANTISED_BASE_MEANS)]
                if report.quantised_base
                else []
            ),
            ("perplexity", f"{report.base.perplexity:.3f}", f"{report.tuned.perplexity:.3f}", PERPLEXITY_MEANS),
            ("records", str(report.base.records), str(report.tuned.records), ""),
            ("tokens", f"{report.base.tokens:,}", f"{report.tuned.tokens:,}", ""),
            *(
                (line.what, line.base, f"{line.tuned} ({line.note})" if line.note else line.tuned, line.means)
                for line in score_lines(report)
            ),
        ],
    )


def _training(report: Report) -> str:
    facts = report.training
    return _table(
        ("what", "value"),
        [
            ("steps", f"{facts.steps}" + (" (stopped early)" if facts.early_stopped else "")),
            ("epochs", f"{facts.epochs:.2f}"),
            ("training records", f"{facts.train_records:,}"),
            ("tokens learnt from", f"{facts.supervised_tokens:,}"),
            ("records left out", f"{facts.records_dropped:,}"),
            ("records cut", f"{facts.records_truncated:,}"),
            ("adapter parameters", f"{facts.trainable_parameters:,}"),
            ("base parameters", f"{facts.base_parameters:,}"),
            ("device", facts.device),
            ("time of training", f"{facts.seconds:,.0f} s"),
            *(
                (f"time: {what}", f"{took:,.0f} s" + (f" ({planned:,.0f} s expected)" if planned is not None else ""))
                for what, took, planned in times(report)
            ),
            ("longer than expected", slower(report)),
            ("sample prompts", left_out(report)),
            ("cost", humanize.money(report.cost_usd)),
        ],
    )


def _lineage(report: Report) -> str:
    lineage = report.lineage
    settings = [
        (f"{group}.{name}", str(value))
        for group, values in lineage.settings.items()
        if isinstance(values, dict)
        for name, value in values.items()
    ]
    return _table(
        ("what", "value"),
        [
            ("run", lineage.run_id),
            ("dataset", lineage.dataset_name),
            ("dataset source", lineage.dataset_source),
            ("dataset fingerprint", lineage.dataset_fingerprint),
            ("languages", ", ".join(map(language_name, lineage.languages))),
            ("base model", lineage.base_id),
            ("base license", lineage.base_license),
            ("base revision", lineage.base_revision),
            ("base fingerprint", lineage.base_fingerprint),
            *([("base weights", f"dequantised {lineage.base_quantisation}")] if lineage.base_quantisation else []),
            ("base held in", held_in(report)),
            ("template", lineage.template),
            *settings,
            *sorted(lineage.packages.items()),
        ],
    )


def model_card(report: Report, manifest: Manifest) -> str:
    """Return a version's ``README.md``, with the metadata that the Hugging Face Hub reads."""
    from huggingface_hub import EvalResult, ModelCardData

    on_hub = "/" in manifest.base
    data: dict[str, Any] = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lora", "qlora", "brightrun"],
        "model_name": manifest.model,
        "eval_results": [
            EvalResult(
                task_type="text-generation",
                dataset_type="held-out",
                dataset_name=report.lineage.dataset_name or "held-out records",
                metric_type=name,
                metric_value=round(value, 4),
            )
            for name, value in (("loss", report.tuned.loss), ("perplexity", report.tuned.perplexity))
        ],
    }
    if on_hub:
        data |= {"base_model": manifest.base, "base_model_relation": "adapter"}
    lineage = report.lineage
    of_catalogue = next((base.license for base in catalogue().base if base.id == manifest.base), "")
    if license_ := lineage.base_license or of_catalogue:
        data["license"] = license_
    if lineage.languages:
        data["language"] = list(lineage.languages)
    with suppress(UsageError):  # it is not a dataset of the Hub
        data["datasets"] = [parse(lineage.dataset_source).repository]
    return (
        f"---\n{ModelCardData(**data).to_yaml()}\n---\n\n{report_markdown(report)}\n{_usage(report, manifest, on_hub)}"
    )


def _usage(report: Report, manifest: Manifest, on_hub: bool) -> str:
    """Say how to load what was graded, the base held as in training, and to end an answer where the model ends its turn."""
    quantisation = report.lineage.quantisation
    in_4_bits = quantisation.method != "none"
    held = (
        'BitsAndBytesConfig(\n    load_in_4bit=True, bnb_4bit_quant_type="nf4", '
        f"bnb_4bit_use_double_quant={quantisation.double_quant}\n)"
    )
    arguments = [f'"{manifest.base}"']
    arguments += [f'revision="{manifest.base_revision}"'] if manifest.base_revision else []
    arguments += ["quantization_config=held"] if in_4_bits else []
    arguments += ['dtype="float32"'] if computed_in_32_bits(report) else []  # else as the base's own configuration says
    names = [
        "AutoModelForCausalLM",
        "AutoTokenizer",
        *(["BitsAndBytesConfig"] if in_4_bits else []),
        "GenerationConfig",
    ]
    lines = [
        "from peft import PeftModel",
        f"from transformers import {', '.join(names)}",
        "",
        *([f"held = {held}  # as it was trained and graded"] if in_4_bits else []),
        f"base = AutoModelForCausalLM.from_pretrained({', '.join(arguments)})",
        'model = PeftModel.from_pretrained(base, ".")',
        'tokenizer = AutoTokenizer.from_pretrained(".")',
        'ends = GenerationConfig.from_pretrained(".").eos_token_id',
        'messages = [{"role": "user", "content": "Hello"}]',
        "inputs = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True',
        ").to(model.device)",
        "output = model.generate(**inputs, max_new_tokens=256, do_sample=False, eos_token_id=ends)",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
    ]
    code = "\n".join(lines)
    note = (
        "" if on_hub else "\nThe base model is not on the Hugging Face Hub: put the path of your copy in its place.\n"
    )
    dtype = "float16" if quantisation.compute_dtype == "float16" else "bfloat16"
    vllm = (
        f"vllm serve {manifest.base} --dtype {dtype} --enable-lora --lora-modules {manifest.model}=. "
        f"--max-lora-rank {_rank(report)}"
    )
    otherwise = in_4_bits or computed_in_32_bits(report)
    caution = " It computes in 16 bits, so answers can differ: export “merged” for it." if otherwise else ""
    return f"## Use\n\n```python\n{code}\n```\n{note}\nWith vLLM: `{vllm}`.{caution}\n"


def _rank(report: Report) -> int:
    lora = report.lineage.settings.get("lora")
    rank = lora.get("r") if isinstance(lora, dict) else None
    return rank if isinstance(rank, int) else 16


def _sample(report: Report, number: int) -> str:
    sample = report.samples[number]
    rulings = report.judgement.rulings if report.judgement else ()
    blocks = [("Question", sample.asked), ("Base model", sample.base), ("Tuned model", sample.tuned)]
    blocks += [("In the data", sample.reference)] if sample.reference else []
    judged = f"\n\n**Checked:** {checked}" if (checked := mark_words(report, number)) else ""
    judged += f"\n\n**The judge:** {_inline(ruling_words(rulings[number]))}" if number < len(rulings) else ""
    return "\n\n".join(f"**{title}**\n\n{_fenced(text)}" for title, text in blocks) + f"{judged}\n\n---"


def _fenced(text: str, indent: str = "") -> str:
    """Return a code block that the text cannot end, its lines but the first indented."""
    shown = (
        "(nothing)" if not text else text if len(text) <= MAX_ANSWER_CHARACTERS else text[:MAX_ANSWER_CHARACTERS] + " …"
    )
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    return f"{fence}text\n{shown}\n{fence}".replace("\n", f"\n{indent}")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(row for row in rows if any(row[1:]))]
    return "\n".join("| " + " | ".join(_inline(cell) for cell in line) + " |" for line in lines)


def _inline(text: str) -> str:
    """Return one line of text in which nothing is markup."""
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", " ".join(str(text).split()))
