#!/usr/bin/env python3
"""Asks a running `smolvlm serve` by the clients that people use: OpenAI's Python client, and curl.

    pip install openai
    python scripts/check_server.py target/debug/smolvlm [-m MODEL]        starts a server of its own, and ends it

Exits with 1 at the first answer that is not as it should be.
"""

import argparse
import base64
import json
import struct
import subprocess
import zlib

from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI, PermissionDeniedError


def picture(width=64, height=48):
    """A PNG of a red square on white."""
    rows = b""
    for y in range(height):
        inside = lambda x: 16 <= x < 48 and 8 <= y < 40
        rows += b"\0" + b"".join(b"\xd0\x10\x10" if inside(x) else b"\xff\xff\xff" for x in range(width))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


URL = "data:image/png;base64," + base64.b64encode(picture()).decode()
MESSAGES = [{"role": "user", "content": [
    {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
    {"type": "text", "text": "What colour is the square?"},
]}]


def check(name, is_so, found=""):
    print(("ok    " if is_so else "WRONG ") + name, found)
    if not is_so:
        raise SystemExit(1)


def refused(name, kind, ask):
    try:
        ask()
    except kind as error:
        check(name, isinstance(error, APIStatusError), f"{error.status_code}: {error.body['message'][:80]}")
    else:
        check(name, False, "it was answered")


def chats(client, model):
    whole = client.chat.completions.create(model=model, messages=MESSAGES, max_tokens=12)
    text = whole.choices[0].message.content
    check("a chat with a picture", isinstance(text, str) and whole.usage.prompt_tokens > 10, repr(text))
    check("image tokens are counted", whole.usage.prompt_tokens_details.image_tokens > 0)
    stream = client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=12, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    pieces = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    check("a stream says the same", pieces == text and chunks[-1].usage.total_tokens == whole.usage.total_tokens)
    several = client.chat.completions.create(
        model=model, messages=MESSAGES, max_completion_tokens=5, n=3, temperature=0.8, seed=1, logprobs=True, top_logprobs=3)
    steps = several.choices[2].logprobs.content
    check("three draws with probabilities", len(several.choices) == 3 and len(steps[0].top_logprobs) == 3)
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"],
              "additionalProperties": False}
    bound = client.chat.completions.create(
        model=model, messages=MESSAGES, max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "colour", "schema": schema, "strict": True}})
    check("an answer of a schema", json.loads(bound.choices[0].message.content)["colour"] in ("red", "blue"),
          bound.choices[0].message.content)
    with client.chat.completions.stream(model=model, messages=MESSAGES, max_tokens=5) as events:
        kinds = {event.type for event in events}
    check("the client's own events", {"chunk", "content.delta", "content.done"} <= kinds, sorted(kinds))


def others(client, model):
    completion = client.completions.create(model=model, prompt="One, two,", max_tokens=6, logprobs=2)
    check("a completion", isinstance(completion.choices[0].text, str), repr(completion.choices[0].text))
    pieces = client.completions.create(model=model, prompt="One, two,", max_tokens=6, stream=True)
    check("a completion in pieces", "".join(piece.choices[0].text for piece in pieces) == completion.choices[0].text)
    said = [{"role": "user", "content": [{"type": "input_image", "image_url": URL, "detail": "low"},
                                         {"type": "input_text", "text": "What colour is the square?"}]}]
    response = client.responses.create(model=model, input=said, instructions="Be brief.", max_output_tokens=8, store=False)
    check("a response", isinstance(response.output_text, str) and response.usage.input_tokens > 0, repr(response.output_text))
    with client.responses.stream(model=model, input=said, instructions="Be brief.", max_output_tokens=8) as events:
        deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    check("a response as events", deltas == response.output_text)
    names = [found.id for found in client.models.list()]
    check("models", model in names and client.models.retrieve(model).id == model, names)


def refusals(client, model):
    ask = client.chat.completions.create
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    refused("tools", BadRequestError, lambda: ask(model=model, messages=MESSAGES, tools=tools))
    refused("another model", NotFoundError, lambda: ask(model="gpt-4o", messages=MESSAGES))
    refused("an unknown field", BadRequestError, lambda: ask(model=model, messages=MESSAGES, extra_body={"no_such": 1}))
    web = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}]}]
    refused("a picture of the web", PermissionDeniedError, lambda: ask(model=model, messages=web))
    refused("state", BadRequestError, lambda: client.responses.create(model=model, input="a", previous_response_id="r"))
    refused("embeddings", NotFoundError, lambda: client.embeddings.create(model=model, input="a"))


def by_curl(address, model):
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5, "stream": True})
    call = ["curl", "-sSN", f"{address}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    check("curl", said.startswith("data: {") and said.endswith("data: [DONE]\n\n"), said.count("data: "))
    form = subprocess.run(call[:3] + ["-d", body, "-o", "-", "-w", "%{http_code}"], capture_output=True, text=True)
    check("curl without a content type is told", form.stdout.endswith("415"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("-m", "--model", default="nano")
    words = parser.parse_args()
    call = [words.program, "serve", "-m", words.model, "--port", "0", "--alias", "here", "--log-level", "warn"]
    server = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip().removeprefix("listening on ")
        client = OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0)
        chats(client, "here")
        others(client, "here")
        refusals(client, "here")
        by_curl(address, "here")
    finally:
        server.terminate()
    check("it ends in good order", server.wait(timeout=60) == 0)


if __name__ == "__main__":
    main()
