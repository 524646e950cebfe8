"""Lets LiteLLM take up a new key without a restart: keys come from the env file, read again when it changed.

LiteLLM asks its secret manager for AWS_BEARER_TOKEN_BEDROCK at every request to Bedrock (its `get_secret`;
read in the source of 1.106). This is such a secret manager. Copy this file beside LiteLLM's config.yaml and
add there:

    general_settings:
      key_management_system: custom
      key_management_settings:
        custom_secret_manager: credd_secrets.EnvFileSecrets
        hosted_keys: [AWS_BEARER_TOKEN_BEDROCK]   # everything else still comes from the environment

Then restart LiteLLM once. The env file is ~/.backlog-toolkit-env; for another one, set CREDD_ENV_FILE in
LiteLLM's environment. A model with an `api_key` of its own (`api_key: os.environ/...`) doesn't take part:
LiteLLM reads that once, at its start.

The file is never run. It is read as long as each of its lines is a comment or a plain assignment
(`export NAME='value'`); one with anything else in it, or half written, changes nothing: LiteLLM keeps the
keys that it had, and its log says which line it is. A value is never logged.
"""

import logging
import os
import re
import stat
import threading
import time

from litellm.integrations.custom_secret_manager import CustomSecretManager

DEFAULT_FILE = "~/.backlog-toolkit-env"
LARGEST = 1 << 20
# Seconds: a file that was written to a moment ago may not be whole yet, and one whose last value could go on
# is even less sure to be.
QUIET = 0.25
QUIET_UNFINISHED = 5.0

log = logging.getLogger("credd_secrets")

# Words that bash, zsh and dash read alike. A bare one begins with no `=`, which zsh would look up.
BARE = r"[A-Za-z0-9_@%+:,./-][A-Za-z0-9_@%+:,./=-]*"
SINGLE = r"'[^'\n]*'"
DOUBLE = r'"[^"\\$`!\n]*"'
SURE = re.compile(rf"(?:{BARE}|{SINGLE}|{DOUBLE})?")
# The same with variables in it: harmless, but not known.
VARIABLE = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})"
OPEN = re.compile(rf'(?:{BARE}|{VARIABLE}|~|{SINGLE}|"(?:[^"\\$`!\n]|{VARIABLE})*")*')
NAME = re.compile(r"([A-Z_][A-Z0-9_]*|(?!zsh_)[a-z]+(?:_[a-z0-9]+)+)=")
# Nothing that matters here: comments, and whether assignments are exported.
IDLE = re.compile(r"[ \t]*(?:set [+-](?:a|o allexport))?[ \t]*(?:(?<![^ \t])#.*)?")
EXPORT = re.compile(r"[ \t]*(?:export[ \t]+)?")
BLANK = re.compile(r"[ \t]+")
# Shells refuse to set these, and some then read no further.
READ_ONLY = {"BASHOPTS", "BASH_VERSINFO", "EGID", "EUID", "GID", "PPID", "SHELLOPTS", "UID", "USERNAME", "_"}
KEY = re.compile(r"[!-~]+")


class Unsure(Exception):
    """Only a shell could tell. Says the line's number, never what is in it."""


def read_assignments(data):
    """The values that sourcing a file would certainly give, and whether the last one could go on.

    Raises Unsure for a file with anything but comments and plain assignments in it.
    """
    text = data.decode("latin-1")
    if re.search(r"[^\n\t\x20-\x7e\x80-\xff]", text) or text.startswith("\xef\xbb\xbf"):
        raise Unsure("it has a control character or a byte order mark in it")
    values = {}
    last_is_bare = False
    for number, line in enumerate(text.split("\n"), start=1):
        if not IDLE.fullmatch(line):
            last_is_bare = _read_line(line, number, values)
    return values, last_is_bare and not text.endswith("\n")


def _read_line(line, number, values):
    """Reads a line of assignments; tells whether its last character is a part of a bare word."""
    at = EXPORT.match(line).end()
    while True:
        name = NAME.match(line, at)
        if not name or name[1] in READ_ONLY:
            raise Unsure(f"line {number} is no plain assignment")
        start = name.end()
        known, word = SURE.match(line, start), OPEN.match(line, start)
        end = max(known.end(), word.end())
        blank = BLANK.match(line, end)
        if end < len(line) and not blank:
            raise Unsure(f"line {number} is no plain assignment")
        if known.end() == end:
            value = known[0]
            values[name[1]] = value[1:-1] if value[:1] in ("'", '"') else value
        else:
            values.pop(name[1], None)
        at = blank.end() if blank else end
        if at == len(line) or line[at] == "#":
            return end == len(line) and line[-1] not in "'\""


class EnvFileSecrets(CustomSecretManager):
    """Hands out the values of the env file, else those of the environment."""

    def __init__(self):
        super().__init__(secret_manager_name="credd_secrets")
        self._path = os.path.expanduser(os.environ.get("CREDD_ENV_FILE") or DEFAULT_FILE)
        self._lock = threading.Lock()
        self._values = {}
        self._seen = None
        self._complaint = None
        self._refresh()

    def sync_read_secret(self, secret_name, optional_params=None, timeout=None):
        self._refresh()
        return self._values.get(secret_name) or os.environ.get(secret_name)

    async def async_read_secret(self, secret_name, optional_params=None, timeout=None):
        return self.sync_read_secret(secret_name)

    def _refresh(self):
        with self._lock:
            try:
                self._read_if_changed()
            except OSError as error:
                self._complain(f"can't be read ({error.strerror})")
            except Unsure as reason:
                self._complain(str(reason))

    def _read_if_changed(self):
        seen = _identity(os.stat(self._path))
        if seen == self._seen:
            return
        age = time.time() - max(seen[-2:]) / 1e9
        # A time to come is a wrong clock's: no reason to wait for it.
        if self._values and 0 <= age < QUIET:
            return
        data = _read(self._path)
        if _identity(os.stat(self._path)) != seen:
            return
        try:
            values, may_go_on = read_assignments(data)
        except Unsure:
            self._seen = seen
            raise
        if may_go_on and 0 <= age < QUIET_UNFINISHED:
            return
        self._seen = seen
        self._complaint = None
        # Empty, or not what a key looks like: the one before is better.
        self._values.update((name, value) for name, value in values.items() if KEY.fullmatch(value))

    def _complain(self, why):
        if why != self._complaint:
            self._complaint = why
            log.warning("%s: %s; keys stay as they are until it is mended", self._path, why)


def _identity(status):
    if not stat.S_ISREG(status.st_mode):
        raise Unsure("it is no regular file")
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _read(path):
    # Not to hang on a named pipe that came in between.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unsure("it is larger than 1 MiB")
    return data
