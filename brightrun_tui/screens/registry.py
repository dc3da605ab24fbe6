from brightrun_tui.screens.base import ModeScreen


class RegistryScreen(ModeScreen):
    MODE = "registry"
    SCOPES = ("registry",)
