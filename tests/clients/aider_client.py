"""aider, asked once in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

from checks import KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL, run

HOME = Path(os.environ["CLIENTS_WORK"]) / "aider"
HOME.mkdir(exist_ok=True)
PLAIN = ("--no-git", "--yes-always", "--no-check-update", "--no-show-release-notes", "--no-analytics", "--no-pretty", "--no-show-model-warnings",
         "--no-detect-urls", "--no-gitignore", "--edit-format", "ask", "--map-tokens", "0")


def aider(text, model="auto", *more, key=KEY):
    env = os.environ | {"HOME": str(HOME), "OPENAI_API_BASE": URL, "OPENAI_API_KEY": key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    words = [Path(sys.executable).parent / "aider", "--model", f"openai/{model}", *PLAIN, *more, "--message", text]
    done = subprocess.run(words, env=env, cwd=HOME, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
    return done.stdout + done.stderr


def check_streamed():
    assert STAND_IN in aider(REMOTE)


def check_whole():
    assert STAND_IN in aider(REMOTE, "remote", "--no-stream")


def check_unknown_key():
    said = aider(REMOTE, key="wrong")
    assert "AuthenticationError" in said or "authenticate" in said, said


run("aider-chat", globals())
