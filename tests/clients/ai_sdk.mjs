// The AI SDK: its providers for OpenAI (Responses and chat completions) and for any server with OpenAI's API.
import assert from "node:assert/strict";
import { KEY, LOCAL, LOCAL_SAYS, REMOTE, STAND_IN, URL, load, run, versionOf } from "./checks.mjs";

const { embed, generateObject, generateText, stepCountIs, streamText, tool, APICallError } = await load("ai");
const { createOpenAI } = await load("@ai-sdk/openai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { z } = await load("zod");

const openai = (apiKey = KEY) => createOpenAI({ baseURL: URL, apiKey });
const like = createOpenAICompatible({ name: "firstline", baseURL: URL, apiKey: KEY, supportsStructuredOutputs: true });
const ways = { responses: (name) => openai()(name), chat: (name) => openai().chat(name), like: (name) => like(name) };
// Nothing is kept here, so Responses have to send earlier turns whole and not by the ids of their items.
const providerOptions = { openai: { store: false } };
const weather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});
const Place = z.object({ city: z.string(), people: z.number() });

const checks = {};
for (const [way, model] of Object.entries(ways)) {
  checks[`${way}Whole`] = async () => {
    assert.match((await generateText({ model: model("auto"), prompt: LOCAL, maxRetries: 0 })).text, LOCAL_SAYS);
    const { text, usage } = await generateText({ model: model("auto"), prompt: REMOTE, maxRetries: 0 });
    assert.equal(text, STAND_IN);
    assert.equal(usage.inputTokens, 11);
  };
  checks[`${way}Streamed`] = async () => {
    for (const [prompt, wanted] of [[LOCAL, LOCAL_SAYS], [REMOTE, /^\[stand-in\] no model wrote this\.$/]]) {
      let said = "";
      for await (const part of streamText({ model: model("auto"), prompt, maxRetries: 0 }).textStream) said += part;
      assert.match(said, wanted);
    }
  };
  checks[`${way}Tools`] = async () => {
    for (const name of ["remote", "claude"]) {
      const prompt = "The weather in Bonn?";
      const asked = { model: model(name), prompt, tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0, providerOptions };
      for (const result of [await generateText(asked), streamText(asked)]) {
        const steps = await result.steps;
        assert.deepEqual(steps[0].toolResults[0].output, "rain in Bonn");
        assert.equal(await result.text, STAND_IN);
      }
    }
  };
  checks[`${way}Objects`] = async () => {
    for (const name of ["remote", "claude"]) {
      const { object } = await generateObject({ model: model(name), schema: Place, prompt: "Which city?", maxRetries: 0 });
      assert.deepEqual(object, { city: "Bonn", people: 3 });
    }
  };
}
checks.embedding = async () => {
  const { embedding } = await embed({ model: openai().embedding("firstline-encoder"), value: "where is my parcel", maxRetries: 0 });
  assert.equal(embedding.length, 384);
};
checks.errors = async () => {
  for (const [model, status, code] of [
    [openai("wrong").chat("auto"), 401, "caller_key_unknown"],
    [openai().chat("gpt-9"), 404, "caller_model_not_found"],
    [openai()("busy"), 429, "rate_limit_exceeded"],
  ]) {
    await assert.rejects(() => generateText({ model, prompt: LOCAL, maxRetries: 0 }), (error) => {
      assert.ok(APICallError.isInstance(error));
      assert.equal(error.statusCode, status);
      assert.equal(JSON.parse(error.responseBody).error.code, code);
      return true;
    });
  }
};

await run(`ai ${versionOf("ai")}`, checks);
