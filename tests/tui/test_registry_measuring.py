"""Registry: measuring versions again, leaderboards, the Hub, and whose a model is that came from elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from filelock import FileLock

from brightrun_tui import registry
from brightrun_tui.domain.evaluation import Evaluation, Judging
from brightrun_tui.domain.model import SplitScore
from brightrun_tui.integrations import credentials
from brightrun_tui.paths import Paths
from brightrun_tui.store import evaluations, models, open_database, runs
from tests.registry.hub_server import TOKEN, serving_hub
from tests.tui.conftest import Opened
from tests.tui.test_registry import choose

CONFIG = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]}


@pytest.fixture
def first_mode() -> str:
    return "registry"


async def keep_evaluation(paths: Paths, ref: str, loss: float, run_id: str) -> None:
    name, _, number = ref.partition(":")
    async with open_database(paths.database) as db:
        await evaluations.keep(
            db,
            Evaluation(
                run_id=run_id,
                name=name,
                model_version=int(number),
                created_at=time.time(),
                dataset_name="winter-questions",
                dataset_fingerprint="sha256:cd",
                records_key="ab" * 16,
                base_id="starter",
                base=SplitScore(loss=3.0, perplexity=20.0, tokens=900, records=40),
                tuned=SplitScore(loss=loss, perplexity=4.0, tokens=900, records=40),
                scores={"loss_interval": {"low": loss - 0.05, "high": loss + 0.05}},
                judging=Judging(records=40, learnt=12),
            ),
        )


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_leaderboard_says_who_is_best_and_how_sure_that_is(
    seeded: Paths, opened: Opened, size: tuple[int, int]
) -> None:
    """Measured on the same records they stand together; the champion is marked, a difference within chance as well."""
    await keep_evaluation(seeded, "lamp-support:1", 1.00, "e1")
    await keep_evaluation(seeded, "lamp-support:2", 1.02, "e2")
    async with opened(seeded, size) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("L")
        await driver.sees(
            "winter-questions · 40 records", "1   lamp-support:1", "2 = ★ lamp-support:2", "0.950 – 1.050"
        )
        await driver.press("escape")
        await driver.press("z")
        while "on 40 records that no version" not in driver.text():
            assert driver.one("#page").scroll_y < driver.one("#page").max_scroll_y, "the page ends without it"
            await driver.press("pagedown")
        assert "winter-questions: loss 1.020 (0.970 – 1.070)" in driver.text()


async def test_evaluating_leaves_the_work_to_a_run(seeded: Paths, opened: Opened, tmp_path: Path) -> None:
    """E asks for data and versions; each version becomes a run that waits its turn. Without the base model it is said why not."""
    data = tmp_path / "winter.jsonl"
    talk = [{"role": "user", "content": "Is it {} degrees?"}, {"role": "assistant", "content": "It is {}."}]
    data.write_text("".join(json.dumps({"messages": talk}).replace("{}", str(n)) + "\n" for n in range(12)))
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    async with opened(seeded) as driver:
        await choose(driver, "lamp-support:2")
        await driver.press("E")
        await driver.sees("Evaluate lamp-support:2", "/data/lamp-support.jsonl")
        field = driver.one("TextField")
        field.value = str(data)
        await driver.press("enter")
        await driver.until(lambda: "is not on this machine" in driver.toasts(), "the missing base as a toast")
        async with open_database(seeded.database) as db:
            for ref in ("lamp-support:1", "lamp-support:2"):
                found = await models.find(db, ref)
                await models.set_base_path(db, found, str(base))
                (Path(found.directory) / "adapter_config.json").write_text(json.dumps(CONFIG))
        await driver.until(
            lambda: (one := driver.app.snapshot.model("lamp-support:1")) and one.base_path == str(base),
            "the base is known",
        )
        await driver.press("E")
        await driver.sees("Evaluate lamp-support:2")
        driver.one("TextField").value = str(data)
        field = driver.one("ChoiceField")
        field.value = field.choices[-1]
        with FileLock(seeded.engine_lock):
            await driver.press("enter")
            await driver.until(lambda: "Measuring" in driver.toasts(), "that it has begun")
        async with open_database(seeded.database) as db:
            queued = [run.spec for run in await runs.queue(db) if run.spec.measures]
        assert {spec.measures.ref for spec in queued if spec.measures} == {"lamp-support:1", "lamp-support:2"}
        assert all(spec.dataset.path == str(data) and spec.settings.lora.r == 8 for spec in queued)


async def test_a_version_is_pushed_from_the_export_dialogue(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form “hub” wants owner/repo, makes a private repository, and says where it is."""
    with serving_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        credentials.save("huggingface", TOKEN, seeded)
        async with opened(seeded) as driver:
            await choose(driver, "poems:1")
            await driver.press("e")
            await driver.sees("Export poems:1", "Form")
            form = driver.one("ChoiceField")
            form.focus()
            while form.value != "hub":
                await driver.press("right")
            await driver.sees("private repository", "not signed")
            driver.one("TextField").value = "me/poems"
            driver.one("#export").press()
            await driver.until(lambda: "/me/poems/tree/v1, private" in driver.toasts(), "where it is")
        assert hub.repositories["me/poems"].private and "v1" in hub.repositories["me/poems"].tags


async def test_a_model_from_elsewhere_is_unverified_until_its_key_is_trusted(seeded: Paths, opened: Opened) -> None:
    async with open_database(seeded.database) as db:
        found = await models.find(db, "poems:1")
        seal = registry.sign(seeded, found)
        await models.set_seal(db, found, seal)
    registry.distrust(seeded, seal.key)
    async with opened(seeded) as driver:
        await choose(driver, "poems:1")
        await driver.sees("unverified: signed by a key that nobody here trusts")
        registry.trust(seeded, seal.key, "Ida")
        driver.app.look_now()
        await driver.sees("signed by Ida")
