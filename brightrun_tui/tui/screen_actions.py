"""What can be done everywhere, and on each of the four screens."""

from __future__ import annotations

from brightrun_tui.tui.action import Action, action

SCREEN_ACTIONS: tuple[Action, ...] = (
    action("app.integrations", "1", "Integrations", "Show what is connected and whether it works right now."),
    action("app.new_run", "2", "New Run", "Set up a training run: data, base model, settings, price."),
    action("app.monitor", "3", "Monitor", "Watch what is running: curves, log, cost, answers."),
    action("app.registry", "4", "Registry", "Your models: how good they are, and how to use them."),
    action(
        "app.help",
        "question_mark f1",
        "Help",
        "Explain the chosen field or card, and show the keys that work here.",
        footer=1,
        palette=False,
    ),
    action("app.news", "exclamation_mark f7", "News", "What has happened: runs that ended, money, machines, models."),
    action("app.palette", "colon ctrl+p", "Commands", "Find any action by its name.", footer=8, palette=False),
    action("app.theme", "f2", "Theme", "Change the colours; your own themes are in the list too."),
    action("app.screenshot", "f8", "Screenshot", "Save a picture of the screen (SVG)."),
    action("app.focus_next", "tab", "Next panel", "Move to the next panel or field.", palette=False),
    action("app.focus_previous", "shift+tab", "Previous panel", "Move to the panel or field before.", palette=False),
    action("app.suspend_process", "ctrl+z", "Suspend", "Back to the shell for a while; fg brings the app back."),
    action(
        "app.back",
        "escape",
        "Back",
        "Leave a field, a dialogue, a filter or the full screen; in Monitor then the marks, and back to the list.",
        palette=False,
    ),
    action("app.quit", "q ctrl+q", "Quit", "Close the app. What is running goes on without it.", footer=9),
    action(
        "integrations.configure",
        "enter c",
        "Configure",
        "Enter or change the credential; it is tested at once.",
        changes=True,
        footer=2,
    ),
    action("integrations.test", "t", "Test", "Test the chosen service now.", footer=3),
    action("integrations.test_all", "T", "Test all", "Test every service that is configured.", footer=4),
    action(
        "integrations.disconnect", "x delete", "Disconnect", "Forget the stored credential.", changes=True, footer=5
    ),
    action("integrations.left", "h left", "Left", "Card to the left.", palette=False),
    action("integrations.down", "j down", "Down", "Card below.", palette=False),
    action("integrations.up", "k up", "Up", "Card above.", palette=False),
    action("integrations.right", "l right", "Right", "Card to the right.", palette=False),
    action(
        "new_run.start", "s f5", "Start", "Start the run, after one last look at its price.", changes=True, footer=2
    ),
    action(
        "new_run.sweep",
        "S",
        "Sweep",
        "Try several values of a setting (three learning rates by default) as a group of runs.",
        changes=True,
    ),
    action(
        "new_run.fix",
        "f",
        "Mend the plan",
        "Apply the smallest change that makes the first red line of the plan green, or the base that speaks the language of the "
        "data; u takes it back.",
        footer=3,
    ),
    action("new_run.dataset", "d", "Dataset", "Choose the data to learn from.", footer=3),
    action("new_run.preview", "v", "Preview", "Look at the conversations as the model will see them.", footer=4),
    action("new_run.base", "b", "Base model", "Choose the model to start from.", footer=5),
    action("new_run.template", "t", "Template", "Choose a proven set of settings.", footer=6),
    action(
        "new_run.machine", "m", "Machine", "Every machine for rent now, and what this run would cost on it.", footer=7
    ),
    action("new_run.advanced", "a", "Advanced", "Show or hide all the other settings.", footer=7),
    action("new_run.find", "slash", "Find a setting", "Show only the settings whose name or help fits.", footer=8),
    action("new_run.undo", "u", "Undo", "Take back the last change in the form.", footer=4),
    action(
        "new_run.reset_one", "x", "Reset one", "The setting under the cursor back to the template's value.", footer=5
    ),
    action(
        "new_run.save_template", "W", "Save as template", "Keep these settings as a template of your own.", changes=True
    ),
    action(
        "new_run.write_settings", "w", "Save settings", "Write base, template and settings to a file.", changes=True
    ),
    action("new_run.read_settings", "o", "Read settings", "Take base, template and settings from a file."),
    action("new_run.reset", "R", "Reset all", "Every setting back to the template's value; u takes it back."),
    action(
        "monitor.pause",
        "p",
        "Pause / resume",
        "Pause the run after a checkpoint, or let a paused one go on.",
        changes=True,
        footer=2,
    ),
    action("monitor.stop", "s", "Stop", "End the run early and keep what it has learnt.", changes=True, footer=3),
    action(
        "monitor.stop_later", "T", "Stop later", "End the run after its next evaluation or the epoch.", changes=True
    ),
    action("monitor.checkpoint", "C", "Checkpoint now", "Save a checkpoint at the next step.", changes=True),
    action(
        "monitor.change",
        "u",
        "Change the run",
        "Another learning rate, other epochs, more budget or time, while it trains or before it is tried again.",
        changes=True,
        footer=7,
    ),
    action(
        "monitor.retry",
        "R",
        "Retry",
        "Try a failed or stopped run again, with the suggested fix if there is one.",
        changes=True,
        footer=5,
    ),
    action(
        "monitor.sooner",
        "less_than_sign",
        "Sooner",
        "Give a run that waits the place before in the queue.",
        changes=True,
    ),
    action(
        "monitor.later",
        "greater_than_sign",
        "Later",
        "Give a run that waits the place behind in the queue.",
        changes=True,
    ),
    action(
        "monitor.delete",
        "D delete",
        "Delete",
        "Forget the run and remove its files; models made from it stay.",
        changes=True,
    ),
    action("monitor.open", "o enter", "Open model", "Show the model of this run in the Registry.", footer=4),
    action(
        "monitor.again", "n", "New run from this", "Fill in New Run with data, base and settings of this run.", footer=8
    ),
    action("monitor.curves", "c", "Curves", "Curves of the chosen run."),
    action("monitor.log", "L", "Log", "What the worker prints."),
    action("monitor.answers", "a", "Answers", "Sample answers: base and tuned model side by side."),
    action("monitor.facts", "i", "Facts", "Hardware, cost, checkpoints, alerts, settings."),
    action("monitor.alerts", "A", "Alerts", "What is wrong with runs, the numbers that show it, and what to do."),
    action(
        "monitor.acknowledge",
        "K",
        "Acknowledge",
        "The alerts of the chosen run count as seen, in the list of alerts only the chosen one; without any, those of all runs.",
    ),
    action("monitor.export", "E", "Export curves", "Write the curves of the run as CSV, SVG and PNG."),
    action("monitor.note", "N", "Note", "Write down what you want to remember of the run.", changes=True),
    action(
        "monitor.shell",
        "dollar_sign",
        "Shell",
        "A shell in the directory of the run, on the machine where it is; exit comes back.",
        changes=True,
    ),
    action(
        "monitor.next_pane",
        "right_square_bracket",
        "Next pane",
        "Curves, log, answers, facts, alerts in turn.",
        footer=6,
    ),
    action("monitor.previous_pane", "left_square_bracket", "Previous pane", "The same backwards.", palette=False),
    action("monitor.zoom", "z", "Full screen", "Give the chosen pane the whole screen, and back.", footer=6),
    action(
        "monitor.filter",
        "slash",
        "Filter",
        "Show only runs that fit: words, !word for what must not fit, field:value (name, state, data, base, where, …).",
        footer=7,
    ),
    action("monitor.runs", "r", "Runs", "To the list of runs, from anywhere."),
    action(
        "monitor.mark",
        "space",
        "Mark",
        "Mark the run; stop, pause, delete and the curves then take all that are marked.",
    ),
    action(
        "monitor.compare",
        "m",
        "Compare",
        "Put the marked runs side by side: results, and what was set differently.",
        footer=5,
    ),
    action("monitor.sort", "S", "Sort", "Order the runs by a column; the same one again reverses it."),
    action("monitor.group", "b", "Group", "Group the runs by name, state, dataset, base, sweep or project."),
    action("monitor.columns", "O", "Columns", "Which columns the table has, and in what order."),
    action("monitor.fold", "F", "Fold the past", "Hide all but the newest runs that have ended, or show them again."),
    action("monitor.pin", "P", "Pin", "Keep the run at the top of the list, or let it go again."),
    action("monitor.copy", "Y", "Copy", "Copy the id, the directory, the error or the curves of the run."),
    action(
        "registry.deploy",
        "d",
        "Deploy",
        "Serve the model at an endpoint; shows how to call it.",
        changes=True,
        footer=2,
    ),
    action("registry.chat", "c", "Chat", "Talk to the model; deploys it first when needed.", footer=3),
    action("registry.endpoint", "u", "Use it", "Address, key and ready-made calls of the running endpoint.", footer=4),
    action("registry.undeploy", "U", "Undeploy", "Stop serving the model.", changes=True),
    action(
        "registry.answers",
        "a",
        "Is it right?",
        "Read its answers one by one and say which are right.",
        changes=True,
        footer=5,
    ),
    action(
        "registry.corrections", "x", "Corrections", "Answers found wrong, and new training data from them.", footer=6
    ),
    action(
        "registry.try_next",
        "f",
        "Try next",
        "What the report card advises: choose one, and New Run is filled in with it, or it is done.",
        footer=4,
    ),
    action("registry.rate", "r", "Rate", "One to five stars and a note.", changes=True, footer=6),
    action(
        "registry.judge", "J", "Judge", "Let a language model elsewhere compare base and tuned answers.", changes=True
    ),
    action("registry.tag", "t", "Tags", "Words of your own to find it by.", changes=True),
    action(
        "registry.alias",
        "A",
        "Aliases",
        "Names of your own for this version: NAME:ALIAS means it, until you move them.",
        changes=True,
    ),
    action("registry.describe", "i", "Describe", "One sentence that says what the version is for.", changes=True),
    action(
        "registry.archive",
        "Z",
        "Archive",
        "Take the version out of the list without deleting anything, or bring it back.",
        changes=True,
    ),
    action(
        "registry.clean",
        "X",
        "Clean up",
        "Remove checkpoints of completed runs whose models are here, and served copies that no endpoint uses; says what that "
        "frees.",
        changes=True,
    ),
    action("registry.promote", "P", "Promote", "Make this version the champion of its name.", changes=True),
    action("registry.rollback", "B", "Roll back", "Make the previous champion the champion again.", changes=True),
    action("registry.mark", "space", "Mark", "Mark the version; compare and evaluate then take all that are marked."),
    action(
        "registry.compare",
        "m",
        "Compare",
        "Put the marked versions side by side, or this one beside another: results, and what was different.",
        footer=7,
    ),
    action(
        "registry.evaluate",
        "E",
        "Evaluate",
        "Measure this version, or several, on any data: as the report card does, whenever you like.",
        changes=True,
    ),
    action("registry.leaderboard", "L", "Leaderboard", "Who does best on which data, with how sure that is."),
    action("registry.again", "n", "New run from this", "Fill in New Run as for the run that made this model."),
    action(
        "registry.export",
        "e",
        "Export",
        "Write the model to files in the form you need, or push it to the Hugging Face Hub.",
        changes=True,
        footer=5,
    ),
    action(
        "registry.take",
        "I",
        "Import",
        "Take in a model from a bundle, the Hugging Face Hub, or those of a team there.",
        changes=True,
    ),
    action(
        "registry.html", "H", "HTML card", "Write the report card as one HTML file, to mail or print.", changes=True
    ),
    action("registry.delete", "D delete", "Delete", "Remove this version and its files.", changes=True),
    action(
        "registry.next_pane",
        "right_square_bracket l right",
        "Next page",
        "Report card, answers, training, origin in turn.",
        footer=6,
    ),
    action(
        "registry.previous_pane", "left_square_bracket h left", "Previous page", "The same backwards.", palette=False
    ),
    action("registry.zoom", "z enter", "Full screen", "Give the report card the whole screen, and back."),
    action("registry.filter", "slash", "Filter", "Show only models whose name, tag or alias fits.", footer=8),
)
