"""The command `llm`, with this gateway's models in its `extra-openai-models.yaml`."""

import os
import subprocess
import sys
from pathlib import Path

from checks import KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL, run

HOME = Path(os.environ["CLIENTS_WORK"]) / "llm"
LLM = Path(sys.executable).parent / "llm"
HOME.mkdir(exist_ok=True)
ENTRY = '- {{model_id: here-{name}, model_name: {name}, api_base: "{url}", api_key_name: firstline, supports_tools: true, supports_schema: true}}\n'
(HOME / "extra-openai-models.yaml").write_text("".join(ENTRY.format(name=name, url=URL) for name in ("auto", "remote", "claude", "busy")))


def llm(*words, key=KEY):
    env = os.environ | {"LLM_USER_PATH": str(HOME)}
    done = subprocess.run([LLM, *words, "--key", key], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240)
    return done.returncode, done.stdout, done.stderr


def check_streamed():
    assert LOCAL_SAYS in llm("-m", "here-auto", LOCAL)[1]
    assert STAND_IN in llm("-m", "here-auto", REMOTE)[1]


def check_whole():
    assert LOCAL_SAYS in llm("-m", "here-auto", "--no-stream", LOCAL)[1]
    assert STAND_IN in llm("-m", "here-auto", "--no-stream", REMOTE)[1]


def check_tools():
    weather = 'def weather(city: str) -> str:\n    "The weather of a city."\n    return "rain in " + city\n'
    for model in ("here-remote", "here-claude"):
        for how in ((), ("--no-stream",)):
            code, out, err = llm("-m", model, "--functions", weather, "--tools-debug", *how, "The weather in Bonn?")
            assert code == 0 and STAND_IN in out and "rain in Bonn" in err, (model, how, out, err)


def check_schema():
    for model in ("here-remote", "here-claude"):
        code, out, err = llm("-m", model, "--schema", "city, people int", "Which city?")
        assert code == 0 and '"Bonn"' in out and "3" in out, (model, out, err)


def check_errors():
    code, _, err = llm("-m", "here-auto", LOCAL, key="wrong")
    assert code != 0 and "this API key is not known here" in err, err
    code, _, err = llm("-m", "here-busy", LOCAL)
    assert code != 0 and "slow down" in err, err


run("llm", globals())
