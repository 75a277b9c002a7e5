"""What the checks of the Python clients share. Each prints `ok` or `FAIL` and its name, and `done` at the end."""

import inspect
import os
import traceback
from importlib.metadata import version

URL = os.environ["FIRSTLINE_URL"]
KEY = os.environ["FIRSTLINE_KEY"]
LOCAL = "Do you deliver to France and Spain?"
LOCAL_SAYS = "3 to 5 working days"
REMOTE = "Prove that there are infinitely many primes."
STAND_IN = "[stand-in] no model wrote this."
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCHEMA_TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": WEATHER}}


def raises(kind, call, says=None):
    """The error, which has to be of just this kind and to say what is wanted."""
    try:
        call()
    except kind as error:
        assert type(error) is kind, type(error)
        assert says is None or says in str(error), str(error)
        return error
    raise AssertionError(f"no {kind.__name__}")


def run(package, space):
    """Runs each function of the calling module whose name begins with `check_`."""
    for name, check in list(space.items()):
        if not name.startswith("check_") or not inspect.isfunction(check):
            continue
        said = f"{package} {version(package)}: {name.removeprefix('check_')}" if package else name.removeprefix("check_")
        try:
            check()
            print("ok  ", said)
        except Exception:
            print("FAIL", said)
            traceback.print_exc()
    print("done", flush=True)
