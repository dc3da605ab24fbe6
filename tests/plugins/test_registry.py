"""Who gets which name, and what is said of packages that are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightrun_tui import inventory, plugins
from brightrun_tui.config import load_section
from brightrun_tui.datasets.formats import DatasetFormat
from brightrun_tui.domain.errors import PluginError, UsageError
from brightrun_tui.notify.opening import NotifySettings, notify_settings
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.plugins import Door
from brightrun_tui.providers.spec import provider_names, provider_specs
from tests.cli.conftest import CommandLine
from tests.plugins.package import install

FORMATS = str(Door.DATASET_FORMATS)
FORMAT = """
from brightrun_tui.datasets.formats import DatasetFormat
ONE = DatasetFormat(name="one", title="One", looks="{}", matches=lambda row: row == {"one": 1}, draft=lambda row: 1 / 0)
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    return get_paths()


def said(door: Door) -> str:
    return "\n".join(map(str, plugins.load_all(door, inventory.KINDS[door]).problems))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", "SyntaxError"),
        ("raise SystemExit('bye \\x1b[31m')", "SystemExit: bye  [31m"),
        ("", "AttributeError"),
        ("ONE = 7", "it should be a DatasetFormat, and is a int"),
        (FORMAT.replace('name="one"', 'name="two"'), "it calls itself “two”"),
        (FORMAT.replace('title="One"', 'title=""'), "title and looks should say what it is"),
    ],
)
def test_a_broken_plugin_is_one_sentence_with_its_package(site: Path, source: str, words: str) -> None:
    """Whatever its module does, everything else of the door goes on."""
    install(site, "bad-pack", {"bad.py": source}, {FORMATS: {"one": "bad:ONE"}}, version="0.3")
    loaded = plugins.load_all(Door.DATASET_FORMATS, DatasetFormat)
    assert "messages" in loaded.found and "one" not in loaded.found
    (problem,) = loaded.problems
    assert (
        words in problem.what and "“one” of bad-pack 0.3 cannot be used" in problem.what and "bad-pack" in problem.fix
    )
    with pytest.raises(PluginError):
        plugins.load(Door.DATASET_FORMATS, DatasetFormat, "one")


def test_a_fault_while_it_is_used_is_one_of_its_package(site: Path, tmp_path: Path) -> None:
    from brightrun_tui import datasets

    install(site, "bad-pack", {"bad.py": FORMAT}, {FORMATS: {"one": "bad:ONE"}})
    data = tmp_path / "data.jsonl"
    data.write_text('{"one": 1}\n' * 3)
    with pytest.raises(PluginError, match=r"“one” of bad-pack 1.0 cannot be used: it failed \(ZeroDivisionError"):
        datasets.check(data)


def test_a_name_belongs_to_one_package_and_ours_to_nobody_else(site: Path) -> None:
    """Of two plugins neither gets it; of one and ours, ours. Both are named."""
    for package in ("pack-a", "pack-b"):
        module = package.replace("-", "_")
        install(
            site, package, {f"{module}.py": FORMAT}, {FORMATS: {"one": f"{module}:ONE", "messages": f"{module}:ONE"}}
        )
    loaded = plugins.load_all(Door.DATASET_FORMATS, DatasetFormat)
    assert "one" not in loaded.found and loaded.found["messages"].title == "Chat messages"
    assert "“one” is registered twice, by pack-a 1.0 and by pack-b 1.0; neither is used" in said(Door.DATASET_FORMATS)
    assert "“messages” is registered twice, by brightrun" in said(Door.DATASET_FORMATS)
    with pytest.raises(PluginError, match=r"pack-a 1\.0 and by pack-b"):
        plugins.load(Door.DATASET_FORMATS, DatasetFormat, "one")


def test_a_provider_must_keep_its_key_from_others_and_take_no_name_of_the_configuration(site: Path) -> None:
    source = (
        "from brightrun_tui.providers.spec import ProviderSpec\ndef spec(name, variable):\n"
        "    return ProviderSpec(name=name, title='T', gives='G', open=None, environment=variable, where_to_get='x')\n"
        "A, B = spec('money', 'M_KEY'), spec('bad', 'BAD_PASSPHRASE')\n"
    )
    install(site, "bad-pack", {"bad.py": source}, {str(Door.PROVIDERS): {"money": "bad:A", "bad": "bad:B"}})
    words = said(Door.PROVIDERS)
    assert "“money” is the name of something else" in words and "BAD_PASSPHRASE should end in" in words
    assert set(provider_specs().found) == {"runpod", "ssh", "vast"} < set(provider_names())


def test_tables_of_plugins_are_known_and_checked(acme: Path, paths: Paths) -> None:
    """A provider's table is its own, and so is a channel's, within [notify]."""
    from brightrun_tui.notify.channel import ChannelSpec

    channel = plugins.load(Door.NOTIFICATIONS, ChannelSpec, "journal")
    assert channel
    paths.config_file.parent.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text(
        '[acme]\nimage = "mine"\n[notify]\nchannels = ["journal"]\n[notify.journal]\npath = "/x"\n'
    )
    assert load_section(paths, "acme", provider_specs().found["acme"].settings).model_dump() == {"image": "mine"}
    assert notify_settings(paths).channels == ("journal",)
    assert load_section(paths, "notify.journal", channel.settings).model_dump() == {"path": Path("/x")}
    paths.config_file.write_text("[acme]\nimmage = 1\n[acne]\n")
    with pytest.raises(UsageError, match=r"no table .acne"):
        load_section(paths, "money", NotifySettings)


def test_the_command_line_lists_what_is_installed_and_from_where(brightrun: CommandLine, acme: Path) -> None:
    listed = {(one["kind"], one["name"]): one for one in brightrun("plugins", "--json").document["plugins"]}
    for kind, name in (
        ("provider", "acme"),
        ("dataset format", "chat-log"),
        ("export kind", "card"),
        ("notification channel", "journal"),
        ("training objective", "smoothed"),
    ):
        one = listed[kind, name]
        assert (one["package"], one["version"], one["problem"]) == ("acme-pack", "1.0", None)
    assert listed["provider", "runpod"]["package"] == "brightrun"
    install(acme, "bad-pack", {"bad.py": "1 / 0"}, {str(Door.PROVIDERS): {"bad": "bad:SPEC"}})
    broken = brightrun("plugins")
    assert broken.code == 1 and "bad-pack 1.0" in broken.err and "ZeroDivisionError" in broken.err
    assert "Traceback" not in broken.err
    cards = brightrun("integrations")
    assert cards.code == 0 and "Acme Cloud" in cards.out and "bad-pack 1.0 cannot be used" in cards.err
    assert brightrun("connect", "bad", "--json", stdin="key").error["kind"] == "plugin_broken"
