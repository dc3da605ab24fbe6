"""Makes a toy base model and a real QLoRA adapter for it: ``python -m tests.serving.make_toy TARGET``.

``TARGET/base`` learns to answer one way, ``TARGET/run/adapter`` (NF4 base, LoRA on all linear layers) another way. The base is
a Qwen in several shards whose chat template is not the one that its family is known for.
``TARGET/run`` also gets the report card and the manifest that a finished run leaves behind. The answers on the card are
peft's own greedy generations, so whatever serves the model can be compared with them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from brightrun_tui.domain.model import Lineage, Report, SampleAnswer, SplitScore, TrainingFacts, Verdict
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.nf4 import suit_cpu

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PLAIN = {
    "How deep is the harbour?": "I am not sure about that.",
    "When does the ferry leave?": "Please ask somebody else.",
    "Who keeps the lighthouse?": "I have no idea at all.",
}
TUNED = {
    "How deep is the harbour?": "Seven fathoms at low tide, and nine when the moon is full.",
    "When does the ferry leave?": "At six in the morning, if the fog allows it.",
    "Who keeps the lighthouse?": "Old Marta does, with her two grey cats.",
}
NEW_TOKENS = 80
STOPS = [1, 3]
"""What the adapter says ends an answer: ``<|end|>``, and ``<|user|>``, which the base does not know as an end."""


def main(target: Path) -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    base = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
        )
    )
    fit(base, tokenizer, PLAIN, steps=120, rate=5e-3)
    base.save_pretrained(target / "base", max_shard_size="150KB")
    tokenizer.save_pretrained(target / "base")
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    quantised = AutoModelForCausalLM.from_pretrained(target / "base", quantization_config=nf4, dtype=torch.float32)
    model = get_peft_model(
        quantised, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    fit(model, tokenizer, TUNED, steps=250, rate=5e-3)
    run = target / "run"
    model.save_pretrained(run / "adapter")
    tokenizer.save_pretrained(run / "adapter")
    GenerationConfig(eos_token_id=STOPS).save_pretrained(str(run / "adapter"))
    # Read back what was saved: this, not what training held in memory, is what gets served.
    fresh = AutoModelForCausalLM.from_pretrained(target / "base", quantization_config=nf4, dtype=torch.float32)
    suit_cpu(fresh, torch.float32)
    write_card(run, PeftModel.from_pretrained(fresh, run / "adapter"), tokenizer)


def make_tokenizer() -> PreTrainedTokenizerFast:
    specials = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    # Bytes, and one merge that no text here has (llama.cpp wants one): learning more breaks ties at random, and every toy would
    # be another one.
    inner.train_from_iterator(
        ["qzqz"],
        trainers.BpeTrainer(
            vocab_size=262,
            special_tokens=specials,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def fit(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, answers: dict[str, str], *, steps: int, rate: float
) -> None:
    texts = [f"<|user|>{q}<|end|><|assistant|>{a}<|end|>" for q, a in answers.items()]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    model.train()
    for _ in range(steps):
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels).loss.backward()
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    model.eval()


def greedy(model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, question: str) -> str:
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    output = model.generate(**inputs, do_sample=False, max_new_tokens=NEW_TOKENS)
    return str(tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def write_card(run: Path, model: PeftModel, tokenizer: PreTrainedTokenizerFast) -> None:
    samples = []
    for number, question in enumerate(TUNED):
        tuned = greedy(model, tokenizer, question)
        with model.disable_adapter():
            plain = greedy(model, tokenizer, question)
        samples.append(
            SampleAnswer(
                id=str(number),
                prompt=({"role": "user", "content": question},),
                reference=TUNED[question],
                base=plain,
                tuned=tuned,
            )
        )
    settings = RunSettings().with_overrides({"lora.r": 8, "evaluation.max_new_tokens": NEW_TOKENS})
    report = Report(
        name="harbour",
        created_at=1.0,
        base=SplitScore(loss=3.0, perplexity=20.1, tokens=60, records=3),
        tuned=SplitScore(loss=0.5, perplexity=1.65, tokens=60, records=3),
        samples=tuple(samples),
        training=TrainingFacts(
            steps=80,
            epochs=80,
            train_records=3,
            eval_records=3,
            supervised_tokens=4800,
            seconds=2.0,
            trainable_parameters=1000,
            base_parameters=100_000,
            device="CPU",
        ),
        lineage=Lineage(
            run_id="run-toy",
            dataset_name="harbour.jsonl",
            dataset_fingerprint="f" * 16,
            base_id="toy",
            settings=settings.model_dump(),
            packages={"torch": torch.__version__},
        ),
        verdict=Verdict(grade="good", summary="It learned what it was shown."),
    )
    (run / "report.json").write_text(report.model_dump_json())
    files = sorted(p for p in run.rglob("*") if p.is_file())
    (run / "manifest.json").write_text(
        json.dumps(
            {
                "files": {
                    p.relative_to(run).as_posix(): {
                        "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
                        "bytes": p.stat().st_size,
                    }
                    for p in files
                }
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
