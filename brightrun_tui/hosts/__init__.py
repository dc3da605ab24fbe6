"""A machine in hand, here or over SSH: put files, start a process, read what it says, get results."""
