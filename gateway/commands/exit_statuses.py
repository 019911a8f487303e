"""The exit statuses of all commands, for monitors and scripts."""

from __future__ import annotations

DONE = 0
NOT_DONE = 1
NOT_RUNNING = 3
SOMETHING_IS_WRONG = 4
MEANINGS = {
    DONE: "success: all is well, or the command was carried out",
    NOT_DONE: "the command could not be carried out, or the configuration has mistakes",
    2: "the command line is wrong",
    NOT_RUNNING: "the service is not running",
    SOMETHING_IS_WRONG: "something is wrong, or an attempt failed: the output says what",
}
