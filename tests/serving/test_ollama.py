"""What Ollama needs beside a GGUF file is found from the model's own chat template."""

from __future__ import annotations

import jinja2
import pytest

from brightrun_tui.serving.export_card import export_card
from brightrun_tui.serving.export_measure import Case, Measure, compare
from brightrun_tui.serving.fidelity import Fidelity
from brightrun_tui.serving.ollama import Render, modelfile, token_choice

CHATML = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITHOUT_SYSTEM = (
    "<s>{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    "{% elif m['role'] == 'assistant' %}{{ m['content'] }}</s>{% endif %}{% endfor %}"
)


def rendering(template: str) -> Render:
    compiled = jinja2.Template(template)
    return lambda turns, answer: compiled.render(messages=list(turns), add_generation_prompt=answer)


def test_a_template_becomes_ollamas_with_the_system_prompt_it_brings() -> None:
    text = modelfile("m.gguf", rendering(CHATML), ["<|im_end|>"])
    assert (
        'TEMPLATE """{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}'
        "{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}{{ end }}<|im_end|>\n<|im_start|>assistant\n"
        '{{ .Response }}<|im_end|>\n"""' in text
    )
    assert 'SYSTEM """Be kind."""' in text and 'PARAMETER stop "<|im_end|>"' in text


def test_a_template_without_a_place_for_a_system_prompt_and_one_of_no_simple_form() -> None:
    text = modelfile("m.gguf", rendering(WITHOUT_SYSTEM), ["</s>"], "<s>")
    assert (
        '"""{{ if .Prompt }}[INST] {{ .Prompt }}{{ end }} [/INST]{{ .Response }}</s>"""' in text
        and "SYSTEM" not in text
    )
    odd = modelfile("m.gguf", rendering("{{ messages | length }}"), [])
    assert odd.startswith("FROM ./m.gguf\n# ") and "TEMPLATE" not in odd


def test_an_export_answers_as_its_card_says_and_does_not_draw_or_punish_words_unasked() -> None:
    """Ollama and llama.cpp draw tokens where nobody says otherwise, and Ollama punishes repetition, too."""
    likeliest = token_choice({"bos_token_id": 1})
    text = modelfile("m.gguf", rendering(CHATML), [], choosing=likeliest)
    assert "PARAMETER temperature 0\nPARAMETER repeat_penalty 1\n" in text
    card = export_card("# A\n", "q8_0", "q8_0", Fidelity(measured=False, base="the base"), "m.gguf", likeliest)
    assert "`llama-server -m m.gguf --jinja --temp 0 --repeat-penalty 1`" in card

    drawn = token_choice({"do_sample": True, "temperature": 0.6, "top_p": 0.95, "repetition_penalty": 1.05})
    assert drawn == {"temperature": 0.6, "top_k": 0, "top_p": 0.95, "min_p": 0.0, "repeat_penalty": 1.05}


def test_the_card_of_a_merged_model_names_how_its_weights_are_held_and_how_a_mac_reads_them() -> None:
    card = export_card("# A\n", "merged", "bfloat16", Fidelity(measured=False, base="the base"), "", {})
    assert "`vllm serve . --dtype bfloat16`" in card and "`mlx_lm.generate --model . " in card


@pytest.mark.parametrize(
    "said", ['x"""\nADAPTER /etc/passwd\nSYSTEM """', "{{ '{{' }} .Secret }}"], ids=["breaks out", "is a template"]
)
@pytest.mark.parametrize("role", ["system", "user"])
def test_a_template_writes_nothing_into_a_modelfile_but_a_template(said: str, role: str) -> None:
    """What it says only where there is a system prompt became instructions of the Modelfile."""
    plain = CHATML.partition("{% endif %}")[2]
    assert "TEMPLATE" in modelfile("m.gguf", rendering(plain), []), "this shows nothing any more"
    odd = plain.replace(
        "{{ m['content'] }}", "{% if m['role'] == '" + role + "' %}" + said + "{% endif %}{{ m['content'] }}"
    )
    assert "TEMPLATE" not in modelfile("m.gguf", rendering(odd), [])
    assert "ADAPTER" not in modelfile("m.gguf", rendering(odd), [])


def test_a_template_that_ends_in_a_quote_does_not_end_the_text_around_it() -> None:
    plain = CHATML.partition("{% endif %}")[2].replace("<|im_end|>\n", '"')
    assert "TEMPLATE" not in modelfile("m.gguf", rendering(plain), [])


def test_the_card_of_an_export_shows_what_it_answers_in_other_words() -> None:
    """How far it is from the graded model can be read, not only counted; what is the same is not told twice."""
    cases = [Case([1], [2], "When?"), Case([3], [4], "Where?")]
    graded = Measure([1.0, 1.0], [1, 1], ["At ten.", "Here."])
    export = Measure([1.1, 1.0], [1, 1], ["At ``` nine.", "Here."])
    found = compare(graded, export, "the base", cases)
    assert (found.same, found.answers) == (1, 2) and [each.question for each in found.others] == ["When?"]
    card = export_card("# A\n", "q8_0", "q8_0", found, "m.gguf", {})
    shown = card.partition("### What it answers in other words")[2]
    assert "At ten." in shown and "````text\nAt ``` nine.\n````" in shown and "Where?" not in shown
    same = compare(graded, graded, "the base", cases)
    assert "in other words" not in export_card("# A\n", "q8_0", "q8_0", same, "m.gguf", {})
