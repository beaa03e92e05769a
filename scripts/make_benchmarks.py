"""Make small made-up data sets in the published layouts of 23 vision benchmarks.

    python scripts/make_benchmarks.py FOLDER [--rows 12] [--task NAME ...] [--broken]

For each task this writes FOLDER/NAME/hub/..., the files as they lie on the hub (Parquet, or JSON, and clips), and
FOLDER/NAME/tsv/TABLE.tsv, the form that VLMEvalKit reads: pictures in base64, or the index of the row whose picture
is used again. Pictures and questions are invented; each answer is right and in the benchmark's own encoding. Paths in
the table of a task with clips are relative to the hub folder. CinePile has neither clips on the hub nor a table: its
clips lie in FOLDER/CinePile/clips. The same arguments give the same bytes. --broken adds, behind the good rows, one
whose picture (or clip) is none, one without answer, one without question, and one whose answer is no option of it.
Needs Pillow and pyarrow, and ffmpeg for the clips.
"""

import argparse
import base64
import csv
import io
import json
import random
import subprocess
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

COLOURS = {"red": (214, 40, 40), "green": (44, 150, 60), "blue": (40, 80, 210), "yellow": (240, 200, 40),
           "purple": (130, 50, 160), "orange": (245, 130, 30), "black": (20, 20, 20), "grey": (130, 130, 130)}
SHAPES = ["circle", "square", "triangle", "star"]
WORDS = ["OPEN", "CENTRE", "BUS 42", "JOE'S \"BAR\"", "NO ENTRY", "EXIT"]
OTHER_WORDS = ["Café", "Río", "Straße", "Ωmega"]  # never drawn: Pillow's own font lacks their letters
PLACES = ["Norway", "Chile", "Ghana", "Japan", "Fiji"]
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
LETTERS = "ABCDEFGHIJ"
WIDTH, HEIGHT = 224, 160

S = pa.string()
TYPES = {"list": pa.list_(S), "i8": pa.int8(), "i32": pa.int32(), "i64": pa.int64(), "f64": pa.float64(),
         "bool": pa.bool_(), "image": pa.struct([("bytes", pa.binary()), ("path", S)])}
TASKS = {}


# Scenes, questions, items

def shape_at(draw, shape, colour, x, y, r):
    corners = {"square": [(-r, -r), (r, -r), (r, r), (-r, r)], "triangle": [(0, -r), (r, r), (-r, r)],
               "star": [(0, -r), (r // 3, -r // 3), (r, 0), (r // 3, r // 3), (0, r), (-r // 3, r // 3), (-r, 0),
                        (-r // 3, -r // 3)]}
    if shape == "circle":
        draw.ellipse([x - r, y - r, x + r, y + r], fill=COLOURS[colour])
    else:
        draw.polygon([(x + dx, y + dy) for dx, dy in corners[shape]], fill=COLOURS[colour])


def scene(rng, kind):
    """A picture of one kind and the facts that a question may ask for."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), (250, 248, 240))
    draw = ImageDraw.Draw(picture)
    if kind == "bar":
        facts = {place: rng.randint(1, 9) for place in rng.sample(PLACES, 4)}
        for at, (place, value) in enumerate(facts.items()):
            draw.rectangle([20 + 50 * at, 130 - 12 * value, 50 + 50 * at, 130], fill=list(COLOURS.values())[at])
            draw.text((20 + 50 * at, 112 - 12 * value), str(value), fill=(0, 0, 0))
            draw.text((16 + 50 * at, 136), place, fill=(0, 0, 0))
    elif kind == "word":
        facts = {"word": rng.choice(WORDS)}
        draw.rectangle([12, 50, 212, 110], outline=(0, 0, 0), width=3)
        draw.text((30, 64), facts["word"], fill=COLOURS["blue"], font=ImageFont.load_default(size=30))
    elif kind == "page":
        facts = {"Name": rng.choice(["A. Sato", "B. O'Hara", "C. Diaz"]), "Invoice": str(rng.randint(1000, 9999)),
                 "Total": f"${rng.randint(1, 99)}.{rng.randint(10, 99)}"}
        for at, (field, value) in enumerate(facts.items()):
            draw.text((14, 20 + 44 * at), f"{field}: {value}", fill=(0, 0, 0), font=ImageFont.load_default(size=18))
    else:
        shapes = rng.sample(SHAPES, rng.randint(2, 4))
        facts = dict(zip(shapes, rng.sample(list(COLOURS), len(shapes))))
        for at, (shape, colour) in enumerate(facts.items()):
            shape_at(draw, shape, colour, 30 + 54 * at, rng.randint(45, 110), 18)
            draw.text((26 + 54 * at, 138), LETTERS[at], fill=(0, 0, 0), font=ImageFont.load_default(size=18))
    return picture, facts


def ask(rng, kind, facts):
    """A question on the facts, its right answer and wrong ones."""
    name = rng.choice(list(facts))
    if kind == "bar":
        return f"What is the value of {name}?", str(facts[name]), [str(v) for v in range(1, 11) if v != facts[name]]
    if kind == "word":
        return "What is written in the image?", facts["word"], [w for w in WORDS + OTHER_WORDS if w != facts["word"]]
    if kind == "page":
        return f"What is the {name.lower()} on this page?", facts[name], [v for v in facts.values() if v != facts[name]]
    if kind == "count":
        return "How many shapes are there?", str(len(facts)), [str(n) for n in range(10) if n != len(facts)]
    if kind == "label":
        letter = LETTERS[list(facts).index(name)]
        return f"Which letter marks the {name}?", letter, [c for c in LETTERS if c != letter]
    if kind == "yesno":
        shape = rng.choice(SHAPES)
        answer = "yes" if shape in facts else "no"
        return f"Is there a {shape} in the image?", answer, ["no" if shape in facts else "yes"]
    if kind == "clip":
        key = rng.choice(["colour", "way"])
        question = {"colour": "What colour is the moving square?", "way": "In which direction does the square move?"}
        return question[key], facts[key], [w for w in (COLOURS if key == "colour" else WAYS) if w != facts[key]]
    return f"What colour is the {name}?", facts[name], [c for c in COLOURS if c != facts[name]]


def oddly(question, n):
    """The question with characters that a reader of tables must bear."""
    return [question, f'"{question}" Say it in one word, e.g. "it".', f"{question} (日本語, naïve, 😀, ½)",
            f"Look closely.\n{question}\n\nBe brief.", f"First\tsecond: {question}",
            rf"{question} Not \t, \n or \\."][n % 6]


def encoded(picture, n, coloured=True):
    """The bytes and the file name of a picture: JPEG and PNG of several kinds in turn, some grey where that may be."""
    grey = "RGB" if coloured else "L"
    mode, form = [("RGB", "JPEG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), (grey, "JPEG")][n % 5]
    out = io.BytesIO()
    picture.convert(mode).save(out, form)
    return out.getvalue(), f"{n:012}.{'jpg' if form == 'JPEG' else 'png'}"


def clip(colour, way, seconds):
    """An MP4 file of a coloured square that moves one way."""
    frames = b""
    for t in range(round(seconds * 8)):
        picture = Image.new("RGB", (160, 120), (245, 245, 245))
        dx, dy = WAYS[way]
        shape_at(ImageDraw.Draw(picture), "square", colour, 80 + dx * (3 * t - 30), 60 + dy * (3 * t - 30), 14)
        frames += picture.tobytes()
    command = ("ffmpeg -v error -f rawvideo -pix_fmt rgb24 -s 160x120 -r 8 -i - -c:v libx264 -pix_fmt yuv420p "
               "-threads 1 -fflags +bitexact -flags +bitexact -movflags frag_keyframe+empty_moov -f mp4 -")
    return subprocess.run(command.split(), input=frames, stdout=subprocess.PIPE, check=True).stdout


class Item:
    """A question on a picture or a clip, with its answer; `same` is the item whose picture it uses again."""

    def __init__(self, rng, n, rows, kind, count, last):
        self.n, self.good, self.kind = n, n < rows, kind
        self.same = last.n if last and n % 4 == 3 and self.good else None
        if self.same is not None:
            self.kind, self.facts, self.bytes, self.path = last.kind, last.facts, last.bytes, last.path
        elif kind == "clip":
            self.facts = {"colour": rng.choice(list(COLOURS)), "way": rng.choice(list(WAYS))}
            self.bytes, self.path = clip(**self.facts, seconds=2 + n % 3 / 2), f"clip-{rng.randrange(10**6):06}_{n}"
        else:
            picture, self.facts = scene(rng, kind)
            self.bytes, self.path = encoded(picture, n, kind == "colour")
        question, self.answer, wrong = ask(rng, self.kind, self.facts)
        self.question, self.options, self.position = oddly(question, n), None, None
        if count:
            self.options = rng.sample(wrong, min(count - 1, len(wrong))) + [self.answer]
            rng.shuffle(self.options)
            self.position = self.options.index(self.answer)
        self.break_it(n - rows)
        self.letter = None if self.position is None else LETTERS[self.position]
        self.lettered = dict(zip(LETTERS, self.options or []))
        self.picture = {"bytes": self.bytes, "path": None if n % 3 == 0 else self.path}
        self.base64 = base64.b64encode(self.bytes).decode()
        self.ten = None if self.answer is None else [self.answer] * 7 + ["the " + self.answer] * 2 + ["it's \"½\""]

    def break_it(self, how):
        """0 no picture, 1 no answer, 2 no question, 3 an answer that is no option."""
        if how == 0:
            self.bytes = b"This is text and no picture, of more than sixty-four characters. " * 2
        elif how == 1:
            self.answer = self.position = None
        elif how == 2:
            self.question = None
        elif how == 3:
            self.answer, self.position = "maybe", 9 if self.options else None

    def listed(self, *more):
        return None if self.answer is None else [self.answer, *more]

    def tsv(self, index=lambda n: n, **row):
        """The row of a table; a picture used again is the index of its first row."""
        image = self.base64 if self.same is None else index(self.same)
        return {"index": index(self.n), "question": self.question, **row, "image": image}


def schema(columns, **types):
    """Names with types, strings where none is given: "id size=i32"."""
    pairs = [column.partition("=")[::2] for column in columns.split()]
    return pa.schema([(column, {**TYPES, **types}[kind] if kind else S) for column, kind in pairs])


def task(name, kinds, counts, columns, files, tables, **types):
    """Register a task: kinds of scenes and counts of options in turn; `columns` of the files on the hub, strings where
    no type is given; `files` and `tables` (with their columns) by the keys that the function yields rows for."""
    def register(function):
        TASKS[name] = (function, kinds.split(), counts or [0], columns, types,
                       {"hub": files} if isinstance(files, str) else files,
                       {name: tables} if isinstance(tables, str) else tables)
        return function
    return register


# The tasks with pictures: each yields rows for the files of the hub and for the table ("tsv") of one item

@task("VQAv2", "colour count yesno", [], "question_type multiple_choice_answer answers=votes image_id=i64 answer_type "
      "question_id=i64 question image=image", "data/validation-00000-of-00001.parquet", "index image question answer",
      votes=pa.list_(pa.struct(schema("answer answer_confidence answer_id=i64"))))
def vqav2(i):
    votes = [{"answer": a, "answer_confidence": ["yes", "maybe", "no"][at % 3], "answer_id": at + 1}
             for at, a in enumerate(i.ten or [])]
    yield "hub", {"question_type": "what", "multiple_choice_answer": i.answer, "image_id": 262148 + i.n,
                  "answers": votes or None, "answer_type": {"count": "number", "yesno": "yes/no"}.get(i.kind, "other"),
                  "question_id": 262148000 + i.n, "question": i.question, "image": i.picture}
    yield "tsv", i.tsv(lambda n: 262148000 + n, answer=i.ten)


@task("OKVQA", "colour count", [], "question_id image=image question answers=list question_type answer_type",
      {k: f"data/val2014-0000{k}-of-00002.parquet" for k in range(2)}, "index image question answer")
def okvqa(i):
    yield i.n // 6 % 2, {"question_id": f"29714{i.n}5", "image": i.picture, "question": i.question, "answers": i.ten,
                         "question_type": "one", "answer_type": "other"}
    yield "tsv", i.tsv(answer=i.ten)


@task("TextVQA", "word page", [], "image_id question_id=i32 question question_tokens=list image=image image_width=i32 "
      "image_height=i32 flickr_original_url flickr_300k_url answers=list image_classes=list set_name ocr_tokens=list",
      "data/validation-00000-of-00001.parquet", "index question answer image")
def textvqa(i):
    yield "hub", {"image_id": f"{i.n:016x}", "question_id": 34602 + i.n, "question": i.question, "image": i.picture,
                  "question_tokens": (i.question or "").lower().split(), "image_width": WIDTH, "image_height": HEIGHT,
                  "answers": i.ten, "image_classes": ["Sign"], "ocr_tokens": " ".join(i.facts.values()).split()}
    yield "tsv", i.tsv(lambda n: 34602 + n, answer=i.ten)


@task("DocVQA", "page", [], "questionId question question_types=list image=image docId=i64 ucsf_document_id "
      "ucsf_document_page_no answers=list data_split", "DocVQA/validation-00000-of-00001.parquet",
      "index image question answer")
def docvqa(i):
    answers = i.listed(*["the same"][:i.n % 2])
    yield "hub", {"questionId": str(49153 + i.n), "question": i.question, "image": i.picture, "docId": 14465 + i.n,
                  "question_types": ["form", "layout"][:1 + i.n % 2], "data_split": "val", "answers": answers}
    yield "tsv", i.tsv(lambda n: 49153 + n, answer=answers)


@task("InfoVQA", "bar page", [], "questionId question answers=list answer_type=list image=image image_url "
      "operation/reasoning=list ocr data_split", "InfographicVQA/validation-00000-of-00001.parquet",
      "index image question answer")
def infovqa(i):
    yield "hub", {"questionId": str(98313 + i.n), "question": i.question, "answers": i.listed(), "image": i.picture,
                  "answer_type": ["single span"], "operation/reasoning": ["counting", "comparison"][:i.n % 3],
                  "data_split": "val", "ocr": json.dumps({"LINE": [{"Text": str(v)} for v in i.facts.values()]})}
    yield "tsv", i.tsv(answer=i.listed())


@task("ChartQA", "bar", [], "type question answer image=image", "data/test-00000-of-00001.parquet",
      "index image question answer split")
def chartqa(i):
    human = i.n // 4 % 2 == 0
    yield "hub", {"type": "human_test" if human else "augmented_test", "question": i.question, "answer": i.answer,
                  "image": i.picture}
    yield "tsv", i.tsv(answer=i.answer, split="test_human" if human else "test_augmented")


@task("AI2D", "label colour", [4], "question options=list answer image=image", "data/test-00000-of-00001.parquet",
      "index image question A B C D answer category")
def ai2d(i):
    yield "hub", {"question": i.question, "options": i.options, "image": i.picture,
                  "answer": None if i.position is None else str(i.position)}
    yield "tsv", i.tsv(**i.lettered, answer=i.letter, category=i.kind)


@task("ScienceQA", "colour label count", [2, 3, 4, 5], "image=image question choices=list answer=i8 hint task grade "
      "subject topic category skill lecture solution",
      {k: f"ScienceQA-{k}/test-00000-of-00001.parquet" for k in ["FULL", "IMG"]},
      "question answer hint image task grade subject topic category skill lecture solution split A B C index D E")
def scienceqa(i):
    bare = i.n % 4 == 1 and i.good
    row = {"hint": ["", "The picture shows shapes.\nEach has a colour."][i.n // 2 % 2], "task": "closed choice",
           "grade": "grade4", "subject": "natural science", "topic": "physics", "category": "Colours",
           "skill": "Name a colour", "lecture": "Light has colours.\n\nMix two.", "solution": f"It is {i.answer}."}
    full = {**row, "image": i.picture, "question": i.question, "choices": i.options, "answer": i.position}
    yield "FULL", {**full, "image": None} if bare else full
    if not bare:
        yield "IMG", full
    table = {**i.tsv(**row), **i.lettered, "answer": i.letter, "split": "test", "hint": row["hint"] or None}
    yield "tsv", {**table, "image": None} if bare else table


@task("MMMU", "colour bar", [4, 2, 9, 3, 5], "id question options explanation " + " ".join(
      f"image_{k}=image" for k in range(1, 8)) + " img_type answer topic_difficulty question_type subfield",
      {k: f"{k}/validation-00000-of-00001.parquet" for k in ["Accounting", "Art"]},
      "id index question split A B C D answer topic_difficulty subfield image_type question_type explanation image "
      "image_path E F G H I category l2-category")
def mmmu(i):
    count = {1: 2, 5: 7, 9: 3}.get(i.n % 12, 1) if i.good else 1
    more = [encoded(scene(random.Random(i.n + k), "word")[0], k)[0] for k in range(1, count)]
    subject, open_ended = ["Accounting", "Art"][i.n // 3 % 2], i.n % 6 == 4 and i.good
    name, options, question = f"validation_{subject}_{i.n + 1}", list(i.options), i.question
    if count == 3:
        options[(i.position + 1) % len(options)] = "<image 3>"
    if question:
        marks = " ".join(f"<image {k}>" for k in range(2, count + 1) if (count, k) != (3, 3))
        question = f"<image 1> {question} {marks}".strip()
    row = {"id": name, "question": question, "explanation": "Look." if i.n % 2 else "", "topic_difficulty": "Easy",
           "subfield": "Shapes", "img_type": "['Tables']", "image_type": "['Tables']", "split": "validation",
           "answer": i.answer if open_ended else i.letter, "question_type": "open" if open_ended else "multiple-choice"}
    pictures = {f"image_{k + 2}": {"bytes": data, "path": f"{name}_{k + 2}.png"} for k, data in enumerate(more)}
    yield subject, {**row, **pictures, "image_1": i.picture, "options": "[]" if open_ended else str(options)}
    paths = [f"{name}_{k + 1}.jpg" for k in range(count)]
    table = i.tsv(**row, **({} if open_ended else dict(zip(LETTERS, options))), image_path=paths if more else paths[0])
    if more:
        table["image"] = [base64.b64encode(data).decode() for data in [i.bytes, *more]]
    yield "tsv", {**table, "category": subject, "l2-category": {"Art": "Art & Design"}.get(subject, "Business")}


@task("MMStar", "colour count bar", [4, 4, 3, 2],
      "index=i64 question image=image answer category l2_category meta_info=meta", "mmstar.parquet",
      "index question answer category l2_category image A B C D",
      meta=pa.struct(schema("source split image_path")))
def mmstar(i):
    inline = ", ".join(f"{c}: {o}" for c, o in i.lettered.items())
    row = {"answer": i.letter, "category": "math", "l2_category": "geometry"}
    yield "hub", {**row, "index": i.n, "question": i.question and f"{i.question}\nOptions: {inline}",
                  "image": i.picture, "meta_info": {"source": "MMBench", "image_path": f"images/{i.n}.jpg"}}
    mark = "<image 1>" if i.n % 5 == 1 else ""
    yield "tsv", i.tsv(**{**row, **i.lettered, "question": i.question and mark + i.question})


@task("MathVista", "bar count label", [4, 2, 5, 3, 8], "pid question image decoded_image=image choices=list unit "
      "precision=f64 answer question_type answer_type metadata=meta query",
      "data/testmini-00000-of-00001-725687bf7a18d64b.parquet",
      "index image question answer answer_option choices question_type answer_type unit precision category "
      "language skills task",
      meta=pa.struct(schema("category context grade img_height=i64 img_width=i64 language skills=list source split "
                            "task")))
def mathvista(i):
    free = i.n % 3 == 1 and i.good
    kind = ["integer", "float", "list"][i.n // 3 % 3] if free else "text"
    answer = {"float": f"{i.answer}.0", "list": f"[{i.answer}, 3]"}.get(kind, i.answer)
    about = {"category": "math-targeted-vqa", "language": "english", "task": "figure question answering",
             "skills": ["statistical reasoning", "arithmetic reasoning"][:1 + i.n % 2], "img_height": HEIGHT}
    hint = f"Hint: Answer with {kind}." if free else "Hint: Give the letter of the right option, e.g., A, B, C."
    query = i.question and f"{hint}\nQuestion: {i.question}"
    if query and not free:
        query += "\nChoices:\n" + "\n".join(f"({c}) {o}" for c, o in i.lettered.items())
    row = {"answer": answer, "answer_type": kind, "question_type": "free_form" if free else "multi_choice",
           "unit": "cm" if i.n % 4 == 1 else None, "precision": 1.0 if kind == "float" else None,
           "choices": None if free else i.options}
    yield "hub", {**row, "pid": str(i.n + 1), "question": i.question, "image": f"images/{i.n + 1}.jpg",
                  "query": query, "decoded_image": i.picture, "metadata": about}
    row.update(about, question=query, answer_option=None if free else i.letter)
    yield "tsv", i.tsv(lambda n: n + 1, **row)


@task("OCRBench", "word page", [], "dataset question question_type answer=list image=image",
      "data/test-00000-of-00001.parquet", "index image question answer category")
def ocrbench(i):
    skill = ["Regular Text Recognition", "Key Information Extraction", "Scene Text-centric VQA", "Doc-oriented VQA",
             "Handwritten Mathematical Expression Recognition"][i.n % 5]
    if i.n % 5 == 4 and i.answer:
        i.answer = r"\frac { 1 } { 2 }"
    answer = i.listed(*["another"][:i.n % 3 == 0])
    yield "hub", {"dataset": ["IIIT5K", "HME100k"][i.n % 5 == 4], "question": i.question, "question_type": skill,
                  "answer": answer, "image": {"bytes": i.bytes, "path": ""}}
    yield "tsv", i.tsv(answer=answer, category=skill)


@task("MMBench", "colour count word", [4, 3, 2], "index question hint answer A B C D category image=image source "
      "L2-category comment split", "en/dev-00000-of-00001.parquet",
      "index question hint A B C D answer category image source l2-category comment split")
def mmbench(i):
    hint = "The shapes lie in a row." if i.n % 3 == 1 else None
    for turn in range(len(i.options)):
        options = dict(zip(LETTERS, i.options[turn:] + i.options[:turn]))
        row = {"index": i.n + 1_000_000 * turn, "question": i.question, "hint": hint, "split": "dev", **options,
               "category": "attribute_recognition", "L2-category": "perception", "l2-category": "perception",
               "answer": i.letter if i.position in (None, 9) else LETTERS[(i.position - turn) % len(options)]}
        gaps = {name: "nan" for name in [*"ABCD"[len(options):], "comment"]}
        yield "hub", {**row, **gaps, "index": str(row["index"]), "hint": hint or "nan", "image": i.picture}
        yield "tsv", {**row, "image": (i.n if i.same is None else i.same) if turn else i.tsv()["image"]}


@task("SEEDBench", "colour count word", [4], "answer choice_a choice_b choice_c choice_d data_id data_type question "
      "question_id question_type_id image=images segment", "data/test-00000-of-00001.parquet",
      "index image question A B C D answer category", images=pa.list_(TYPES["image"]))
def seedbench(i):
    video = i.n % 6 == 5 and i.good
    frames = [{"bytes": encoded(scene(random.Random(i.n + k), "word")[0], k)[0]} for k in range(7 * video)]
    yield "hub", {"answer": i.letter, "data_id": f"{i.n}.jpg", "data_type": "video" if video else "image",
                  "question": i.question, "question_id": f"{i.n}_0", "question_type_id": str(i.n % 9 + 1),
                  "image": [i.picture, *frames], "segment": "[1.0, 2.5]" if video else None,
                  **{f"choice_{c.lower()}": option for c, option in i.lettered.items()}}
    if not video:
        yield "tsv", i.tsv(**i.lettered, answer=i.letter, category="Instance Attributes")


@task("HallusionBench", "yesno", [], "category subcategory visual_input set_id figure_id sample_note question_id "
      "question gt_answer_details gt_answer filename image=image",
      {k: f"data/{k}-00000-of-00001.parquet" for k in ["image", "non_image"]},
      "index image question answer category l2-category")
def hallusionbench(i):
    def ids(n):
        part = ["chart", "figure", "map"][n % 3]
        return ["VD", "VS"][n // 6 % 2], part, "1", str(n // 4), str(n % 4 // 2 + 1), str(n % 2)
    names = "category subcategory visual_input set_id figure_id question_id"
    row = {**dict(zip(names.split(), ids(i.n))), "sample_note": "note", "question": i.question, "image": i.picture,
           "gt_answer_details": i.answer and f"The answer is {i.answer}.", "filename": f"./VD/chart/{i.n}_1.png",
           "gt_answer": {"yes": "1", "no": "0", "maybe": "2"}.get(i.answer)}
    yield "image", row
    if i.n % 4 == 0 and i.good:
        yield "non_image", {**row, "visual_input": "0", "figure_id": "0", "filename": None, "image": None}
    yield "tsv", {**i.tsv(lambda n: "_".join(ids(n)), answer=i.answer and i.answer.capitalize()),
                  "category": row["category"], "l2-category": row["subcategory"]}


@task("POPE", "yesno", [], "id question_id question answer image_source image=image category",
      {**{k: f"data/test-0000{k}-of-00003.parquet" for k in range(3)},
       **{k: f"Full/{k}-00000-of-00001.parquet" for k in ["adversarial", "popular", "random"]}},
      "index image question answer category")
def pope(i):
    names = ["adversarial", "popular", "random"]
    for at, name in list(enumerate(names))[i.n % 3:]:
        row = {"id": str(3000 * at + i.n), "question_id": str(i.n + 1), "question": i.question, "answer": i.answer,
               "image_source": f"COCO_val2014_{i.n:012}", "image": i.picture, "category": name}
        yield at, row
        yield name, row
    yield "tsv", i.tsv(answer=i.answer and i.answer.capitalize(), category=",".join(names[i.n % 3:]))


@task("GQA", "colour yesno", [], "id imageId question answer fullAnswer isBalanced=bool groups=groups entailed "
      "equivalent types=types annotations=marks semantic=steps semanticStr",
      {"hub": "testdev_balanced_instructions/testdev-00000-of-00001.parquet",
       "pictures": ("testdev_balanced_images/testdev-00000-of-00001.parquet", "id image=image")},
      "index image question answer",
      groups=pa.struct(schema("global local")), types=pa.struct(schema("structural semantic detailed")),
      marks=pa.struct(schema("question=m answer=m fullAnswer=m", m=pa.list_(pa.struct(schema("objectId value"))))),
      steps=pa.list_(pa.struct(schema("operation dependencies=numbers argument", numbers=pa.list_(pa.int32())))))
def gqa(i):
    image = f"n{i.n if i.same is None else i.same}"
    yield "hub", {"id": f"2013620{i.n}", "imageId": image, "question": i.question, "answer": i.answer,
                  "isBalanced": True, "fullAnswer": i.answer and f"It is {i.answer}.", "groups": {"local": "13-shape"},
                  "entailed": "[]", "types": {"structural": "query", "semantic": "attr", "detailed": "colour"},
                  "annotations": {"question": [{"objectId": "3", "value": "shape"}], "answer": [], "fullAnswer": []},
                  "semantic": [{"operation": "select", "dependencies": [], "argument": "shape"},
                               {"operation": "query", "dependencies": [0], "argument": "colour"}]}
    if i.same is None:
        yield "pictures", {"id": image, "image": i.picture}
    yield "tsv", i.tsv(answer=i.answer)


@task("COCOCaptions", "colour", [], "question_id image=image question answer=list id=i64 license=i8 file_name coco_url "
      "height=i32 width=i32 date_captured", "data/val-00000-of-00001.parquet", "index image answer")
def coco_captions(i):
    what = " and ".join(f"a {colour} {shape}" for shape, colour in i.facts.items())
    captions = [f"{what.capitalize()}.", f"A view of {what}", f'"{what}"', f"It's {what} here. ", f"Shapes:\n{what}"]
    captions, name = captions[:5 - i.n % 2] if i.answer else None, f"{139 + i.n:012}.jpg"
    yield "hub", {"question_id": name, "image": i.picture, "question": i.question and "Please describe the image.",
                  "answer": captions, "id": i.n, "license": i.n % 8, "file_name": name, "height": HEIGHT}
    yield "tsv", i.tsv(answer=captions)


# The tasks with clips: a path yielded with bytes is a file; rows for a name in .json go into a list there

@task("Video-MME", "clip", [4],
      "video_id duration domain sub_category url videoID question_id task_type question options=list answer",
      "videomme/test-00000-of-00001.parquet",
      "index video video_path duration domain candidates sub_category task_type subtitle_path question answer")
def video_mme(i):
    video, options = f"{i.n + 1:03}", [f"{c}. {o.capitalize()}." for c, o in i.lettered.items()]
    row = {"duration": ["short", "medium", "long"][i.n % 3], "domain": "Knowledge", "sub_category": "Shapes",
           "task_type": "Action Recognition", "question": i.question, "options": options, "candidates": options,
           "answer": i.letter}
    yield "hub", {**row, "video_id": video, "url": f"https://www.youtube.com/watch?v={i.path}",
                  "videoID": i.path, "question_id": f"{video}-1"}
    yield "tsv", {**row, "index": i.n, "video": i.path, "video_path": f"./video/{i.path}.mp4",
                  "subtitle_path": f"./subtitle/{i.path}.srt"}
    yield f"data/{i.path}.mp4", i.bytes
    yield f"video/{i.path}.mp4", i.bytes
    if i.n % 2:
        yield f"subtitle/{i.path}.srt", "1\n00:00:00,000 --> 00:00:01,500\nA square moves – slowly.\n\n".encode()


@task("MLVU", "clip", [4], "", {}, {
    "MLVU": "task_type prefix duration video question answer candidates index",
    "MLVU_OpenEnded": "task_type prefix duration video question answer scoring_points index"})
def mlvu(i):
    part, name = [("plotQA", "1_plotQA"), ("needle", "2_needle"), ("count", "4_count"), ("summary", "9_summary")][
        i.n % 4 if i.good else 0]
    row = {"video": f"{i.path}.mp4", "duration": 2 + i.n % 3 / 2, "question": i.question, "candidates": i.options,
           "answer": i.answer, "question_type": {"needle": "findNeedle"}.get(part, part)}
    if part == "summary":
        row.update(answer=f"A {i.facts['colour']} square moves {i.facts['way']}.", scoring_points=[i.facts["way"]])
        del row["candidates"]
    yield f"MLVU/json/{name}.json", row
    yield f"MLVU/video/{name}/{i.path}.mp4", i.bytes
    yield "MLVU_OpenEnded" if part == "summary" else "tsv", {**row, "task_type": part, "prefix": f"./MLVU/video/{name}"}


@task("MVBench", "clip", [4, 2, 3], "", {}, "task_type prefix video question answer candidates index")
def mvbench(i):
    part, folder = [("action_sequence", "star/Charades_segment"), ("moving_direction", "clevrer/video_validation"),
                    ("action_count", "perception/videos"), ("unexpected_action", "FunQA_test/test")][i.n % 4]
    row = {"video": f"{i.path}.mp4", "question": i.question, "candidates": i.options, "answer": i.answer}
    yield f"json/{part}.json", {**row, "start": 0.5, "end": 1.75} if part == "action_sequence" else row
    yield f"{folder}/{i.path}.mp4", i.bytes
    yield "tsv", {**row, "task_type": part, "prefix": folder}


@task("TempCompass", "clip", [4, 3, 2], "video_id question answer dim", {
    **{k: f"{k}/test-00000-of-00001.parquet" for k in ["multi-choice", "yes_no", "caption_matching"]},
    "captioning": ("captioning/test-00000-of-00001.parquet", "video_id question answer mc_question mc_answer dim")}, {
    "TempCompass": "task_type prefix suffix video question answer dim candidates index",
    "TempCompass_YorN": "task_type prefix suffix video question answer dim index",
    "TempCompass_Captioning": "task_type prefix suffix video question answer dim mc_question mc_answer index"})
def tempcompass(i):
    part = ["multi-choice", "yes_no", "caption_matching", "captioning"][i.n % 4 if i.good else 0]
    lines = [f"{c}. {o}" for c, o in i.lettered.items()]
    question = i.question and "\n".join([i.question.replace("\n", " "), *lines])
    row = {"video_id": i.path, "dim": "direction", "question": question,
           "answer": i.answer and f"{i.letter}. {i.answer}"}
    if part == "yes_no":
        row.update(question=f"Is the square {i.options[0]}?", answer="yes" if i.position == 0 else "no")
    elif part == "caption_matching":
        right = "Caption B: The square is " + i.answer
        wrong = "Caption A: The square is " + [o for o in i.options if o != i.answer][0]
        row.update(question=f"Which caption matches the video better?\n{wrong}\n{right}", answer=right)
    elif part == "captioning":
        row.update(mc_question=question, mc_answer=row["answer"], question="Describe the video.", answer=i.answer)
    yield part, row
    yield f"videos/{i.path}.mp4", i.bytes
    row = {**row, "task_type": part, "prefix": "./videos", "suffix": ".mp4", "video": i.path}
    if part != "captioning" and question:
        row["question"], *row["candidates"] = row["question"].split("\n")
    yield {"yes_no": "TempCompass_YorN", "captioning": "TempCompass_Captioning"}.get(part, "tsv"), row


@task("CinePile", "clip", [5, 4], "movie_name year=i64 genre=list yt_clip_title yt_clip_link movie_scene subtitles "
      "question choices=list answer_key answer_key_position=i64 question_category hard_split visual_reliance",
      "v2/test-00000-of-00001.parquet", {})
def cinepile(i):
    yield "hub", {"movie_name": "The Square", "year": 2011, "genre": ["Drama", " Comedy"], "question": i.question,
                  "choices": i.options, "answer_key": i.answer, "answer_key_position": i.position,
                  "yt_clip_link": f"https://www.youtube.com/watch?v={i.path}", "subtitles": "\n<subtitle> It moves.",
                  "movie_scene": "<subtitle> It moves.\n[A square moves]", "hard_split": str(i.n % 3 == 0),
                  "question_category": ["Temporal", "Setting and\nTechnical Analysis"][i.n % 2]}
    yield f"../clips/{i.path}.mp4", i.bytes


# Writing

def table_bytes(columns, rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns.split(), delimiter="\t", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({"index": at, **row} for at, row in enumerate(rows))
    return out.getvalue().encode()


def zip_bytes(files, start):
    """A ZIP file of the files in one folder."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in files:
            if path.startswith(start):
                archive.writestr(zipfile.ZipInfo(path), files[path])
    return out.getvalue()


# What VLMEvalKit calls its tables, where it is not the task's name.
TABLES = {"TextVQA": "TextVQA_VAL", "DocVQA": "DocVQA_VAL", "InfoVQA": "InfoVQA_VAL", "ChartQA": "ChartQA_TEST",
          "AI2D": "AI2D_TEST", "ScienceQA": "ScienceQA_TEST", "MMMU": "MMMU_DEV_VAL", "MathVista": "MathVista_MINI",
          "MMBench": "MMBench_DEV_EN", "SEEDBench": "SEEDBench_IMG", "GQA": "GQA_TestDev_Balanced",
          "COCOCaptions": "COCO_VAL", "MLVU": "MLVU_MCQ", "MVBench": "MVBench_MP4", "TempCompass": "TempCompass_MCQ"}


def write_task(folder, name, rows, broken):
    function, kinds, counts, columns, types, files, tables = TASKS[name]
    rng, last, blobs, lists = random.Random(name), None, {}, {}
    for n in range(rows + (4 if broken else 0)):
        last = Item(rng, n, rows, kinds[n % len(kinds)], counts[n % len(counts)], last)
        for key, value in function(last):
            if isinstance(value, bytes):
                blobs[key] = value
            else:
                lists.setdefault(name if key == "tsv" else key, []).append(value)
    for key, file in files.items():
        path, names = file if isinstance(file, tuple) else (file, columns)
        out = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(lists.get(key, []), schema=schema(names, **types)), out, row_group_size=5)
        blobs[path] = out.getvalue()
    blobs.update({k: json.dumps(rows, indent=4).encode() for k, rows in lists.items() if str(k).endswith(".json")})
    if name == "MVBench":
        meta = {path[5:-5]: value for path, value in lists.items() if path.startswith("json/")}
        roots = {row["task_type"]: row["prefix"] for row in lists[name]}
        blobs["test.json"] = json.dumps({"root": roots, "meta": meta}).encode()
    for archive, start in {"Video-MME": [("videos_chunked_01.zip", "data/"), ("subtitle.zip", "subtitle/")],
                           "TempCompass": [("tempcompass_videos.zip", "videos/")]}.get(name, []):
        blobs[archive] = zip_bytes(blobs, start)
    for table, columns in tables.items():
        blobs[f"../tsv/{TABLES.get(table, table)}.tsv"] = table_bytes(columns, lists.get(table, []))
    for path, content in blobs.items():
        place = folder / name / (path[3:] if path.startswith("../") else f"hub/{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def main():
    parser = argparse.ArgumentParser(description="Make small made-up data sets in the layouts of vision benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=12, help="good rows a task (default 12)")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS), metavar="NAME", help="only these")
    parser.add_argument("--broken", action="store_true", help="add four rows that are wrong")
    options = parser.parse_args()
    for name in options.task:
        write_task(options.folder, name, options.rows, options.broken)
        print(name)


if __name__ == "__main__":
    main()
