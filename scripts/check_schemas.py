"""Whether answers that are bound to JSON Schemas are what the schemas describe, by an independent judge: the Python
package `jsonschema`. And what a token costs more for it.

    scripts/make-smollm2.sh                              # the model, in models/smollm2-256m
    cargo build --release
    pip install jsonschema
    python scripts/check_schemas.py [--program P] [--model M] [--schemas N] [--rounds N]

Makes 200 schemas by a fixed seed: nested objects, optional properties, arrays, enums, patterns, formats, numbers with
bounds, references, recursive ones too, `anyOf` and `oneOf`. Each is a row of `smolvlm run --batch`, once with the likeliest
tokens and once with drawn ones. Every answer that ended by itself must be JSON and valid; one that met its limit of tokens
must be the beginning of something, and is counted. Then some are asked one by one, with the schema and without it, for the
time of a token. Prints one JSON object; the answers go to benches/raw/schemas.json.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).resolve().parent.parent
SEED = 7
TOKENS = 200
WORDS = (
    "name title colour size price count code city street owner note kind level date weight height width part item "
    "person place animal book song road house river stone shop order box door tool plant day state unit grade"
).split()
PATTERNS = ["^[A-Z]{2}-[0-9]{3}$", "^[a-z]+$", "^(red|green|blue)[0-9]?$", "^[0-9]{1,4}(\\.[0-9]{2})?$", "^\\w{3,8}$", "x"]
FORMATS = ["date", "ipv4", "uuid"]


class Schemas:
    """Schemas by a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def make(self):
        self.defs, self.recursive = {}, self.random.random() < 0.2
        count = self.random.randint(0, 3)
        for number in range(count):
            self.defs[f"d{number}"] = self.any(2, refs=number)
        if self.recursive:
            value = self.leaf()
            self.defs["tree"] = {
                "type": "object",
                "properties": {"value": value, "below": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
                "required": ["value"],
                "additionalProperties": False,
            }
        schema = self.object(3, count)
        if self.defs:
            schema["$defs"] = self.defs
        return schema

    def any(self, depth, refs):
        pick = self.random.random()
        if refs and pick < 0.12:
            return {"$ref": f"#/$defs/d{self.random.randrange(refs)}"}
        if self.recursive and pick < 0.17 and "tree" in self.defs:
            return {"$ref": "#/$defs/tree"}
        if depth == 0 or pick < 0.5:
            return self.leaf()
        if pick < 0.65:
            return self.array(depth, refs)
        if pick < 0.8:
            return self.object(depth, refs)
        if pick < 0.9:
            return {"anyOf": [self.any(depth - 1, refs), {"type": "null"}]}
        return {"oneOf": [self.tagged("a", depth, refs), self.tagged("b", depth, refs)]}

    def tagged(self, tag, depth, refs):
        fields = {"tag": {"const": tag}, self.random.choice(WORDS): self.any(depth - 1, refs)}
        return {"type": "object", "properties": fields, "required": ["tag"], "additionalProperties": False}

    def object(self, depth, refs):
        names = self.random.sample(WORDS, self.random.randint(1, 4))
        schema = {"type": "object", "properties": {name: self.any(depth - 1, refs) for name in names}}
        required = [name for name in names if self.random.random() < 0.7]
        if required:
            schema["required"] = required
        if self.random.random() < 0.9:
            schema["additionalProperties"] = False
        else:
            schema["additionalProperties"] = {"type": "integer"}
            # How many there may be is counted where all that are named must be there.
            schema |= {"required": names, "maxProperties": len(names) + 1}
        return schema

    def array(self, depth, refs):
        least = self.random.randint(0, 2)
        schema = {"type": "array", "minItems": least, "maxItems": least + self.random.randint(0, 2)}
        if self.random.random() < 0.2:
            schema["prefixItems"] = [self.leaf(), self.leaf()]
        schema["items"] = self.any(depth - 1, refs)
        return schema

    def leaf(self):
        kind = self.random.randrange(9)
        number = self.random.randint(-50, 1000)
        return [
            lambda: {"type": "string", "maxLength": self.random.randint(3, 40)},
            lambda: {"type": "string", "pattern": self.random.choice(PATTERNS), "maxLength": 20},
            lambda: {"type": "string", "format": self.random.choice(FORMATS)},
            lambda: {"enum": self.random.sample(WORDS, 3) + [self.random.randint(0, 9), None]},
            lambda: {"type": "integer", "minimum": number, "maximum": number + self.random.randint(1, 500)},
            lambda: {"type": "integer", "multipleOf": self.random.choice([2, 5, 25]), "minimum": 0, "maximum": 10_000},
            lambda: {"type": "number", "exclusiveMinimum": number, "maximum": number + 0.5},
            lambda: {"type": "boolean"},
            lambda: {"type": ["boolean", "null"]},
        ][kind]()


def run(*args):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{args[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done


def answers(program, model, rows, folder):
    """The lines that a batch of rows gives."""
    asked, given = folder / "rows.jsonl", folder / "answers.jsonl"
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(program, "run", "-m", model, "--batch", asked, "-o", given)
    return [json.loads(line) for line in given.read_text().splitlines()]


def judged(schema, line):
    """What became of a row."""
    if "error" in line:
        return "refused", line["error"]
    if line["stop_reason"] != "end_of_turn":
        return "cut", None
    try:
        value = json.loads(line["text"])
    except ValueError as error:
        return "invalid", str(error)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    error = next(iter(validator.iter_errors(value)), None)
    return ("valid", None) if error is None else ("invalid", error.message)


def token_seconds(program, model, prompt, *more):
    """Seconds of decoding a token, each in a pass of its own."""
    done = run(program, "run", "-m", model, "--json", "-n", "100", "--prompt-lookup", "0", "-p", prompt, *more)
    said = json.loads(done.stdout)
    return said["times"]["decode"] / max(said["output_tokens"] - 1, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=Path, default=ROOT / "target/release/smolvlm")
    parser.add_argument("--model", type=Path, default=ROOT / "models/smollm2-256m")
    parser.add_argument("--schemas", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=20, help="schemas whose tokens are timed")
    parser.add_argument("--raw", type=Path, default=ROOT / "benches/raw/schemas.json")
    options = parser.parse_args()
    maker = Schemas(SEED)
    schemas = [maker.make() for _ in range(options.schemas)]
    prompts = [f"Give an example of a {next(iter(schema['properties']))} as JSON." for schema in schemas]

    rows, of = [], []
    for number, (schema, prompt) in enumerate(zip(schemas, prompts)):
        for drawn in ({}, {"temp": 1, "seed": number}):
            rows.append({"id": number, "prompt": prompt, "json_schema": schema, "max_tokens": TOKENS, **drawn})
            of.append(schema)
    with tempfile.TemporaryDirectory() as folder:
        lines = answers(options.program, options.model, rows, Path(folder))
    verdicts = [judged(schema, line) for schema, line in zip(of, lines)]
    counts = {name: sum(verdict == name for verdict, _ in verdicts) for name in ("valid", "invalid", "cut", "refused")}

    bound, free = [], []
    for schema, prompt in list(zip(schemas, prompts))[: options.rounds]:
        free.append(token_seconds(options.program, options.model, prompt))
        bound.append(token_seconds(options.program, options.model, prompt, "--json-schema", json.dumps(schema)))
    report = {"model": options.model.name, "schemas": len(schemas), "answers": len(rows), **counts}
    if free:
        free, bound = statistics.median(free), statistics.median(bound)
        report |= {"ms_a_token": round(free * 1e3, 3), "ms_a_token_bound": round(bound * 1e3, 3)}
        report["times"] = round(bound / free, 3)
    kept = [
        {"id": line.get("id"), "verdict": verdict, "why": why, "text": line.get("text"), "tokens": line.get("output_tokens")}
        for line, (verdict, why) in zip(lines, verdicts)
    ]
    text = json.dumps(report, indent=1)[:-2] + ',\n "rows": [\n' + ",\n".join(json.dumps(row) for row in kept) + "\n ]\n}\n"
    options.raw.write_text(text)
    print(json.dumps(report))
    if counts["invalid"]:
        sys.exit("some answers are not what their schemas describe")


if __name__ == "__main__":
    main()
