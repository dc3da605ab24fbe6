"""What a report card says, read as somebody would who has to decide whether the model may answer people."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import ModelCard

from brightrun_tui.domain.advice import actionable, advise, name_data
from brightrun_tui.domain.correction import CorrectionOutcome
from brightrun_tui.domain.model import Grade, Report, Tick
from brightrun_tui.domain.tally import ENOUGH_TICKS
from brightrun_tui.domain.time_parts import TimeParts
from brightrun_tui.domain.verdict import decide
from brightrun_tui.registry import report_markdown, score_lines
from brightrun_tui.registry.card import model_card
from brightrun_tui.registry.safety import Manifest
from brightrun_tui.registry.training import slower, times
from tests.registry.cards import CARDS, Card, make_report


def test_a_model_card_has_what_the_hub_sorts_by() -> None:
    """License of the base, languages and dataset, where they are known; what no card may say does not get into its head."""
    report = make_report(CARDS["good"])
    known = {
        "base_license": "llama3.2",
        "languages": ("de", "en"),
        "dataset_source": "hf:me/tickets:default@train#abc123",
    }
    manifest = Manifest(model="lantern", version=1, run_id="r", base="meta/tiny", files={})

    def head(said: Mapping[str, object]) -> dict[str, Any]:
        lineage = report.lineage.model_copy(update=said)
        card = model_card(report.model_copy(update={"lineage": lineage}), manifest)
        found: dict[str, Any] = ModelCard(card).data.to_dict()  # type: ignore[no-untyped-call]  # theirs says nothing
        return found

    data = head(known)
    assert (data["license"], data["language"], data["datasets"]) == ("llama3.2", ["de", "en"], ["me/tickets"])
    assert not {"license", "language", "datasets"} & head({"dataset_source": "/home/ada/private.jsonl"}).keys()


@pytest.mark.parametrize(("device", "wide"), [("cpu", True), ("NVIDIA A40", False)])
def test_the_words_of_a_card_load_the_base_as_it_was_graded(device: str, wide: bool) -> None:
    """A base in 16 bits answers otherwise than the one in 32 bits that a CPU trained with."""
    report = make_report(CARDS["good"])
    report = report.model_copy(update={"training": report.training.model_copy(update={"device": device})})
    card = model_card(report, Manifest(model="lantern", version=1, run_id="r", base="meta/tiny", files={}))
    loading = next(line for line in card.splitlines() if "AutoModelForCausalLM.from_pretrained(" in line)
    assert ('dtype="float32"' in loading) == wide
    vllm = next(line for line in card.splitlines() if line.startswith("With vLLM"))
    assert "--dtype bfloat16" in vllm and "answers can differ" in vllm


@pytest.mark.parametrize(
    ("name", "grade", "style", "content", "words", "advice"),
    [
        (
            "good",
            "good",
            "good",
            "good",
            "of all answers it would give, that makes 73% to 98% right",
            "brightrun models answers lantern",
        ),
        ("half in part", "mixed", "good", "mixed", "10 of 20 checked answers are right, 10 more in part", ""),
        (
            "records with a wrong value",
            "mixed",
            "good",
            "mixed",
            "the worst first: “date” 13 of 20, “name” 20 of 20",
            "",
        ),
        ("constant in part", "good", "good", "good", "would never be right, in part 6 times", ""),
        ("few answers", "mixed", "good", "good", "8 checked answers are too few to be sure", ""),
        ("sounds right", "mixed", "good", "poor", "Sounds right, is often wrong: 4 of 20", "training.epochs=6"),
        (
            "hardly right",
            "poor",
            "good",
            "poor",
            "2 of 20 checked answers are right, 1 more in part. It has learnt",
            "",
        ),
        ("mixed", "mixed", "good", "mixed", "Sounds right, is often wrong: 10 of 20", "weakest on topic: returns"),
        ("bad", "poor", "poor", "poor", "no better than the base model", "training.learning_rate=6.67e-05"),
        ("forgetful", "mixed", "good", "good", "everyday questions got 55% harder", "training.learning_rate=0.0001"),
        ("boilerplate", "poor", "good", "poor", "none of 20 checked answers are right", "--base LARGER_MODEL"),
        ("leaked", "mixed", "good", "good", "85% of what it writes appears word for word", "training.epochs=1.5"),
        ("tiny", "mixed", "good", "good", "4 held-out records are too few to be sure", "data.eval_fraction=0.3"),
        ("nothing held out", "mixed", "good", "good", "without held-out records (kept back", "data.eval_fraction"),
        ("tools", "good", "good", "good", "18 of 20 answers are the tool calls they should be", ""),
        ("reasoning", "mixed", "good", "mixed", "Sounds right, is often wrong: 12 of 20", ""),
        (
            "labels",
            "mixed",
            "good",
            "mixed",
            "19 of 24 checked answers are right, but of the 8 that always answering “positive” gets wrong, only 3. Good for",
            "",
        ),
        ("more than the majority", "good", "good", "good", "of the 8 that this gets wrong, the model gets 6 right", ""),
        ("only the majority", "poor", "good", "poor", "is no better than always answering “positive”", ""),
        (
            "a label never found",
            "poor",
            "good",
            "poor",
            "“spam” 0 of 5",
            "it hardly ever finds “spam” (0 of 5): add records",
        ),
        ("mostly in part", "mixed", "good", "mixed", "Sounds right, is often right only in part: 4 of 20", ""),
        ("mostly in part", "mixed", "good", "mixed", "30% to 70% right (those partly right counted half)", ""),
        (
            "a letter with one thing wrong",
            "mixed",
            "good",
            "poor",
            "none of 20 checked answers are right, 15 in part. It has learnt the manner of your data, but gets a part of most",
            "",
        ),
        ("only repeats", "mixed", "good", "good", "98% of what it writes", "none of your records"),
        ("German", "good", "good", "good", "“Guten Tag … Ihr Pim”, which most of your answers share", ""),
        ("wrong voice", "mixed", "poor", "good", "It knows the answers", ""),
        (
            "free talk",
            "mixed",
            "good",
            None,
            "Whether what it says is right is not known",
            "brightrun models answers lantern",
        ),
        ("cut off", "poor", "poor", "poor", "most of its answers never end", "training.epochs=6"),
        ("people disagree", "mixed", "good", "poor", "2 of 8 checked answers are right", ""),
        ("people agree", "good", "good", "good", "11 of 12 checked answers are right", ""),
        ("a judge disagrees", "mixed", "good", "poor", "it called 5 of 20 of its answers right", ""),
    ],
)
def test_every_card_says_what_a_careful_person_would(
    name: str, grade: Grade, style: Grade, content: Grade | None, words: str, advice: str
) -> None:
    """“Good” needs right answers, in the right form, and no doubts; what to try next is a command."""
    report = make_report(CARDS[name])
    verdict = report.verdict
    assert (verdict.grade, verdict.style, verdict.content) == (grade, style, content)
    assert words in " ".join((verdict.summary, *verdict.reasons))
    said = " ".join(f"{each.why} {each.command}" for each in verdict.advice)
    assert advice in said
    assert all(shlex.split(each.command)[0] == "brightrun" and each.kind for each in verdict.advice)
    assert all(f"{key}={value}" in each.command for each in verdict.advice for key, value in each.changes.items())
    older = [each.model_copy(update={"kind": None, "changes": {}, "larger_base": False}) for each in verdict.advice]
    older_card = report.model_copy(update={"verdict": verdict.model_copy(update={"advice": tuple(older)})})
    assert actionable(older_card) == verdict.advice, "what a card of an older version advises can be done, too"
    card = report_markdown(report)
    assert verdict.summary.split(".")[0] in card and (not advice or "What to try next" in card)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("people disagree", "by comparison; people found 2 of 8 right, and that counts"),
        ("a judge disagrees", "by comparison; the judge found 5 of 20 right, and that counts"),
        ("free talk", "by comparison; 7 of 8 could not be compared"),
    ],
)
def test_a_measure_that_others_outrank_is_not_shown_as_the_last_word(name: str, words: str) -> None:
    """Twenty of twenty in green stood beside six of eight wrong."""
    (line,) = [line for line in score_lines(make_report(CARDS[name])) if line.what == "answers right"]
    assert line.note == words and not line.better
    (good,) = [line for line in score_lines(make_report(CARDS["good"])) if line.what == "answers right"]
    assert good.better == "tuned" and "comparison" not in good.note


def test_the_command_that_a_card_prints_reads_the_data_as_it_was_read() -> None:
    """A table whose columns were mapped is refused without that mapping."""
    report = make_report(CARDS["sounds right"])
    named = name_data(report, "/data/my bikes.csv", {"prompt": "Customer question", "encoding": "cp1252"})
    commands = [shlex.split(each.command) for each in named.verdict.advice if " train " in each.command]
    assert commands
    for words in commands:
        assert words[2:7] == [
            "/data/my bikes.csv",
            "--column",
            "prompt=Customer question",
            "--column",
            "encoding=cp1252",
        ]
        assert words[7] == "--name"


def test_a_card_says_how_long_it_took_in_all_and_how_long_that_was_to_take() -> None:
    report = make_report(CARDS["good"])
    spent, planned = TimeParts(loading=20, training=600, answering=90), TimeParts(loading=8, training=116, answering=21)
    training = report.training.model_copy(update={"spent": spent})
    report = report.model_copy(update={"training": training, "planned": planned})
    assert times(report)[0] == ("in all", 710.0, 145.0)
    assert "| time: in all | 710 s (145 s expected) |" in report_markdown(report)
    late = slower(report)
    assert late.startswith(
        "9 min 25 s longer than expected, above all in training (8 min 04 s more, 5.2 times as long)"
    )
    assert late in report_markdown(report), "which part it was"
    everything = spent.model_copy(update={"measuring": 30.0})
    training = report.training.model_copy(update={"spent": everything})
    expected = planned.model_copy(update={"measuring": 10.0})
    assert "the whole machine was slower" in slower(
        report.model_copy(update={"training": training, "planned": expected})
    )
    assert not slower(report.model_copy(update={"planned": spent.model_copy(update={"training": 580.0})})), "as told"


def test_answers_to_questions_that_it_learnt_from_promise_nothing_for_others() -> None:
    verdict = make_report(CARDS["nothing held out"]).verdict
    said = " ".join((verdict.summary, *verdict.reasons))
    assert "8 of 8 checked answers are right (to questions that it learnt from)" in verdict.summary
    assert "of all answers it would give" not in said and "says nothing about new ones" in said
    card = report_markdown(make_report(CARDS["nothing held out"]))
    assert "On records that it learnt from" in card and "never seen" not in card
    assert "On records it has never seen" in report_markdown(make_report(CARDS["good"]))


@pytest.mark.parametrize(
    ("change", "grade", "words"),
    [
        ({"findings": {"difference_high": 0.1}}, "mixed", "may be chance"),
        ({"findings": {"tuned_loss": 2.97, "train_loss": 2.9}}, "mixed", "too small to notice"),
        ({"findings": {"conversations": 4}}, "mixed", "4 held-out conversations are too few"),
        ({"findings": {"train_loss": 0.9}}, "mixed", "memorised"),
        ({"findings": {"general_tuned": 2.4}}, "good", "everyday questions got 20% harder"),
        ({"findings": {"early_stopped": True}}, "good", "no longer fell"),
        ({"findings": {"stopped": True}}, "good", "was stopped"),
        (
            {"findings": {"chosen_apart": False}},
            "good",
            "the same held-out records chose the best checkpoint and judge it",
        ),
        (
            {"findings": {"worse": ("topic: returns",)}},
            "good",
            "worse than the base model on some records (topic: returns)",
        ),
        ({"findings": {"tuned_loss": 3.1}}, "mixed", "you may not need it"),
        (
            {"answers": {"ended": 0.6}},
            "mixed",
            "only 12 of 20 sample answers end by themselves; the others were cut off at 96",
        ),
        (
            {"answers": {"fair": 0, "ended": 0.0, "length_wanted": 200}},
            "good",
            "20 of the wanted answers are longer than the 96",
        ),
        ({"answers": {"empty": 1.0}}, "mixed", "20 of 20 sample answers are empty"),
        ({"answers": {"copied": 1.0, "phrases": 20}}, "good", "right"),
        (
            {"answers": {"taught": 20}},
            "good",
            "all 20 wanted answers stand word for word in the records it learnt from",
        ),
        ({"answers": {"taught": 12}}, "good", "12 of 20 wanted answers stand word for word"),
        ({"answers": {"length_tuned": 3}}, "mixed", "10 times shorter than those in your data"),
        ({"marks": "", "base_marks": ""}, "mixed", "no answers were compared"),
    ],
)
def test_each_doubt_is_named_and_weighs_what_it_should(change: dict[str, Any], grade: Grade, words: str) -> None:
    verdict = make_report(replace(CARDS["good"], **change)).verdict
    assert verdict.grade == grade and words in " ".join((verdict.summary, *verdict.reasons))


def ticked(report: Report, right: int, wrong: int) -> Report:
    ticks = tuple(Tick(sample=number, right=number < right) for number in range(right + wrong))
    return decide(report.model_copy(update={"ticks": ticks}))


def test_no_way_leads_from_fifteen_wrong_answers_to_a_good_grade() -> None:
    """Whoever found them wrong: a comparison, a judge, people; whatever else was measured."""
    wrong = Card("r" * 5 + "w" * 15)
    assert make_report(wrong).verdict.grade == "mixed"
    assert ticked(make_report(CARDS["good"]), 5, 15).verdict.grade == "mixed"
    old = make_report(CARDS["good"]).model_copy(update={"findings": None})
    assert old.verdict.grade == "good" and ticked(old, 5, 15).verdict.grade == "mixed"


def test_a_report_card_from_elsewhere_whose_parts_do_not_fit_can_be_ticked() -> None:
    """A bundle may hold a floor for fewer answers than there are, ticks of answers that do not exist, and odd settings."""
    report = make_report(CARDS["good"])
    assert report.findings and report.findings.floor
    floor = report.findings.floor.model_copy(update={"marks": ()})
    odd = report.model_copy(
        update={
            "findings": report.findings.model_copy(update={"floor": floor, "best_at": -3.0}),
            "ticks": (Tick(sample=99, right=False),),
            "name": "x; rm -rf ~",
            "lineage": report.lineage.model_copy(update={"settings": {"lora": 3}}),
        }
    )
    verdict = decide(odd).verdict
    assert verdict.content == "good"
    assert all("'x; rm -rf ~'" in each.command for each in verdict.advice)


def test_from_five_ticks_on_people_decide_and_taking_them_back_restores_the_rest() -> None:
    """Fewer ticks correct the answers they belong to; the verdict is always that of what is known now."""
    report = make_report(CARDS["sounds right"])
    some = ticked(report, ENOUGH_TICKS - 1, 0)
    assert some.verdict.content == "poor" and "4 by people" in " ".join(some.verdict.reasons)
    assert ticked(report, ENOUGH_TICKS + 5, 0).verdict.content == "good"
    assert ticked(report, 0, 0) == report


def test_a_card_says_which_corrections_were_not_learnt_and_what_to_try() -> None:
    report = make_report(CARDS["good"])
    outcomes = tuple(
        CorrectionOutcome(id=number, question="When?", wanted="At six.", answer="At five.", mark=mark)
        for number, mark in enumerate(("right", "wrong"))
    )
    lineage = report.lineage.model_copy(update={"settings": {"data": {"correction_repeats": 4}}})
    report = report.model_copy(update={"corrections": outcomes, "lineage": lineage})
    said = next(each for each in advise(report) if "not learnt" in each.why)
    assert "1 of 2 corrections is" in said.why and "--set data.correction_repeats=8" in said.command
