from brightrun_tui.screens.base import ModeScreen


class NewRunScreen(ModeScreen):
    MODE = "new_run"
    SCOPES = ("new_run",)
