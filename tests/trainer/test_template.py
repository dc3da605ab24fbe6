"""What the loss counts: the assistant's words and the end of its turn, by position, nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightrun_tui.domain.dataset import Message, Record, ToolCall
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.trainer.data.examples import Example, tokenise
from brightrun_tui.trainer.data.template import CHATML, PLAIN, ChatTemplate, chat_template
from brightrun_tui.trainer.model.base_model import load_tokenizer
from brightrun_tui.trainer.runtime.failures import TrainingError

from .conftest import THOUGHTFUL, UNMARKED_CHATML, build_base

LLAMA2_LIKE = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + ' ' + eos_token }}"
    "{% else %}{{ raise_exception('only user and assistant') }}{% endif %}{% endfor %}"
)
FORGETFUL = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' and loop.last %}{{ '(thinking) ' }}{% endif %}{{ m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HIDES_ANSWERS = "{% for m in messages %}{{ loop.length }}{{ m['content'] }}{% endfor %}"
END_OUTSIDE = CHATML.replace(
    "message['content'] + '<|im_end|>' }}{% endgeneration %}", "message['content'] }}{% endgeneration %}<|im_end|>"
)

CHAT = Record(
    id="a",
    messages=(
        Message(role="system", content="be kind"),
        Message(role="user", content="hello"),
        Message(role="assistant", content="good day"),
        Message(role="user", content="and now"),
        Message(role="assistant", content="bye"),
    ),
)
WITHOUT_SYSTEM = Record(id="b", messages=CHAT.messages[1:])


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return load_tokenizer(str(base), "")


def with_template(tokenizer: Any, source: str | None) -> ChatTemplate:
    tokenizer.chat_template = source
    return chat_template(tokenizer)


def trained_text(tokenizer: Any, example: Example) -> list[str]:
    """The trained stretches of an example, decoded."""
    stretches: list[list[int]] = []
    for place, (token, counted) in enumerate(zip(example.ids, example.supervised, strict=True)):
        if counted:
            if place == 0 or not example.supervised[place - 1]:
                stretches.append([])
            stretches[-1].append(int(token))
    return [tokenizer.decode(stretch) for stretch in stretches]


@pytest.mark.parametrize("source", [CHATML, UNMARKED_CHATML, END_OUTSIDE])
def test_every_answer_and_its_end_of_turn_are_trained_and_nothing_else(tokenizer: Any, source: str) -> None:
    """With markers, without, and with the end of the turn left outside of them: the same tokens count."""
    (example,) = tokenise(tokenizer, with_template(tokenizer, source), [CHAT]).examples
    assert trained_text(tokenizer, example) == ["good day<|im_end|>", "bye<|im_end|>"]


@pytest.mark.parametrize("source", [CHATML, UNMARKED_CHATML])
def test_answers_marked_as_context_are_not_trained(tokenizer: Any, source: str) -> None:
    """``train: false`` on a message keeps it in the text and out of the loss."""
    messages = tuple(m.model_copy(update={"train": m.content != "good day"}) for m in CHAT.messages)
    (example,) = tokenise(tokenizer, with_template(tokenizer, source), [Record(id="a", messages=messages)]).examples
    assert trained_text(tokenizer, example) == ["bye<|im_end|>"]
    assert "good day" in tokenizer.decode(example.ids)


def test_a_padding_token_that_is_also_the_end_of_turn_is_still_trained(tokenizer: Any) -> None:
    """Masking goes by position: pad = eos, as in many models, does not unlearn the end of turn."""
    tokenizer.pad_token = "<|im_end|>"
    (example,) = tokenise(tokenizer, with_template(tokenizer, CHATML), [CHAT]).examples
    tokenizer.pad_token = "<|endoftext|>"
    assert trained_text(tokenizer, example)[-1] == "bye<|im_end|>"


def test_templates_of_other_families_end_with_their_own_token(tokenizer: Any) -> None:
    """A template without generation prompt and with the end-of-text token behind a space."""
    (example,) = tokenise(tokenizer, with_template(tokenizer, LLAMA2_LIKE), [WITHOUT_SYSTEM]).examples
    assert trained_text(tokenizer, example) == [" good day <|im_end|>", " bye <|im_end|>"]


def test_a_template_without_system_role_gets_it_in_the_first_turn(tokenizer: Any) -> None:
    """The system text is not lost where the template refuses the role."""
    (example,) = tokenise(tokenizer, with_template(tokenizer, LLAMA2_LIKE), [CHAT]).examples
    assert "be kind\n\nhello" in tokenizer.decode(example.ids)


def test_a_template_that_rewrites_earlier_turns_gives_one_example_an_answer(tokenizer: Any) -> None:
    """Each answer is trained after exactly the text that precedes it in use."""
    prepared = tokenise(tokenizer, with_template(tokenizer, FORGETFUL), [WITHOUT_SYSTEM])
    assert prepared.split_records == 1
    answers = [trained_text(tokenizer, e) for e in prepared.examples]
    assert answers == [["(thinking) good day<|im_end|>"], ["(thinking) bye<|im_end|>"]]
    assert "(thinking) good day" not in tokenizer.decode(prepared.examples[1].ids)


@pytest.mark.parametrize(
    ("source", "opening"),
    [
        (FORGETFUL, "(thinking) "),
        (THOUGHTFUL, "<think>\n\n</think>\n\n"),
        (CHATML, ""),
        (UNMARKED_CHATML, ""),
        (LLAMA2_LIKE, ""),
        (END_OUTSIDE, ""),
    ],
)
def test_what_a_template_says_by_itself_is_learnt_but_not_measured(tokenizer: Any, source: str, opening: str) -> None:
    """Else a base model's error would be that of boilerplate which it was never shown."""
    template = with_template(tokenizer, source)
    assert template.opening == opening
    (*_, example) = tokenise(tokenizer, template, [WITHOUT_SYSTEM]).examples
    learnt, measured = trained_text(tokenizer, example)[-1], trained_text(tokenizer, example.measured)[-1]
    assert learnt.removesuffix(measured).strip() == opening.strip() and measured.strip().startswith("bye")
    assert learnt.endswith("<|im_end|>")
    cut = example.part(2, example.length)
    assert trained_text(tokenizer, cut.measured)[-1] == measured and not cut.supervised[0]


def test_a_template_that_hides_what_was_answered_is_refused_with_the_reason(tokenizer: Any) -> None:
    prepared = tokenise(tokenizer, with_template(tokenizer, HIDES_ANSWERS), [CHAT])
    assert not prepared.examples
    assert "no {% generation %} markers" in next(iter(prepared.unrenderable))


def test_a_base_without_template_gets_one_that_can_end_a_turn(tmp_path: Path) -> None:
    """The fallback is told to the user, marks answers and ends them."""
    tokenizer = load_tokenizer(str(build_base(tmp_path, chat_template=None)), "")
    template = chat_template(tokenizer)
    assert "no chat template" in template.notice and tokenizer.chat_template
    (example,) = tokenise(tokenizer, template, [CHAT]).examples
    assert trained_text(tokenizer, example) == ["good day<|im_end|>", "bye<|im_end|>"]


@pytest.mark.parametrize("source", [CHATML, UNMARKED_CHATML, LLAMA2_LIKE, PLAIN])
def test_a_prompt_is_the_beginning_of_what_was_trained(tokenizer: Any, source: str) -> None:
    """Token by token: a prompt that ends within a token of the training text would be new to the model."""
    template = with_template(tokenizer, source)
    (example,) = tokenise(tokenizer, template, [WITHOUT_SYSTEM]).examples
    turns = [{"role": m.role, "content": m.content} for m in WITHOUT_SYSTEM.messages[:-1]]
    prompt = tokenizer(template.render(turns, generation_prompt=True), add_special_tokens=False)["input_ids"]
    assert example.ids[: len(prompt)].tolist() == prompt and example.supervised[len(prompt)]
    assert tokenizer.decode(example.ids[len(prompt) :]).strip().startswith("bye")


def test_a_base_whose_answers_could_never_end_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    bare = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
    with pytest.raises(BaseModelError, match="neither a chat template nor an end-of-text token"):
        chat_template(bare)


def test_records_without_anything_to_learn_are_named_not_trained(tokenizer: Any) -> None:
    question = Record(id="q", messages=CHAT.messages[1:2])
    context = Record(id="c", messages=tuple(m.model_copy(update={"train": False}) for m in CHAT.messages))
    prepared = tokenise(tokenizer, with_template(tokenizer, CHATML), [question, CHAT, context])
    assert [e.record for e in prepared.examples] == [1]
    assert prepared.unsupervised == ["q", "c"]


def test_refusing_long_records_says_which_and_how_to_go_on(tokenizer: Any) -> None:
    from brightrun_tui.trainer.data.examples import limit_length

    prepared = tokenise(tokenizer, with_template(tokenizer, CHATML), [CHAT])
    with pytest.raises(TrainingError, match="record a has") as refusal:
        limit_length(prepared, 5, "refuse", [CHAT])
    assert refusal.value.suggestion == {"data.over_length": "drop"}


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda t: t.strip() == t
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(st.tuples(text, text), min_size=1, max_size=3), marked=st.booleans())
def test_any_text_is_trained_whole(tokenizer: Any, turns: list[tuple[str, str]], marked: bool) -> None:
    """Whatever language, emoji or white space: exactly the answers, each with its end of turn, are trained."""
    messages = [m for q, a in turns for m in (Message(role="user", content=q), Message(role="assistant", content=a))]
    template = with_template(tokenizer, CHATML if marked else UNMARKED_CHATML)
    (example,) = tokenise(tokenizer, template, [Record(id="a", messages=tuple(messages))]).examples
    assert trained_text(tokenizer, example) == [answer + "<|im_end|>" for _, answer in turns]


R1_LIKE = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{% set content = m['content'] %}"
    "{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{ '<|im_start|>assistant\n' + content + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n<think>\n' }}{% endif %}"
)
QWEN3_LIKE = (
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}"
    "{% endfor %}{% for m in messages %}{% if m.role == 'assistant' %}{% set r = m.reasoning_content or '' %}"
    "{% if loop.index0 > ns.last and (loop.last or r) %}"
    "{{ '<|im_start|>assistant\n<think>\n' + r.strip() + '\n</think>\n\n' + m.content }}"
    "{% else %}{{ '<|im_start|>assistant\n' + m.content }}{% endif %}{{ '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SKIPS_OTHERS = (
    "{% for m in messages %}{% if m['role'] in ['user', 'assistant'] %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
STRICT = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] | trim + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HERMES_LIKE = (
    "{% if tools %}{{ '<|im_start|>system\n' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endif %}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content or '') }}"
    "{% for call in m.tool_calls or [] %}{{ '<tool_call>\n' }}{{ call.function | tojson }}{{ '\n</tool_call>' }}{% endfor %}"
    "{{ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
THINKS = Record(
    id="t",
    messages=(
        Message(role="user", content="hello"),
        Message(role="assistant", content="good day", reasoning="be polite"),
        Message(role="user", content="and now"),
        Message(role="assistant", content="bye", reasoning="they leave"),
    ),
)
CALLS = Record(
    id="c",
    tools=({"type": "function", "function": {"name": "stock", "parameters": {"type": "object", "properties": {}}}},),
    messages=(
        Message(role="user", content="any ferns"),
        Message(
            role="assistant", content="", tool_calls=(ToolCall(name="stock", arguments={"item": "a “fern”\n", "n": 2}),)
        ),
        Message(role="tool", content="seven left"),
        Message(role="assistant", content="seven"),
    ),
)


def prompts_of(template: ChatTemplate, record: Record) -> list[str]:
    """What each answer of the record is asked for with."""
    return [
        template.render([m.for_template() for m in record.messages[:i]], tools=record.tools, generation_prompt=True)
        for i, m in enumerate(record.messages)
        if m.role == "assistant"
    ]


@pytest.mark.parametrize(
    "source", [R1_LIKE, QWEN3_LIKE, CHATML, UNMARKED_CHATML, STRICT, THOUGHTFUL, FORGETFUL, PLAIN, HERMES_LIKE]
)
@pytest.mark.parametrize("record", [CHAT, THINKS], ids=["plain", "thinking"])
def test_every_answer_goes_on_from_exactly_the_prompt_that_asks_for_it(
    tokenizer: Any, source: str, record: Record
) -> None:
    """Byte for byte, whatever the template does with thoughts, systems and earlier turns."""
    template = with_template(tokenizer, source)
    renderings = template.renderings(record.messages, record.tools)
    starts = [(rendering.text, span.start) for rendering in renderings for span in rendering.spans]
    prompts = prompts_of(template, record)
    assert len(starts) == len(prompts) == 2
    if source == THOUGHTFUL:  # its first answer opens without thoughts where another follows
        starts, prompts = starts[1:], prompts[1:]
    assert [text[:start] for text, start in starts] == prompts


@pytest.mark.parametrize("source", [R1_LIKE, QWEN3_LIKE])
@pytest.mark.parametrize("inline", [True, False])
def test_thoughts_are_learnt_where_the_template_has_a_place_for_them(tokenizer: Any, source: str, inline: bool) -> None:
    """Also where it takes them away itself, and whether they stand in a field of their own or in the answer."""
    if inline and source == QWEN3_LIKE:
        pytest.skip("this one keeps what stands in the answer")
    turns = [
        m
        if not inline or not m.reasoning
        else m.model_copy(update={"content": f"<think>\n{m.reasoning}\n</think>\n\n{m.content}", "reasoning": ""})
        for m in THINKS.messages
    ]
    prepared = tokenise(tokenizer, with_template(tokenizer, source), [Record(id="t", messages=tuple(turns))])
    learnt = [trained_text(tokenizer, example)[-1] for example in prepared.examples]
    assert not prepared.lost_thoughts and len(learnt) == 2
    for text, (thought, answer) in zip(learnt, [("be polite", "good day"), ("they leave", "bye")], strict=True):
        assert thought in text and text.endswith(f"</think>\n\n{answer}<|im_end|>")


def test_thoughts_without_a_place_are_counted(tokenizer: Any) -> None:
    prepared = tokenise(tokenizer, with_template(tokenizer, UNMARKED_CHATML), [THINKS])
    assert prepared.lost_thoughts == 1 and trained_text(tokenizer, prepared.examples[0])[0] == "good day<|im_end|>"


@pytest.mark.parametrize("source", [SKIPS_OTHERS, STRICT, LLAMA2_LIKE])
def test_a_template_without_a_system_role_is_completed_and_saved_so(tokenizer: Any, source: str) -> None:
    """It refuses the role, or leaves it out without a word; plain rendering of what is saved agrees with training."""
    template = with_template(tokenizer, source)
    assert "system messages open the first question" in template.notice and tokenizer.chat_template == template.source
    (example,) = tokenise(tokenizer, template, [CHAT]).examples
    assert "be kind\n\nhello" in tokenizer.decode(example.ids)
    plain = tokenizer.apply_chat_template(
        [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}],
        tokenize=False,
        add_generation_prompt=True,
    )
    assert "be kind\n\nhello" in plain
    if source == STRICT:
        joined = template.render([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}])
        assert "one\n\ntwo" in joined


def test_a_good_template_is_left_as_it_is(tokenizer: Any) -> None:
    for source in (CHATML, UNMARKED_CHATML, QWEN3_LIKE, R1_LIKE, HERMES_LIKE, PLAIN):
        template = with_template(tokenizer, source)
        assert (template.source, template.notice, tokenizer.chat_template) == (source, "", source)


def test_calls_of_tools_are_learnt_and_their_results_are_not(tokenizer: Any) -> None:
    """With a template that knows tools: calls and answer are trained, what the tool said is context."""
    (example,) = tokenise(tokenizer, with_template(tokenizer, HERMES_LIKE), [CALLS]).examples
    call, answer = trained_text(tokenizer, example)
    assert call.startswith("<tool_call>") and "fern" in call and call.endswith("</tool_call><|im_end|>")
    assert answer == "seven<|im_end|>" and "seven left" in tokenizer.decode(example.ids)


def test_calls_whose_thoughts_have_no_place_are_learnt_without_them(tokenizer: Any) -> None:
    """As answers are; what was lost is counted."""
    thinking = CALLS.messages[1].model_copy(update={"reasoning": "I should look"})
    record = CALLS.model_copy(update={"messages": (CALLS.messages[0], thinking, *CALLS.messages[2:])})
    prepared = tokenise(tokenizer, with_template(tokenizer, HERMES_LIKE), [record])
    assert prepared.lost_thoughts == 1 and trained_text(tokenizer, prepared.examples[0])[0].startswith("<tool_call>")


@pytest.mark.parametrize("source", [UNMARKED_CHATML, SKIPS_OTHERS])
def test_calls_that_a_template_does_not_know_are_named_not_dropped(tokenizer: Any, source: str) -> None:
    prepared = tokenise(tokenizer, with_template(tokenizer, source), [CALLS, WITHOUT_SYSTEM])
    assert [e.record for e in prepared.examples] == [1]
    assert any("does not know calls of tools" in why for why in prepared.unrenderable)


def test_a_result_of_a_tool_that_a_template_leaves_out_is_named(tokenizer: Any) -> None:
    talk = Record(
        id="r",
        messages=(
            CHAT.messages[1],
            Message(role="assistant", content="let me look"),
            Message(role="tool", content="seven left"),
            Message(role="assistant", content="seven"),
        ),
    )
    prepared = tokenise(tokenizer, with_template(tokenizer, SKIPS_OTHERS), [talk])
    assert not prepared.examples and "what tools answered" in next(iter(prepared.unrenderable))
