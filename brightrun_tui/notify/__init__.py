"""Telling people what happens to runs while they look elsewhere: channels, each with one file, and who calls them."""
