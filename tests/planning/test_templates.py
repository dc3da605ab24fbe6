"""Templates and base models as data: all that ship can be used, and a person's own broken file harms nobody."""

from __future__ import annotations

import operator
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.paths import Paths
from brightrun_tui.planning.architecture import BaseModelInfo
from brightrun_tui.planning.bases import describe_base
from brightrun_tui.planning.catalogue import catalogue
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.resolve import PERSON, resolve_settings
from brightrun_tui.planning.templates import get_template, load_templates
from brightrun_tui.resources import resource

SHIPPED = sorted(path.stem for path in (resource("presets") / "templates").glob("*.toml"))
RATE = "training.learning_rate"


def test_every_template_that_ships_loads_and_the_default_comes_first(paths: Paths) -> None:
    templates, problems = load_templates(paths)
    assert not problems and sorted(template.name for template in templates) == SHIPPED
    assert templates[0].name == "default"
    assert all(template.title and template.description and template.best_for for template in templates)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_template_gives_sound_settings_on_every_base_and_size(name: str, paths: Paths) -> None:
    template = get_template(name, paths)
    for choice in catalogue().base:
        base = describe_base(choice.id, paths)
        found = [resolve_settings(template, base, records, {}) for records in (2, 30, 300, 1500, 100_000)]
        assert not any(resolved.problems for resolved in found)
        assert all(1e-5 <= resolved.settings.training.learning_rate <= 1e-3 for resolved in found)
        epochs = [resolved.settings.training.epochs for resolved in found]
        assert epochs == sorted(epochs, reverse=True), "more data never wants more epochs"


def test_small_models_learn_in_larger_steps_than_large_ones(paths: Paths) -> None:
    template = get_template("default", paths)
    shipped = [describe_base(choice.id, paths) for choice in catalogue().base]
    bases = sorted([*shipped, tiny_base(paths)], key=lambda base: base.parameters)
    rates = [resolve_settings(template, base, 500, {}).settings.training.learning_rate for base in bases]
    assert rates == sorted(rates, reverse=True) and rates[0] > 5 * rates[-1]


def tiny_base(paths: Paths) -> BaseModelInfo:
    """Some model of a million weights."""
    return describe_base("starter", paths).model_copy(update={"parameters": 1_200_000})


def test_a_small_dataset_is_seen_often_enough_for_a_tiny_model_and_no_more_than_twelve_times(paths: Paths) -> None:
    tiny, large = tiny_base(paths), describe_base("meta-llama/Llama-3.1-8B-Instruct", paths)
    template = get_template("default", paths)
    for records in (12, 60, 200, 900, 100_000):
        plain, raised = (resolve_settings(template, base, records, {}) for base in (large, tiny))
        training, train = raised.settings.training, records - round(records * 0.1)
        assert training.epochs >= plain.settings.training.epochs
        assert training.epochs <= 12 and (training.epochs == 12 or training.epochs * train / training.batch_size >= 240)
        assert ("tiny model" in raised.sources["training.epochs"]) == (
            training.epochs != plain.settings.training.epochs
        )
    assert resolve_settings(template, tiny, 60, {"training.epochs": 1}).settings.training.epochs == 1, (
        "a person's word holds"
    )
    assert resolve_settings(template, tiny, 60, {"training.max_steps": 5}).settings.training.max_steps == 5
    quick = [resolve_settings(get_template("quick", paths), base, 60, {}) for base in (large, tiny)]
    assert [resolved.settings.training.max_steps for resolved in quick] == [60, 240]


def test_what_a_person_sets_wins_and_everything_tells_where_it_comes_from(paths: Paths) -> None:
    base = tiny_base(paths).model_copy(update={"recommended": {"lora.r": 4, "lora.lora_dropout": 0.05}})
    resolved = resolve_settings(get_template("default", paths), base, 60, {RATE: "3e-4", "training.seed": 7})
    assert resolved.settings.training.learning_rate == 3e-4, "no rule touches what a person set"
    assert resolved.settings.lora.r == 16 and resolved.settings.lora.lora_dropout == 0.05
    assert resolved.settings.training.batch_size == 2
    assert resolved.sources[RATE] == resolved.sources["training.seed"] == PERSON
    assert (
        "SmolLM2" in resolved.sources["lora.lora_dropout"] and "60 records" in resolved.sources["training.batch_size"]
    )
    assert set(resolved.sources) == {key for key in resolved.sources if _differs(resolved.settings, key) or key == RATE}
    ruled = resolve_settings(get_template("default", paths), base, 60, {})
    assert "tiny model" in ruled.sources[RATE]


def _differs(settings: RunSettings, key: str) -> bool:
    group, name = key.split(".")
    return bool(getattr(getattr(settings, group), name) != getattr(getattr(RunSettings(), group), name))


def test_a_persons_own_template_joins_ours_and_a_broken_one_is_named_with_its_reason(paths: Paths) -> None:
    paths.user_templates.mkdir(parents=True)
    (paths.user_templates / "mine.toml").write_text('title = "Mine"\n[settings]\n"lora.r" = 24\n')
    (paths.user_templates / "typo.toml").write_text('title = "Typo"\n[settings]\n"lora.rank" = 24\n')
    (paths.user_templates / "broken.toml").write_text("title = ")
    templates, problems = load_templates(paths)
    assert len(templates) == len(SHIPPED) + 1 and get_template("mine", paths).own
    assert {Path(problem.where).name for problem in problems} == {"typo.toml", "broken.toml"}
    with pytest.raises(UsageError, match=r"lora\.rank"):
        get_template("typo", paths)
    with pytest.raises(UsageError) as unknown:
        get_template("chatt", paths)
    assert "chat" in unknown.value.fix
    (paths.user_templates / "mine.toml").write_text('title = "Mine"\n[settings]\n"lora.r" = 48\n')
    assert get_template("mine", paths).overrides == {"lora.r": 48}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('[why]\n"lora.r" = "more room"\n', ""),
        ('[why]\n"training.epochs" = "often"\n', "says why of Epochs, which it does not set"),
        (f'[why]\n"lora.r" = "{"long " * 40}"\n', "why"),
        ('[[measured]]\nbase = "A"\ndata = "B"\ndate = 2026-11-29\nresult = "good"\n', ""),
        ('[[measured]]\nbase = "A"\nresult = "good"\n', "measured"),
    ],
)
def test_a_template_may_say_why_and_what_it_has_reached(paths: Paths, more: str, reason: str) -> None:
    """Of what it sets, in a clause; and a measurement says on which base, with which data and when."""
    paths.user_templates.mkdir(parents=True)
    (paths.user_templates / "mine.toml").write_text('title = "Mine"\n[settings]\n"lora.r" = 24\n' + more)
    if not reason:
        assert get_template("mine", paths).overrides == {"lora.r": 24}
        return
    with pytest.raises(UsageError, match=reason):
        get_template("mine", paths)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_template_that_ships_says_why_of_all_it_sets(name: str, paths: Paths) -> None:
    template = get_template(name, paths)
    assert set(template.why) == {*template.overrides, *(key for rule in template.by_records for key in rule.overrides)}


def test_intensity_moves_what_the_template_says_and_yields_to_the_person(paths: Paths) -> None:
    """Each says of every setting that it moved that it was it; balanced moves nothing."""
    template, base = get_template("default", paths), describe_base("Qwen/Qwen2.5-0.5B-Instruct", paths)
    mild, plain, hard = (resolve_settings(template, base, 1000, {}, one) for one in Intensity)
    assert plain == resolve_settings(template, base, 1000, {})
    for key in ("training.learning_rate", "training.epochs", "lora.r"):
        found = operator.attrgetter(key)
        assert found(mild.settings) < found(plain.settings) < found(hard.settings)
    assert hard.sources["lora.r"] == "intensity aggressive"
    assert resolve_settings(template, base, 1000, {"lora.r": 12}, Intensity.AGGRESSIVE).settings.lora.r == 12
