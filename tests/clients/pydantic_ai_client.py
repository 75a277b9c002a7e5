"""Pydantic AI: agents over chat completions, Responses and Messages."""

import asyncio

from anthropic import AsyncAnthropic
from checks import KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL, run
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider


class Place(BaseModel):
    city: str
    people: int


def chat(name="auto", key=KEY):
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=URL, api_key=key, max_retries=0))
    return OpenAIChatModel(name, provider=provider)


def responses(name="auto"):
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0))
    return OpenAIResponsesModel(name, provider=provider)


def messages(name="auto"):
    plain = AsyncAnthropic(base_url=URL.removesuffix("/v1"), api_key=KEY, max_retries=0)
    return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=plain))


def whole_and_streamed(model, question, wanted):
    async def all_of_it():
        answer = await Agent(model()).run(question)
        assert wanted in answer.output, answer.output
        async with Agent(model()).run_stream(question) as stream:
            assert wanted in await stream.get_output()

    asyncio.run(all_of_it())


def calls_a_tool(model):
    async def all_of_it():
        asked = []
        agent = Agent(model)

        @agent.tool_plain
        def weather(city: str) -> str:
            """The weather of a city."""
            asked.append(city)
            return "rain"

        answer = await agent.run("The weather in Bonn?")
        assert asked == ["Bonn"] and STAND_IN in answer.output, (asked, answer.output)
        async with agent.run_stream("The weather in Bonn?") as stream:
            await stream.get_output()
        assert "Bonn" in asked

    asyncio.run(all_of_it())


def object_of(model):
    async def all_of_it():
        assert (await Agent(model, output_type=Place).run("Which city?")).output == Place(city="Bonn", people=3)

    asyncio.run(all_of_it())


def check_chat():
    whole_and_streamed(chat, LOCAL, LOCAL_SAYS)
    whole_and_streamed(chat, REMOTE, STAND_IN)


def check_chat_tools():
    calls_a_tool(chat("remote"))
    calls_a_tool(chat("claude"))


def check_chat_objects():
    object_of(chat("remote"))
    object_of(chat("claude"))


def check_responses():
    whole_and_streamed(responses, LOCAL, LOCAL_SAYS)
    whole_and_streamed(responses, REMOTE, STAND_IN)


def check_responses_tools_and_objects():
    for name in ("remote", "claude"):
        calls_a_tool(responses(name))
        object_of(responses(name))


def check_messages():
    whole_and_streamed(messages, LOCAL, LOCAL_SAYS)
    whole_and_streamed(messages, REMOTE, STAND_IN)


def check_messages_tools_and_objects():
    for name in ("remote", "claude"):
        calls_a_tool(messages(name))
        object_of(messages(name))


def check_errors():
    def ask(name, key=KEY):
        return lambda: asyncio.run(Agent(chat(name, key)).run(LOCAL))

    for call, status in ((ask("gpt-9"), 404), (ask("auto", "wrong"), 401), (ask("busy"), 429)):
        try:
            call()
        except ModelHTTPError as error:
            assert error.status_code == status, error
        else:
            raise AssertionError(f"no ModelHTTPError with {status}")


run("pydantic-ai-slim", globals())
