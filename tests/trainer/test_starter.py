"""The starter base model: made here, whole or not at all, and a real Hugging Face model like any other."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from brightrun_tui.trainer.starter import MARKER, Shape, StarterRecipe, ensure_starter, is_complete
from brightrun_tui.trainer.starter.corpus import Document, make_documents
from brightrun_tui.trainer.starter.packing import pack
from brightrun_tui.trainer.starter.tokenizer import render

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.files import sha256

SMALL = StarterRecipe(shape=Shape(vocab_size=600, hidden_size=64, intermediate_size=96, num_hidden_layers=2),
                      tokenizer_documents=300, steps=6, rows=2, row_length=96)
"""The same recipe in miniature: two seconds instead of a minute."""

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a fern?"},
        {"role": "assistant", "content": "A fern is a plant."}, {"role": "user", "content": "Thanks, Ida."},
        {"role": "assistant", "content": "You are welcome."}]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_starter(tmp_path_factory.mktemp("bases") / "starter", SMALL)


def test_the_same_recipe_gives_the_same_model_and_tokenizer(made: Path, tmp_path: Path) -> None:
    again = ensure_starter(tmp_path / "starter", SMALL)
    for name in ("model.safetensors", "tokenizer.json", "config.json", MARKER):
        assert sha256(made / name) == sha256(again / name), name


def test_the_texts_are_the_same_on_every_python_version() -> None:
    """If this fails because the corpus was changed on purpose, raise recipe.GENERATION and write the new digest here."""
    import hashlib

    digest = hashlib.sha256("".join(render(document) for document in islice(make_documents(5), 3000)).encode()).hexdigest()
    assert digest[:16] == "664622f843e0e651"


def test_transformers_loads_it_and_computes_what_was_trained(made: Path) -> None:
    import torch
    from brightrun_tui.trainer.starter.network import Network, as_llama
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    model, tokenizer = AutoModelForCausalLM.from_pretrained(made), AutoTokenizer.from_pretrained(made)
    assert isinstance(model, LlamaForCausalLM)
    assert len(tokenizer) == model.config.vocab_size == SMALL.shape.vocab_size
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    ids = torch.randint(0, SMALL.shape.vocab_size, (2, 40), generator=torch.Generator().manual_seed(1))
    network = Network(SMALL.shape, seed=3)
    with torch.no_grad():
        for weight in [network.embedding, *network.matrices()]:
            weight.mul_(5)  # differences must not hide behind tiny logits
        missing, unexpected = model.load_state_dict(as_llama(network), strict=False)
        assert missing == ["lm_head.weight"] and not unexpected
        torch.testing.assert_close(model(ids).logits, network(ids), rtol=1e-4, atol=1e-4)


def test_its_template_marks_what_the_assistant_says_and_the_end_of_the_turn(made: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    encoded = tokenizer.apply_chat_template(CHAT, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
    marked = [token for token, mask in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mask]
    assert tokenizer.decode(marked) == "A fern is a plant.<|im_end|>You are welcome.<|im_end|>"
    said = [message["content"] for message in CHAT]
    document = Document(system=said[0], turns=((said[1], said[2]), (said[3], said[4])))
    assert tokenizer.apply_chat_template(CHAT, tokenize=False) + "<|endoftext|>" == render(document)
    prompt = tokenizer.apply_chat_template(CHAT[:2], tokenize=False, add_generation_prompt=True)
    assert render(document).startswith(prompt)
    parts = [{"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "a fern?"}]}]
    assert tokenizer.apply_chat_template(parts, tokenize=False) == tokenizer.apply_chat_template(CHAT[1:2], tokenize=False)


def test_any_text_comes_back_from_the_tokenizer_as_it_was(made: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    for text in ("Where is order 4817?", "£12.50 — “naïve” café, 日本 🌱", "  two\n\nlines\t", "It's 9:30 , isn't it ?"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_signs_that_the_texts_never_contain_can_be_learnt_later() -> None:
    """Brackets, umlauts and foreign scripts: training alone moves all of them to one row, which fine-tuning cannot undo."""
    import torch
    from brightrun_tui.trainer.starter.pretrain import tell_apart
    from torch.nn.functional import normalize

    generator = torch.Generator().manual_seed(5)
    known = torch.randn(40, 64, generator=generator) * 3
    common = torch.randn(64, generator=generator) * 5
    unmet = common + torch.randn(30, 64, generator=generator) * 0.1
    embedding = torch.cat([common[None], known, unmet])
    tell_apart(embedding, 0, seed=1)
    assert torch.equal(embedding[1:41], known) and torch.equal(embedding[0], common)
    rows = normalize(embedding[41:], dim=1)
    assert (rows @ rows.T).fill_diagonal_(0).max() < 0.7
    assert (normalize(embedding[41:], dim=1) @ normalize(common, dim=0)).mean() > 0.1, "nobody said them, and that is kept"


def test_a_made_starter_is_found_again_at_once(made: Path) -> None:
    before, said = (made / "model.safetensors").stat().st_mtime_ns, []
    begun = time.monotonic()
    assert ensure_starter(made, SMALL, lambda fraction, what: said.append(fraction)) == made
    assert time.monotonic() - begun < 0.5 and said == [1.0]
    assert (made / "model.safetensors").stat().st_mtime_ns == before


def test_a_build_that_is_killed_leaves_no_half_model_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    target = tmp_path / "starter"
    process = subprocess.Popen([sys.executable, "-m", "brightrun_tui.trainer.starter", str(target), "--json"],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if "step" in json.loads(line)["what"]:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not target.exists()
    assert any(path.name.startswith(".starter.building-") for path in tmp_path.iterdir())
    ensure_starter(target, SMALL)
    assert is_complete(target, SMALL)
    assert {path.name for path in tmp_path.iterdir()} <= {"starter", ".starter.lock"}


def test_a_build_that_is_asked_to_stop_cleans_up_and_says_so(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-m", "brightrun_tui.trainer.starter", str(tmp_path / "starter"), "--json"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if "step" in json.loads(line)["what"]:
            break
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {".starter.lock"}


def _ensure(target: Path) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    ensure_starter(target, SMALL)


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    target = tmp_path / "starter"
    context = multiprocessing.get_context("spawn")
    builders = [context.Process(target=_ensure, args=(target,)) for _ in range(2)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(timeout=120)
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert is_complete(target, SMALL)
    assert {path.name for path in tmp_path.iterdir()} <= {"starter", ".starter.lock"}


def test_an_older_starter_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    """Adapters were trained on it; it must not vanish under them."""
    from dataclasses import replace

    older = replace(SMALL, steps=1)
    target = ensure_starter(tmp_path / "starter", older)
    weights = sha256(target / "model.safetensors")
    ensure_starter(target, SMALL)
    assert is_complete(target, SMALL)
    assert sha256(tmp_path / f"starter-{older.fingerprint()}" / "model.safetensors") == weights


def test_a_directory_with_other_things_in_it_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(BaseModelError, match="something else"):
        ensure_starter(tmp_path, SMALL)
    assert (tmp_path / "letters.txt").read_text() == "mine"


def test_a_damaged_starter_is_made_again(tmp_path: Path) -> None:
    target = ensure_starter(tmp_path / "starter", SMALL)
    weights = sha256(target / "model.safetensors")
    (target / "model.safetensors").write_bytes(b"short")
    assert not is_complete(target, SMALL)
    ensure_starter(target, SMALL)
    assert sha256(target / "model.safetensors") == weights


def test_rows_are_full_and_begin_with_a_document() -> None:
    documents = [[number] * (1 + number % 7) for number in range(1, 400)]
    rows = list(pack(iter(documents), 20, 0))
    assert all(len(row) == 20 for row in rows)
    assert sorted(token for row in rows for token in row if token) == sorted(token for one in documents for token in one)
    assert sum(token == 0 for row in rows for token in row) < 0.05 * 20 * len(rows)


def test_documents_in_one_row_do_not_see_each_other_and_answers_count_most(made: Path) -> None:
    """Each token's prediction is the one it gets when its document stands alone; questions weigh less, filler nothing."""
    import torch
    from brightrun_tui.trainer.starter.network import Network
    from brightrun_tui.trainer.starter.pretrain import Marks, own_document, token_weights
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(made / "tokenizer.json"))
    marks = Marks.of(tokenizer)
    chat = Document(turns=(("What is a fern?", "A plant."),), system="Be brief.")
    first, second = (tokenizer.encode(render(document)).ids for document in (chat, Document(text="Anna likes tea.")))
    row = torch.tensor([first + second + [marks.pad] * 3])
    network = Network(SMALL.shape, seed=2)
    with torch.no_grad():
        together = network(row, own_document(row, marks))[0]
        torch.testing.assert_close(together[:len(first)], network(torch.tensor([first]))[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together[len(first):-3], network(row[:, len(first):-3])[0], rtol=1e-4, atol=2e-5)
    weights = token_weights(row, marks, 0.5)[0]
    assert tokenizer.decode(row[0][weights == 1].tolist(), skip_special_tokens=False).replace(" ", "") == \
        "<|im_start|>assistant\nAplant.<|im_end|>\n<|endoftext|>Annalikestea.<|endoftext|>"
    assert weights[-3:].tolist() == [0, 0, 0]


def test_the_command_reports_progress_and_errors_as_json(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    command = [sys.executable, "-m", "brightrun_tui.trainer.starter", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["kind"] == "starter_target_taken"
    assert "Traceback" not in done.stderr
