"""The small model that tests and benchmarks train: the same every time, and a real Hugging Face model like any other."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

import pytest

from brightrun_tui.files import sha256
from tests.small_model import MARKER, Recipe, Shape, ensure_small_model, is_complete
from tests.small_model.corpus import Document, make_documents
from tests.small_model.packing import pack
from tests.small_model.tokenizer import render

SMALL = Recipe(
    shape=Shape(vocab_size=600, hidden_size=64, intermediate_size=96, num_hidden_layers=2),
    tokenizer_documents=300,
    steps=6,
    rows=2,
    row_length=96,
)
"""The same recipe in miniature: two seconds instead of a minute."""

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a fern?"},
    {"role": "assistant", "content": "A fern is a plant."},
    {"role": "user", "content": "Thanks, Ida."},
    {"role": "assistant", "content": "You are welcome."},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_small_model(tmp_path_factory.mktemp("bases") / "small", SMALL)


def test_the_same_recipe_gives_the_same_model_and_tokenizer(made: Path, tmp_path: Path) -> None:
    again = ensure_small_model(tmp_path / "small", SMALL)
    for name in ("model.safetensors", "tokenizer.json", "config.json", MARKER):
        assert sha256(made / name) == sha256(again / name), name


def test_the_texts_are_the_same_on_every_python_version() -> None:
    """If this fails because the corpus was changed on purpose, raise recipe.GENERATION and write the new digest here."""
    import hashlib

    digest = hashlib.sha256(
        "".join(render(document) for document in islice(make_documents(5), 3000)).encode()
    ).hexdigest()
    assert digest[:16] == "664622f843e0e651"


def test_transformers_loads_it_and_computes_what_was_trained(made: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    from tests.small_model.network import Network, as_llama

    model, tokenizer = AutoModelForCausalLM.from_pretrained(made), AutoTokenizer.from_pretrained(made)
    assert isinstance(model, LlamaForCausalLM)
    assert len(tokenizer) == model.config.vocab_size == SMALL.shape.vocab_size
    assert (
        model.generation_config.eos_token_id == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    )
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
    assert tokenizer.apply_chat_template(parts, tokenize=False) == tokenizer.apply_chat_template(
        CHAT[1:2], tokenize=False
    )


def test_any_text_comes_back_from_the_tokenizer_as_it_was(made: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    for text in (
        "Where is order 4817?",
        "£12.50 — “naïve” café, 日本 🌱",
        "  two\n\nlines\t",
        "It's 9:30 , isn't it ?",
    ):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_signs_that_the_texts_never_contain_can_be_learnt_later() -> None:
    """Brackets, umlauts and foreign scripts: training alone moves all of them to one row, which fine-tuning cannot undo."""
    import torch
    from torch.nn.functional import normalize

    from tests.small_model.pretrain import tell_apart

    generator = torch.Generator().manual_seed(5)
    known = torch.randn(40, 64, generator=generator) * 3
    common = torch.randn(64, generator=generator) * 5
    unmet = common + torch.randn(30, 64, generator=generator) * 0.1
    embedding = torch.cat([common[None], known, unmet])
    tell_apart(embedding, 0, seed=1)
    assert torch.equal(embedding[1:41], known) and torch.equal(embedding[0], common)
    rows = normalize(embedding[41:], dim=1)
    assert (rows @ rows.T).fill_diagonal_(0).max() < 0.7
    assert (normalize(embedding[41:], dim=1) @ normalize(common, dim=0)).mean() > 0.1, (
        "nobody said them, and that is kept"
    )


def test_it_is_found_again_and_a_damaged_one_is_made_again(made: Path, tmp_path: Path) -> None:
    before = (made / "model.safetensors").stat().st_mtime_ns
    assert ensure_small_model(made, SMALL) == made and (made / "model.safetensors").stat().st_mtime_ns == before
    copy = Path(shutil.copytree(made, tmp_path / "copy"))
    (copy / "model.safetensors").write_bytes(b"short")
    assert is_complete(made, SMALL) and not is_complete(copy, SMALL)


def test_rows_are_full_and_begin_with_a_document() -> None:
    documents = [[number] * (1 + number % 7) for number in range(1, 400)]
    rows = list(pack(iter(documents), 20, 0))
    assert all(len(row) == 20 for row in rows)
    assert sorted(token for row in rows for token in row if token) == sorted(
        token for one in documents for token in one
    )
    assert sum(token == 0 for row in rows for token in row) < 0.05 * 20 * len(rows)


def test_documents_in_one_row_do_not_see_each_other_and_answers_count_most(made: Path) -> None:
    """Each token's prediction is the one it gets when its document stands alone; questions weigh less, filler nothing."""
    import torch
    from tokenizers import Tokenizer

    from tests.small_model.network import Network
    from tests.small_model.pretrain import Marks, own_document, token_weights

    tokenizer = Tokenizer.from_file(str(made / "tokenizer.json"))
    marks = Marks.of(tokenizer)
    chat = Document(turns=(("What is a fern?", "A plant."),), system="Be brief.")
    first, second = (tokenizer.encode(render(document)).ids for document in (chat, Document(text="Anna likes tea.")))
    row = torch.tensor([first + second + [marks.pad] * 3])
    network = Network(SMALL.shape, seed=2)
    with torch.no_grad():
        together = network(row, own_document(row, marks))[0]
        torch.testing.assert_close(together[: len(first)], network(torch.tensor([first]))[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(together[len(first) : -3], network(row[:, len(first) : -3])[0], rtol=1e-4, atol=2e-5)
    weights = token_weights(row, marks, 0.5)[0]
    assert (
        tokenizer.decode(row[0][weights == 1].tolist(), skip_special_tokens=False).replace(" ", "")
        == "<|im_start|>assistant\nAplant.<|im_end|>\n<|endoftext|>Annalikestea.<|endoftext|>"
    )
    assert weights[-3:].tolist() == [0, 0, 0]
