"""LiteLLM as a client: `openai/…` and `anthropic/…` at this gateway's address."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches its prices when it is imported

import json

import litellm
from checks import KEY, LOCAL, LOCAL_SAYS, REMOTE, SCHEMA_TOOL, STAND_IN, URL, raises, run

litellm.telemetry = False


def ask(text, model="openai/auto", base=URL, key=KEY, **more):
    messages = [{"role": "user", "content": text}]
    return litellm.completion(model=model, messages=messages, api_base=base, api_key=key, num_retries=0, max_retries=0, **more)


def ask_claude(text, model="anthropic/auto", **more):
    return ask(text, model, base=URL.removesuffix("/v1"), **more)


def said(stream):
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def check_local_whole():
    answer = ask(LOCAL)
    assert LOCAL_SAYS in answer.choices[0].message.content and answer.usage.total_tokens > 0


def check_local_streamed():
    assert LOCAL_SAYS in said(ask(LOCAL, stream=True))


def check_remote_whole_and_streamed():
    assert ask(REMOTE).choices[0].message.content == STAND_IN
    assert said(ask(REMOTE, stream=True)) == STAND_IN


def check_usage_of_a_stream():
    last = list(ask(REMOTE, stream=True, stream_options={"include_usage": True}))[-1]
    assert last.usage.total_tokens == 15, last


def check_tools():
    for model in ("openai/remote", "openai/claude"):
        call = ask("The weather in Bonn?", model, tools=[SCHEMA_TOOL]).choices[0].message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Bonn"})
        chunks = list(ask("The weather in Bonn?", model, tools=[SCHEMA_TOOL], stream=True))
        whole = litellm.stream_chunk_builder(chunks).choices[0].message.tool_calls[0]
        assert json.loads(whole.function.arguments) == {"city": "Bonn"}


def check_messages_whole_and_streamed():
    assert LOCAL_SAYS in ask_claude(LOCAL).choices[0].message.content
    assert ask_claude(REMOTE).choices[0].message.content == STAND_IN
    assert said(ask_claude(REMOTE, stream=True)) == STAND_IN


def check_messages_with_a_tool():
    for model in ("anthropic/claude", "anthropic/remote"):
        call = ask_claude("The weather in Bonn?", model, tools=[SCHEMA_TOOL]).choices[0].message.tool_calls[0]
        assert json.loads(call.function.arguments) == {"city": "Bonn"}


def check_responses():
    response = litellm.responses(model="openai/auto", input=LOCAL, api_base=URL, api_key=KEY)
    assert LOCAL_SAYS in response.output[0].content[0].text


def check_text_completion():
    answer = litellm.text_completion(model="text-completion-openai/auto", prompt=LOCAL, api_base=URL, api_key=KEY)
    assert LOCAL_SAYS in answer.choices[0].text


def check_embedding():
    answer = litellm.embedding(model="openai/firstline-encoder", input=["where is my parcel"], api_base=URL, api_key=KEY)
    assert len(answer.data[0]["embedding"]) == 384


def check_errors():
    raises(litellm.AuthenticationError, lambda: ask(LOCAL, key="wrong"))
    raises(litellm.NotFoundError, lambda: ask(LOCAL, "openai/gpt-9"))
    raises(litellm.RateLimitError, lambda: ask(LOCAL, "openai/busy"))
    raises(litellm.InternalServerError, lambda: ask(LOCAL, "openai/broken"))
    raises(litellm.AuthenticationError, lambda: ask_claude(LOCAL, key="wrong"))


run("litellm", globals())
