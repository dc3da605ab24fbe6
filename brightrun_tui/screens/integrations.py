from brightrun_tui.screens.base import ModeScreen


class IntegrationsScreen(ModeScreen):
    MODE = "integrations"
    SCOPES = ("integrations",)
