"""LangChain: `ChatOpenAI` under LangChain's own standard suite for chat models, over chat completions to both dialects and over Responses.

`EXPECTED` names the tests of the suite that fail, each with whose fault it is: they are run and told as `known`, and one that passes all
the same is a failure of this list.
"""

import sys
from importlib.metadata import version

import openai
import pytest
from checks import KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

NO_MODEL = "the stand-in has no model that could do what is asked"
SNAPSHOT = "the suite compares with a snapshot in LangChain's own repository"
MERGED = "LangChain joins a text and the call behind it, both of index 0, into one block"
EXPECTED = {
    "test_json_mode": NO_MODEL,
    "test_unicode_tool_call_integration": NO_MODEL,
    "TestUnit::test_serdes": SNAPSHOT,
    "TestChatByMessages::test_tool_calling[model1]": MERGED,
}


class Suite(ChatModelIntegrationTests):
    chat_model_class = ChatOpenAI
    served_by = "remote"
    more = {}

    @property
    def chat_model_params(self):
        return {"model": self.served_by, "base_url": URL, "api_key": KEY, "max_retries": 0, "stream_usage": True, **self.more}

    # Their pictures are fetched from the network when the tests run.
    supports_image_inputs = False

    @property
    def supports_json_mode(self):
        return True


class TestChat(Suite):
    pass


class TestChatByMessages(Suite):
    served_by = "claude"


class TestResponses(Suite):
    more = {"use_responses_api": True}


class TestResponsesByMessages(Suite):
    served_by = "claude"
    more = {"use_responses_api": True}


class TestUnit(ChatModelUnitTests):
    chat_model_class = ChatOpenAI
    chat_model_params = {"model": "auto", "base_url": URL, "api_key": KEY}


class TestOurs:
    def test_local_whole_and_streamed(self):
        model = ChatOpenAI(model="auto", base_url=URL, api_key=KEY)
        assert LOCAL_SAYS in model.invoke(LOCAL).content
        assert LOCAL_SAYS in "".join(chunk.content for chunk in model.stream(LOCAL))
        assert model.invoke(REMOTE).content == STAND_IN

    def test_errors(self):
        def ask(name="auto", key=KEY):
            return lambda: ChatOpenAI(model=name, base_url=URL, api_key=key, max_retries=0).invoke(LOCAL)

        def kind(of):
            return type(raises_any(of))

        assert issubclass(kind(ask(key="wrong")), openai.AuthenticationError)
        assert issubclass(kind(ask("gpt-9")), openai.NotFoundError)
        assert issubclass(kind(ask("busy")), openai.RateLimitError)


def raises_any(call):
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError("no error")


class Lines:
    """Prints a line a test, in the form that `run.sh` counts."""

    def pytest_runtest_logreport(self, report):
        if report.when != "call" and not report.failed and not (report.when == "setup" and report.skipped):
            return
        name = report.nodeid.partition("::")[2]
        said = f"langchain-openai {version('langchain-openai')}: {name}"
        reason = EXPECTED.get(name) or EXPECTED.get(name.partition("::")[2])
        if report.skipped:
            print("skip", said)
        elif reason and report.failed:
            print("known", said, f"({reason})")
        elif reason or report.failed:
            print("FAIL", said, "" if report.failed else "(passes, and is listed as known)")
            print(report.longreprtext[-3000:])
        else:
            print("ok  ", said)


if __name__ == "__main__":
    quiet = ["-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:langsmith_plugin", "--asyncio-mode=auto", "-o", "asyncio_default_test_loop_scope=session", "--capture=fd", "-W", "ignore"]
    code = pytest.main([__file__, *quiet, *sys.argv[1:]], plugins=[Lines()])
    if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        print("done", flush=True)
