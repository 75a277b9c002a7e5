"""Instructor: objects of a class out of chat completions, by tools and by JSON schema."""

import instructor
import openai
from checks import KEY, URL, raises, run
from instructor.core import InstructorRetryException
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    people: int


def ask(mode=instructor.Mode.TOOLS, model="remote", key=KEY, create="create", **more):
    plain = openai.OpenAI(base_url=URL, api_key=key, max_retries=0)
    chat = instructor.from_openai(plain, mode=mode).chat.completions
    messages = [{"role": "user", "content": "Which city? Say it as JSON."}]
    return getattr(chat, create)(model=model, messages=messages, response_model=Place, max_retries=0, **more)


def is_bonn(place):
    assert isinstance(place, Place) and (place.city, place.people) == ("Bonn", 3), repr(place)


def check_by_tools():
    is_bonn(ask())
    is_bonn(ask(model="claude"))


def check_by_schema():
    is_bonn(ask(instructor.Mode.JSON_SCHEMA))
    is_bonn(ask(instructor.Mode.JSON_SCHEMA, "claude"))


def check_partial_stream():
    for model in ("remote", "claude"):
        parts = list(ask(model=model, create="create_partial"))
        assert len(parts) > 1, parts
        is_bonn(parts[-1])


def check_errors():
    raises(InstructorRetryException, lambda: ask(key="wrong"), "caller_key_unknown")
    raises(InstructorRetryException, lambda: ask(model="gpt-9"), "caller_model_not_found")
    raises(InstructorRetryException, lambda: ask(model="busy"), "rate_limit_exceeded")


run("instructor", globals())
