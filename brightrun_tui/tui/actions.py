"""Every key of the app, declared once: dispatch, footer, help, command palette and docs/keys.md read this table.

The part of an id before the dot is its scope: ``app``, a screen, or a kind of widget; the part behind it names the
method ``action_<name>`` on the class of that scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from textual.binding import Binding, BindingType

SCOPES = {
    "app": "Everywhere",
    "integrations": "Integrations",
    "new_run": "New Run",
    "monitor": "Monitor",
    "registry": "Registry",
    "list": "Lists",
    "chart": "Curves",
    "log": "Log",
    "welcome": "Welcome",
    "field": "Fields",
    "form": "Forms",
    "choice": "Choices",
    "slider": "Sliders",
    "endpoint": "Endpoint",
    "answers": "Is it right?",
    "chat": "Chat",
    "correct": "Writing",
    "corrections": "Corrections",
    "pick": "Pickers",
    "bases": "Base models",
    "columns": "Columns of a table",
    "report": "Findings in a dataset",
    "records": "Records of a dataset",
    "repair": "A new version of a dataset",
    "offers": "Machines for rent",
    "modal": "Dialogues",
}
"""Scope by name, with the words that people read."""


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    Args:
        id: ``scope.name``; also the id by which a key can be remapped.
        keys: as Textual names them; the first is the one shown.
        title: two or three words for footer and palette.
        help: one sentence for the help overlay and the docs.
        changes: it changes something, so read-only mode refuses it.
        footer: 0 keeps it out of the footer; else 1 is shown first and survives the narrowest terminal.
        palette: whether the command palette offers it.
    """

    id: str
    keys: tuple[str, ...]
    title: str
    help: str
    changes: bool = False
    footer: int = 0
    palette: bool = True

    @property
    def scope(self) -> str:
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        return self.id.partition(".")[2]

    @property
    def key(self) -> str:
        """The main key as people write it."""
        return spell(self.keys[0])

    @property
    def all_keys(self) -> str:
        """Every key, as people write them."""
        return "  ".join(spell(key) for key in self.keys)


def _a(
    id_: str, keys: str, title: str, help_: str, *, changes: bool = False, footer: int = 0, palette: bool = True
) -> Action:
    return Action(id_, tuple(keys.split()), title, help_, changes, footer, palette)


ACTIONS: tuple[Action, ...] = (
    _a("app.integrations", "1", "Integrations", "Show what is connected and whether it works right now."),
    _a("app.new_run", "2", "New Run", "Set up a training run: data, base model, settings, price."),
    _a("app.monitor", "3", "Monitor", "Watch what is running: curves, log, cost, answers."),
    _a("app.registry", "4", "Registry", "Your models: how good they are, and how to use them."),
    _a(
        "app.help",
        "question_mark f1",
        "Help",
        "Explain the chosen field, and show the keys that work here.",
        footer=1,
        palette=False,
    ),
    _a("app.news", "exclamation_mark f7", "News", "What has happened: runs that ended, money, machines, models."),
    _a("app.palette", "colon ctrl+p", "Commands", "Find any action by its name.", footer=8, palette=False),
    _a("app.theme", "f2", "Theme", "Change the colours; your own themes are in the list too."),
    _a("app.screenshot", "f8", "Screenshot", "Save a picture of the screen (SVG)."),
    _a("app.focus_next", "tab", "Next panel", "Move to the next panel or field.", palette=False),
    _a("app.focus_previous", "shift+tab", "Previous panel", "Move to the panel or field before.", palette=False),
    _a("app.suspend_process", "ctrl+z", "Suspend", "Back to the shell for a while; fg brings the app back."),
    _a(
        "app.back",
        "escape",
        "Back",
        "Leave a field, a dialogue, a filter or the full screen; in Monitor then the marks, and back to the list.",
        palette=False,
    ),
    _a("app.quit", "q ctrl+q", "Quit", "Close the app. What is running goes on without it.", footer=9),
    _a("list.cursor_down", "j down", "Down", "Next row.", palette=False),
    _a("list.cursor_up", "k up", "Up", "Row before.", palette=False),
    _a("list.first", "g home", "First", "First row.", palette=False),
    _a("list.last", "G end", "Last", "Last row.", palette=False),
    _a("list.page_down", "ctrl+f pagedown", "Page down", "A page on.", palette=False),
    _a("list.page_up", "ctrl+b pageup", "Page up", "A page back.", palette=False),
    _a(
        "integrations.configure",
        "enter c",
        "Configure",
        "Enter or change the credential; it is tested at once.",
        changes=True,
        footer=2,
    ),
    _a("integrations.test", "t", "Test", "Test the chosen service now.", footer=3),
    _a("integrations.test_all", "T", "Test all", "Test every service that is configured.", footer=4),
    _a("integrations.disconnect", "x delete", "Disconnect", "Forget the stored credential.", changes=True, footer=5),
    _a("integrations.left", "h left", "Left", "Card to the left.", palette=False),
    _a("integrations.down", "j down", "Down", "Card below.", palette=False),
    _a("integrations.up", "k up", "Up", "Card above.", palette=False),
    _a("integrations.right", "l right", "Right", "Card to the right.", palette=False),
    _a("new_run.start", "s f5", "Start", "Start the run, after one last look at its price.", changes=True, footer=2),
    _a(
        "new_run.sweep",
        "S",
        "Sweep",
        "Try several values of a setting (three learning rates, unasked) as a group of runs.",
        changes=True,
    ),
    _a(
        "new_run.fix",
        "f",
        "Make it fit",
        "Apply the smallest change that makes the first red line of the plan green; u takes it back.",
        footer=3,
    ),
    _a("new_run.dataset", "d", "Dataset", "Choose the data to learn from.", footer=3),
    _a("new_run.preview", "v", "Preview", "Look at the conversations as the model will see them.", footer=4),
    _a("new_run.base", "b", "Base model", "Choose the model to start from.", footer=5),
    _a("new_run.template", "t", "Template", "Choose a proven set of settings.", footer=6),
    _a("new_run.machine", "m", "Machine", "Every machine for rent now, and what this run would cost on it.", footer=7),
    _a("new_run.advanced", "a", "Advanced", "Show or hide all the other settings.", footer=7),
    _a("new_run.find", "slash", "Find a setting", "Show only the settings whose name or help fits.", footer=8),
    _a("new_run.undo", "u", "Undo", "Take back the last change in the form.", footer=4),
    _a("new_run.reset_one", "x", "Reset one", "The setting under the cursor back to the template's value.", footer=5),
    _a(
        "new_run.save_template", "W", "Save as template", "Keep these settings as a template of your own.", changes=True
    ),
    _a("new_run.write_settings", "w", "Save settings", "Write base, template and settings to a file.", changes=True),
    _a("new_run.read_settings", "o", "Read settings", "Take base, template and settings from a file."),
    _a("new_run.reset", "R", "Reset all", "Every setting back to the template's value; u takes it back."),
    _a("welcome.example", "enter", "Try the example", "Fill in the form with the example.", footer=1, palette=False),
    _a("welcome.form", "escape", "Show the form", "Every setting of a run.", footer=2, palette=False),
    _a(
        "field.edit", "enter", "Type", "Type into the field; enter again keeps what was typed.", footer=1, palette=False
    ),
    _a("field.drop", "escape", "Drop", "Leave the field as it was before typing.", footer=1, palette=False),
    _a("slider.more", "right l", "More", "The next larger value.", footer=2, palette=False),
    _a("slider.less", "left h", "Less", "The next smaller value.", footer=2, palette=False),
    _a("slider.much_more", "shift+right L", "Much more", "Three values up.", palette=False),
    _a("slider.much_less", "shift+left H", "Much less", "Three values down.", palette=False),
    _a("form.next", "down j", "Next field", "Next field of a form (j outside text fields).", palette=False),
    _a("form.previous", "up k", "Previous field", "Field before (k outside text fields).", palette=False),
    _a("choice.next_choice", "right l space enter", "Next choice", "Next of a field's choices.", palette=False),
    _a("choice.previous_choice", "left h", "Previous choice", "Choice before.", palette=False),
    _a(
        "monitor.pause",
        "p",
        "Pause / resume",
        "Pause the run after a checkpoint, or let a paused one go on.",
        changes=True,
        footer=2,
    ),
    _a("monitor.stop", "s", "Stop", "End the run early and keep what it has learned.", changes=True, footer=3),
    _a("monitor.stop_later", "T", "Stop later", "End the run after its next evaluation or the epoch.", changes=True),
    _a("monitor.checkpoint", "C", "Checkpoint now", "Save a checkpoint at the next step.", changes=True),
    _a(
        "monitor.change",
        "u",
        "Change the run",
        "Another learning rate, other epochs, more budget or time, while it trains or before it is tried again.",
        changes=True,
        footer=7,
    ),
    _a(
        "monitor.retry",
        "R",
        "Retry",
        "Try a failed or stopped run again, with the suggested fix if there is one.",
        changes=True,
        footer=5,
    ),
    _a(
        "monitor.sooner",
        "less_than_sign",
        "Sooner",
        "Give a run that waits the place before in the queue.",
        changes=True,
    ),
    _a(
        "monitor.later",
        "greater_than_sign",
        "Later",
        "Give a run that waits the place behind in the queue.",
        changes=True,
    ),
    _a(
        "monitor.delete",
        "D delete",
        "Delete",
        "Forget the run and remove its files; models made from it stay.",
        changes=True,
    ),
    _a("monitor.open", "o enter", "Open model", "Show the model of this run in the Registry.", footer=4),
    _a(
        "monitor.again", "n", "New run from this", "Fill in New Run with data, base and settings of this run.", footer=8
    ),
    _a("monitor.curves", "c", "Curves", "Curves of the chosen run."),
    _a("monitor.log", "L", "Log", "What the worker prints."),
    _a("monitor.answers", "a", "Answers", "Sample answers: base and tuned model side by side."),
    _a("monitor.facts", "i", "Facts", "Hardware, cost, checkpoints, alerts, settings."),
    _a("monitor.alerts", "A", "Alerts", "What is wrong with runs, the numbers that show it, and what to do."),
    _a(
        "monitor.acknowledge",
        "K",
        "Acknowledge",
        "The alerts of the chosen run count as seen; without any, those of all runs.",
    ),
    _a("monitor.export", "E", "Export curves", "Write the curves of the run as CSV and SVG."),
    _a("monitor.note", "N", "Note", "Write down what you want to remember of the run.", changes=True),
    _a(
        "monitor.next_pane",
        "right_square_bracket",
        "Next pane",
        "Curves, log, answers, facts, alerts in turn.",
        footer=6,
    ),
    _a("monitor.previous_pane", "left_square_bracket", "Previous pane", "The same backwards.", palette=False),
    _a("monitor.zoom", "z", "Full screen", "Give the chosen pane the whole screen, and back.", footer=6),
    _a(
        "monitor.filter",
        "slash",
        "Filter",
        "Show only runs that fit: words, !word for what must not fit, field:value (name, state, data, base, where, …).",
        footer=7,
    ),
    _a("monitor.runs", "r", "Runs", "To the list of runs, from anywhere."),
    _a(
        "monitor.mark",
        "space",
        "Mark",
        "Mark the run; stop, pause, delete and the curves then take all that are marked.",
    ),
    _a(
        "monitor.compare",
        "m",
        "Compare",
        "Put the marked runs side by side: results, and what was set differently.",
        footer=5,
    ),
    _a("monitor.sort", "S", "Sort", "Order the runs by a column; the same one again turns it round."),
    _a("monitor.group", "b", "Group", "Group the runs by name, state, dataset, base or project."),
    _a("monitor.fold", "F", "Fold the past", "Hide all but the newest runs that have ended, or show them again."),
    _a("monitor.pin", "P", "Pin", "Keep the run at the top of the list, or let it go again."),
    _a("monitor.copy", "Y", "Copy", "Copy the id, the directory or the error of the run."),
    _a(
        "chart.smooth",
        "e",
        "Smooth",
        "The mean of a window around each point over the raw points, or these alone; short runs are never smoothed.",
        footer=3,
    ),
    _a("chart.grid", "w", "Grid", "As many curves as fit, or the chosen one alone.", footer=3),
    _a("chart.crosshair", "x", "Crosshair", "The values at one step, in all curves; ← → move it.", footer=4),
    _a("chart.by_time", "t", "By time", "Steps or time from left to right."),
    _a("chart.log_x", "X", "Log steps", "Logarithmic or linear axis of steps."),
    _a(
        "chart.fit",
        "f",
        "Early peak",
        "Leave out a peak at the very beginning that would flatten the rest, or show it.",
    ),
    _a("chart.log_scale", "y", "Log scale", "Logarithmic or linear axis.", footer=4),
    _a(
        "chart.next_curve", "v", "Next curve", "Loss, learning rate, gradient norm, speed and others in turn.", footer=4
    ),
    _a("chart.previous_curve", "V", "Previous curve", "The same backwards.", palette=False),
    _a("chart.zoom_in", "plus equals_sign", "Zoom in", "Fewer steps, larger.", footer=5),
    _a("chart.zoom_out", "minus", "Zoom out", "More steps, smaller.", footer=5),
    _a("chart.pan_left", "h left", "Earlier", "Move the window to earlier steps.", palette=False),
    _a("chart.pan_right", "l right", "Later", "Move the window to later steps.", palette=False),
    _a("chart.reset", "0", "Whole run", "Show the whole run again.", footer=6),
    _a("log.search", "slash", "Search", "Find text in the log.", footer=3),
    _a("log.next_match", "n", "Next match", "Go to the next match.", footer=4),
    _a("log.previous_match", "N", "Previous match", "Go to the match before.", palette=False),
    _a(
        "log.pager",
        "v",
        "Open in pager",
        "Read the whole log in $PAGER, or in less; the app waits meanwhile.",
        footer=6,
    ),
    _a("log.levels", "e", "Levels", "Everything, warnings and errors, or errors only.", footer=4),
    _a("log.wrap", "w", "Wrap", "Long lines on several rows, or cut at the edge.", footer=6),
    _a("log.jump", "t", "Go to", "Go to a time or a step.", footer=6),
    _a("log.follow", "f", "Follow", "Go to the newest line and stay there; or stand still.", footer=5),
    _a("log.down", "j down", "Down", "A line on.", palette=False),
    _a("log.up", "k up", "Up", "A line back; stops following.", palette=False),
    _a("log.page_down", "ctrl+f pagedown", "Page down", "A page on.", palette=False),
    _a("log.page_up", "ctrl+b pageup", "Page up", "A page back.", palette=False),
    _a("log.first", "g home", "Start", "The oldest line kept.", palette=False),
    _a("log.last", "G end", "End", "The newest line; follows again.", palette=False),
    _a("log.left", "h left", "Left", "Scroll long lines left.", palette=False),
    _a("log.right", "l right", "Right", "Scroll long lines right.", palette=False),
    _a(
        "registry.deploy",
        "d",
        "Deploy",
        "Serve the model at an endpoint; shows how to call it.",
        changes=True,
        footer=2,
    ),
    _a("registry.chat", "c", "Chat", "Talk to the model; deploys it first when needed.", footer=3),
    _a("registry.endpoint", "u", "Use it", "Address, key and ready-made calls of the running endpoint.", footer=4),
    _a("registry.undeploy", "U", "Undeploy", "Stop serving the model.", changes=True),
    _a(
        "registry.answers",
        "a",
        "Is it right?",
        "Read its answers one by one and say which are right.",
        changes=True,
        footer=5,
    ),
    _a("registry.corrections", "x", "Corrections", "Answers found wrong, and new training data from them.", footer=6),
    _a("registry.rate", "r", "Rate", "One to five stars and a note.", changes=True, footer=6),
    _a("registry.judge", "J", "Judge", "Let a language model elsewhere compare base and tuned answers.", changes=True),
    _a("registry.tag", "t", "Tags", "Words of your own to find it by.", changes=True),
    _a("registry.promote", "P", "Promote", "Make this version the champion of its name.", changes=True),
    _a("registry.rollback", "B", "Roll back", "Make the previous champion the champion again.", changes=True),
    _a("registry.compare", "m", "Compare", "Put two versions side by side.", footer=7),
    _a(
        "registry.evaluate",
        "E",
        "Evaluate",
        "Measure this version, or several, on any data: as the report card does, whenever you like.",
        changes=True,
    ),
    _a("registry.leaderboard", "L", "Leaderboard", "Who does best on which data, with how sure that is."),
    _a("registry.again", "n", "New run from this", "Fill in New Run as for the run that made this model."),
    _a(
        "registry.export",
        "e",
        "Export",
        "Write the model to files in the form you need, or push it to the Hugging Face Hub.",
        changes=True,
        footer=5,
    ),
    _a("registry.take", "I", "Take in", "Take a model from a bundle or from the Hugging Face Hub.", changes=True),
    _a("registry.html", "H", "HTML card", "Write the report card as one HTML file, to mail or print.", changes=True),
    _a("registry.delete", "D delete", "Delete", "Remove this version and its files.", changes=True),
    _a(
        "registry.next_pane",
        "right_square_bracket l right",
        "Next page",
        "Report card, answers, training, origin in turn.",
        footer=6,
    ),
    _a("registry.previous_pane", "left_square_bracket h left", "Previous page", "The same backwards.", palette=False),
    _a("registry.zoom", "z enter", "Full screen", "Give the report card the whole screen, and back."),
    _a("registry.filter", "slash", "Filter", "Show only models whose name, tag or alias fits.", footer=8),
    _a("modal.dismiss", "escape q", "Close", "Close the dialogue; nothing is changed.", footer=1, palette=False),
    _a("modal.next", "down", "Next", "Next field or button.", palette=False),
    _a("modal.previous", "up", "Previous", "Field or button before.", palette=False),
    _a("pick.browse", "ctrl+o f3", "Browse", "Look for a file on this machine.", palette=False),
    _a("pick.columns", "f4 ctrl+t", "Columns", "Say which column of the table is what.", footer=2, palette=False),
    _a("pick.report", "f6", "Records", "The records, and those that each finding is about.", footer=3, palette=False),
    _a(
        "report.repair",
        "r f7",
        "New version",
        "Make a version without what is wrong.",
        changes=True,
        footer=2,
        palette=False,
    ),
    _a("records.following", "right n l", "Next record", "The next one.", footer=3, palette=False),
    _a("records.preceding", "left p h", "Record before", "The one before.", footer=5, palette=False),
    _a("records.first", "home", "First", "The first record.", palette=False),
    _a("records.last", "end G", "Last", "The last record.", palette=False),
    _a("records.go", "g slash", "Go to", "The record with a number.", footer=6, palette=False),
    _a(
        "records.tokens",
        "t",
        "Tokens",
        "As the base's tokens, learnt ones marked; again: with borders.",
        footer=2,
        palette=False,
    ),
    _a(
        "records.take_out",
        "x",
        "Take out",
        "Mark the record to be left out of a new version, or not.",
        footer=4,
        palette=False,
    ),
    _a("repair.tick", "space", "Tick", "Do this, or not.", footer=3, palette=False),
    _a("repair.make", "f5 ctrl+s", "Make it", "Write the new version.", changes=True, footer=2, palette=False),
    _a(
        "bases.hub",
        "f3 ctrl+r",
        "Search the Hub",
        "Look on the Hugging Face Hub for what is typed.",
        footer=2,
        palette=False,
    ),
    _a("columns.use", "f5 ctrl+s", "Use them", "Take the table with these columns.", footer=2, palette=False),
    _a(
        "offers.interruptible",
        "f4 ctrl+t",
        "Interruptible",
        "Show or hide machines that may be taken away.",
        footer=2,
        palette=False,
    ),
    _a("offers.again", "f5 ctrl+r", "Ask again", "Ask every service again.", footer=3, palette=False),
    _a("endpoint.reveal", "s", "Show key", "Show or hide the bearer key.", footer=2, palette=False),
    _a("endpoint.copy_key", "c", "Copy key", "Copy the bearer key.", footer=3, palette=False),
    _a("endpoint.copy_url", "a", "Copy address", "Copy the base address.", footer=4, palette=False),
    _a("endpoint.copy_curl", "u", "Copy curl", "Copy a ready-made call for the shell.", footer=5, palette=False),
    _a(
        "endpoint.copy_python",
        "p",
        "Copy Python",
        "Copy a ready-made call for the openai package.",
        footer=6,
        palette=False,
    ),
    _a("answers.right", "y", "Right", "The answer is right.", changes=True, footer=2, palette=False),
    _a("answers.wrong", "n", "Wrong", "The answer is wrong.", changes=True, footer=3, palette=False),
    _a("answers.skip", "s right l", "Skip", "Say nothing of it; the next answer.", footer=4, palette=False),
    _a("answers.before", "left h", "Before", "Back to the answer before.", footer=5, palette=False),
    _a(
        "answers.take_back",
        "backspace u",
        "Take back",
        "Forget what was said of this answer.",
        changes=True,
        palette=False,
    ),
    _a("correct.keep", "ctrl+s f5", "Keep", "Keep what is written.", changes=True, footer=2, palette=False),
    _a(
        "corrections.train",
        "n",
        "New version",
        "Write a new version of the data with all corrections, and set up the run that learns from it.",
        changes=True,
        footer=2,
        palette=False,
    ),
    _a(
        "corrections.remove",
        "D delete",
        "Forget",
        "Forget the chosen correction.",
        changes=True,
        footer=3,
        palette=False,
    ),
    _a("chat.send", "enter", "Send", "Send what you wrote.", footer=2, palette=False),
    _a(
        "chat.stop", "f6", "Stop answer", "End the answer being written; escape does that too.", footer=4, palette=False
    ),
    _a("chat.clear", "f4 ctrl+l", "New chat", "Forget the conversation so far.", footer=3, palette=False),
    _a(
        "chat.wrong",
        "f3 x",
        "Wrong",
        "Write what the newest answer should have been, or the one chosen with tab (there x does it too).",
        changes=True,
        footer=3,
        palette=False,
    ),
    _a("chat.settings", "f5", "Settings", "System prompt, temperature, longest answer.", footer=5, palette=False),
    _a(
        "chat.beside", "f7", "Beside", "Ask a second model the same, side by side; or no more.", footer=5, palette=False
    ),
    _a(
        "chat.save",
        "f9 ctrl+s",
        "Save",
        "Write the talk to a file, for reading or as training data.",
        footer=6,
        palette=False,
    ),
    _a("chat.page_up", "pageup", "Back", "A page back in the conversation.", palette=False),
    _a("chat.page_down", "pagedown", "Forward", "A page forward in the conversation.", palette=False),
)

BY_ID: dict[str, Action] = {action.id: action for action in ACTIONS}

_SPELLED = {
    "question_mark": "?",
    "colon": ":",
    "exclamation_mark": "!",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "escape": "esc",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "delete": "del",
}


def spell(key: str) -> str:
    """A key as people write it: ``ctrl+p`` → ``^p``, ``question_mark`` → ``?``."""
    if key.startswith("ctrl+"):
        return "^" + key.removeprefix("ctrl+")
    if key.startswith("shift+"):
        return "shift+" + spell(key.removeprefix("shift+"))
    return _SPELLED.get(key, key)


def key_named(text: str) -> str:
    """A key as Textual names it, from how people write it: ``?`` → ``question_mark``, ``^p`` → ``ctrl+p``."""
    if text.startswith("^") and len(text) == 2:
        return f"ctrl+{text[1]}"
    return next((name for name, spelled in _SPELLED.items() if spelled == text), text)


_FROM_CONFIG: dict[str, Action] = {}


def use_keymap(keymap: Mapping[str, tuple[str, ...]]) -> None:
    """From now on these actions have these keys: what footer, help and palette show."""
    _FROM_CONFIG.clear()
    _FROM_CONFIG.update({name: replace(BY_ID[name], keys=keys) for name, keys in keymap.items()})


def defaults() -> tuple[Action, ...]:
    """Every action with the keys it has unasked."""
    return ACTIONS


def of_scope(scope: str) -> tuple[Action, ...]:
    """The actions of one scope, in the order of the table."""
    return tuple(_FROM_CONFIG.get(action.id, action) for action in ACTIONS if action.scope == scope)


def key_of(action_id: str) -> str:
    """The main key of an action as it is now, as people write it."""
    return _FROM_CONFIG.get(action_id, BY_ID[action_id]).key


def bindings(*scopes: str) -> list[BindingType]:
    """What a class of these scopes puts into its ``BINDINGS``."""
    return [
        Binding(",".join(action.keys), action.name, action.title, show=False, id=action.id)
        for scope in scopes
        for action in ACTIONS
        if action.scope == scope
    ]


IN_DIALOGUES = ("help", "palette", "theme", "screenshot", "suspend_process", "quit")
"""The app's actions that a dialogue lets through; Textual lets none of the app's keys through one."""


def dialogue_bindings() -> list[BindingType]:
    """The keys of these actions, for a dialogue's ``BINDINGS``; those that its own actions have taken mean these."""
    taken = {key for action in ACTIONS if action.scope == "modal" for key in action.keys}
    return [
        Binding(
            ",".join(key for key in action.keys if key not in taken), f"app.{action.name}", show=False, id=action.id
        )
        for action in ACTIONS
        if action.scope == "app" and action.name in IN_DIALOGUES
    ]


def find(scopes: Iterable[str], name: str) -> Action | None:
    """The action that ``name`` means on a node of these scopes."""
    for scope in scopes:
        if action := BY_ID.get(f"{scope}.{name}"):
            return action
    return None


def as_markdown() -> str:
    """The table for people, as docs/keys.md holds it."""
    parts = [
        "# Keys\n\nEvery action can be reached by keyboard; `?` shows those that work where you are, "
        "`:` finds any by name.\nOther keys for an action go into config.toml, by the name of its place and its own: "
        '`[keys]` and below it `"monitor.pause" = "p ctrl+p"`.\n'
        "Actions marked • change something and are refused with `--read-only`.\n"
    ]
    for scope, title in SCOPES.items():
        rows = "\n".join(_markdown_row(action) for action in ACTIONS if action.scope == scope)
        parts.append(f"## {title}\n\n| keys | action | what it does |\n|---|---|---|\n{rows}\n")
    return "\n".join(parts)


def _markdown_row(action: Action) -> str:
    keys = " ".join(f"`{key if key.startswith('ctrl+') else spell(key)}`" for key in action.keys)
    return f"| {keys} | {action.title}{' •' if action.changes else ''} | {action.help} |"
