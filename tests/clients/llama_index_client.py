"""LlamaIndex: `OpenAILike`, its class for any server with OpenAI's API."""

import openai
from checks import KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL, raises, run
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class Place(BaseModel):
    """A place."""

    city: str
    people: int


def model(name="auto", key=KEY, **more):
    return OpenAILike(model=name, api_base=URL, api_key=key, is_chat_model=True, is_function_calling_model=True, max_retries=0, **more)


def user(text):
    return [ChatMessage(role="user", content=text)]


def weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


def check_chat():
    assert LOCAL_SAYS in model().chat(user(LOCAL)).message.content
    assert model().chat(user(REMOTE)).message.content == STAND_IN


def check_chat_streamed():
    for question, wanted in ((LOCAL, LOCAL_SAYS), (REMOTE, STAND_IN)):
        assert wanted in list(model().stream_chat(user(question)))[-1].message.content


def check_legacy_completions():
    plain = OpenAILike(model="auto", api_base=URL, api_key=KEY, is_chat_model=False, max_retries=0)
    assert LOCAL_SAYS in plain.complete(LOCAL).text
    assert list(plain.stream_complete(REMOTE))[-1].text == STAND_IN


def check_tools():
    tools = [FunctionTool.from_defaults(fn=weather)]
    for name in ("remote", "claude"):
        answer = model(name).chat_with_tools(tools, user_msg="The weather in Bonn?")
        call = model(name).get_tool_calls_from_response(answer)[0]
        assert (call.tool_name, call.tool_kwargs) == ("weather", {"city": "Bonn"})
        assert str(model(name).predict_and_call(tools, user_msg="The weather in Bonn?")) == "rain in Bonn"


def check_objects():
    for name in ("remote", "claude"):
        place = model(name).as_structured_llm(Place).chat(user("Which city?")).raw
        assert place == Place(city="Bonn", people=3)


def check_errors():
    raises(openai.AuthenticationError, lambda: model(key="wrong").chat(user(LOCAL)), "caller_key_unknown")
    raises(openai.NotFoundError, lambda: model("gpt-9").chat(user(LOCAL)), "caller_model_not_found")
    raises(openai.RateLimitError, lambda: model("busy").chat(user(LOCAL)))


run("llama-index-llms-openai-like", globals())
