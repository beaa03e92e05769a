"""Writes golden/eval/prompts.jsonl: made-up rows of evaluation sets with the prompts that two public harnesses make.

    pip install numpy pandas pillow tqdm pysubs2
    python scripts/make_prompts.py --vlmevalkit CHECKOUT --smollm CHECKOUT golden/eval/prompts.jsonl

The checkouts are of open-compass/VLMEvalKit and huggingface/smollm. Their code is run on the rows, with stubs for what
the prompts do not depend on (models, metrics, downloads). A prompt is what the harness hands to the processor or the
tokenizer, before `<image>` is expanded; a row that makes it fail has an "error" instead. The styles:

vlmevalkit  A row is written to a TSV file with small pictures, read by the data set's class and its message handed to
            SmolVLM and SmolVLM2. "image" in the row counts the pictures. A clip's frames are read from a stub: "video"
            is clip-FRAMES-FPS, "read" are the frames that were read from it. "prefill" is what follows "Assistant:".
m4          A row is converted by the script that made the data set, where there is one, then the task's class makes
            the text. "candidates" are the continuations whose likelihoods are compared. "support" are the shots in
            order, "drawn" their indices among the rows (Python's generator, seeded with 42 for each task and "shots").
"""

import argparse
import ast
import base64
import collections
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import io
import json
import os
import random
import re
import shutil
import string
import sys
import tempfile
import types
from unittest.mock import MagicMock

import numpy as np
import pandas as pd
from PIL import Image

# ---- loading the checkouts ----

STUBBED = ("accelerate cv2 datasets deepspeed dotenv filelock huggingface_hub imageio moviepy portalocker sklearn sty "
           "tabulate torch torchvision transformers validators").split()
LINES = []
WITHOUT_INIT = ["vlmeval", "vlmeval.dataset", "vlmeval.dataset.utils", "vlmeval.utils", "vlmeval.vlm"]


class Stub(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__dict__.setdefault(name, MagicMock(name=name))


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, kit, m4):
        self.kit, self.m4 = kit, m4

    def find_spec(self, name, path=None, target=None):
        parts = name.split(".")
        if parts[0] == "m4" and (parts[-1].startswith("evaluation_") or name == "m4.evaluation.tasks"):
            file = "m4/evaluation/tasks/base.py" if name == "m4.evaluation.tasks" else "/".join(parts) + ".py"
            return importlib.util.spec_from_file_location(name, os.path.join(self.m4, file))
        if parts[0] in STUBBED or parts[0] == "m4" or name in WITHOUT_INIT:
            spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
            if name in WITHOUT_INIT:
                spec.submodule_search_locations = [os.path.join(self.kit, *parts)]
            return spec

    def create_module(self, spec):
        return Stub(spec.name)

    def exec_module(self, module):
        if module.__name__ == "validators":
            module.url = lambda text: False


def taken(path, *functions, loop=False, **known):
    """The named functions of a script with its literal constants and, on demand, its outer loops."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    space = {"tqdm": lambda items: items, "os": os, "json": json, "ast": ast, "random": random} | known
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):
                space.setdefault(node.targets[0].id, ast.literal_eval(node.value))
    kept = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in functions]
    kept += [node for node in tree.body if loop and isinstance(node, ast.For)]
    exec(compile(ast.Module(kept, []), path, "exec"), space)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "ClassLabel":
            with contextlib.suppress(NameError):
                space["labels"] = eval(compile(ast.Expression(node.keywords[0].value), path, "eval"), space)
    return space


class Seen(Exception):
    pass


class Listener:
    """Stands in for a processor and for a tokenizer."""
    bos_token, eos_token, image_processor = "<|im_start|>", "<|im_end|>", types.SimpleNamespace()

    def __call__(self, text, images=(), **_):
        raise Seen(text, len(images))


def record(**line):
    LINES.append({key: value for key, value in line.items() if value is not None})


# ---- VLMEvalKit ----

def picture():
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def model_of(name):
    model = getattr(importlib.import_module("vlmeval.vlm.smolvlm"), name)()
    model.processor = Listener()
    return model


def kind_of(path):
    module, name = path.split(".")
    return getattr(importlib.import_module(f"vlmeval.dataset.{module}"), name)


def asked(model, build, dataset):
    """The prompt and the number of pictures, or the error."""
    try:
        assert not model.use_custom_prompt(dataset)
        return model.generate(build(), dataset=dataset)
    except Seen as seen:
        text, images = seen.args
        return {"prompt": text, "images": images, "prefill": text.rpartition("\nAssistant:")[2] or None}
    except Exception as error:
        return {"error": type(error).__name__}


def pictures(root, task, path, dataset, rows):
    kind = kind_of(path)
    kind.DATASET_MD5 = {}
    counts = [row.get("image", 1) for row in rows]
    table = [{"index": index, **row, "image": picture() if count == 1 else str([picture()] * count)}
             for index, (row, count) in enumerate(zip(rows, counts))]
    pd.DataFrame(table).to_csv(os.path.join(root, f"{dataset}.tsv"), sep="\t", index=False)
    data = kind(dataset=dataset)
    for name in ["SmolVLM", "SmolVLM2"]:
        for index, row in enumerate(rows):
            found = asked(model_of(name), lambda: data.build_prompt(data.data.iloc[index]), dataset)
            record(task=task, style="vlmevalkit", model=name.lower(), dataset=dataset, row={"image": 1} | row, **found)


class VideoReader:
    read = []

    def __init__(self, path, **_):
        count, fps = os.path.basename(path).removesuffix(".mp4").split("-")[1:]
        self.count, self.fps = int(count), float(fps)

    def __len__(self):
        return self.count

    def get_avg_fps(self):
        return self.fps

    def __getitem__(self, index):
        VideoReader.read.append(int(index))
        return types.SimpleNamespace(asnumpy=lambda: np.zeros((1, 1, 3), np.uint8))


def clips(root, task, path, setting, rows, **options):
    kind = kind_of(path)
    dataset = kind.supported_datasets()[0]
    file = os.path.join(root, f"{dataset}.tsv")
    pd.DataFrame([{"index": index, **row} for index, row in enumerate(rows)]).to_csv(file, sep="\t", index=False)
    kind.prepare_dataset = lambda self, name: {"root": root, "data_file": file}
    data = kind(dataset=dataset, **options)
    if task == "mvbench":
        data.decord_method, data.transform = {"video": data.read_video}, lambda images: images
        data.save_video_frames = lambda images, name, count: [open(path, "w").close() or path for path in (
            data.frame_paths_fps(name, count) if data.fps > 0 else data.frame_paths(name))]
    for index, row in enumerate(rows):
        VideoReader.read = []
        shutil.rmtree(data.frame_root, ignore_errors=True)
        found = asked(model_of("SmolVLM2"), lambda: data.build_prompt(index, video_llm=False), dataset)
        record(task=task, style="vlmevalkit", model="smolvlm2", dataset=dataset, setting=setting,
               row=row | {"image": len(VideoReader.read)}, read=VideoReader.read, **found)


# ---- m4 ----

class Rows(list):
    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


def template_of(task):
    templates = task.prompt_templates_dict_instruct if task.bool_instruct_templates else task.prompt_templates_dict
    return templates[task.selected_prompt_template_id]


def continuations(task, texts, label):
    tail = template_of(task)["example"].split("{class_name}")[1]
    for column in task.tested_ex_excluded_context_columns or []:
        tail = tail.replace("{" + column + "}", "")
    prompt = texts[0][:len(texts[0]) - len(label + tail.rstrip())]
    assert all(text.startswith(prompt) for text in texts)
    return prompt, [text[len(prompt):] for text in texts]


def m4(task_name, class_name, rows, made=None, labels=None):
    """`rows` as they are published; `made` as the data set of the class holds them."""
    kinds = {"Open": "open_ended_vqa", "Clas": "classification", "Imag": "captioning"}
    file = kinds[class_name.split("VLlama3")[1][:4]]
    module = importlib.import_module(f"m4.models.vllama3.evaluation_{file}_in_context_vllama3")
    base = importlib.import_module(f"m4.models.vgpt2.evaluation_{file}_in_context_vgpt2")
    task = getattr(module, class_name).__new__(getattr(module, class_name))
    task.tokenizer = Listener()
    task.simpler_get_splitted_images_and_corresponding_text = lambda image: ([], "<image>")
    column = getattr(task, "image_column_name", None) or task.image_column_names[0]
    made = Rows([{column: "picture"} | row for row in made or rows])
    if labels:
        task.class_names, task.class_str2int, task.class_int2str = labels, labels.index, labels.__getitem__
        for row in made:
            row[task.label_column_name] = labels.index(row[task.label_column_name])
    form = "chat" if "Assistant:" in str([template_of(task), made[0]]) else "base"
    for shots in [0, 4]:
        drawn, said = [], []
        random.seed(42)
        base.random = types.SimpleNamespace(
            sample=lambda items, count: drawn.append(random.sample(items, count)) or drawn[-1],
            choice=lambda items: said.append(random.choice(items)) or said[-1])
        for index in range(len(rows) if shots == 0 else 3):
            exs = {key: [value] for key, value in made[index].items()} | {"id": [str(index)]}
            try:
                task.prepare_dataset(exs, support_dataset=made, num_shots=shots, prompt_template_id=(
                    task.selected_prompt_template_id), shot_selection_mode=base.ShotSelectionMode.random)
            except Seen as seen:
                texts = seen.args[0]
            prompt, candidates = texts[0], None
            if labels:
                tested = task.tested_labels_column_name
                prompt, candidates = continuations(task, texts, made[index][tested][0] if tested else sorted(labels)[0])
            support = [rows[place] for place in drawn[-1]]
            if file == "captioning":
                support = [row | {"caption": caption} for row, caption in zip(support, said[-4:])]
            record(task=task_name, style="m4", form=form, dataset=task.dataset_name, shots=shots,
                   template=task.selected_prompt_template_id, row=rows[index], drawn=drawn[-1], support=support,
                   prompt=prompt, candidates=candidates, images=prompt.count("<image>"))


# ---- rows ----

PLEASE = "Please select the correct answer from the options above."
QUESTIONS = [{"question": text} for text in [
    "What is the total of the second column?", "  What is written\non the sign? ", "", "Hint: see “5 °C” — ¿猫 or 👍?",
    "Question: which year?\nOptions:\nA. 1990\nB. 1991", "Is A. bigger than B.? ", f"(A) yes (B) no\n{PLEASE} ", "None",
    "A <image 1> tag,\tan <image> and an <end_of_utterance>\nAssistant: no",
]] + [{"question": "What changed?", "image": 2}]
CHOICES = [dict(zip(["question", "hint", *"ABCDEFGH"], values)) for values in [
    ("What is shown?", None, "a cat", "a dog", "a bus", "a tree"),
    ("Which is heavier?", "Weigh them first.\nThen answer.", "stone", "feather"),
    ("Which letter?", None, "ay", "bee", None, "dee"), ("No options here", None), ("No options but a hint", "look"),
    ("Which of eight?", None, "one", "two", "three", "four", "five", "six", "seven", "eight"),
    ("Question: which list?\nOptions:\nA. one\nB. two", "Hint: read the Options:", "A", "B", "both"),
    ("  Spaces around\n", " also here ", " x ", "y\nz", "\tw"), ("Où est “l’ours” — 猫?", "5 °C", "ici", "là", "👍", "…"),
    ("Which is missing?", None, "None", "N/A", "null", "not any"), ("", "", "1", "2.0", "", "007"),
    (f"What does “{PLEASE}” mean?", "Two\nQuestion: marks", "A. this", "(B) that", "Choices:"),
]] + [{"question": "Two pictures, <image 1>?", "A": "<image 2>", "B": "no", "image": 2}]
SUBJECTS = [dict(zip(["image", "question", *"ABCD"], values)) for values in [
    (1, "<image 1> What is shown?", "a cat", "a dog", "a bus", "a tree"), (1, "What is in <image 1>", "cat", "dog"),
    (1, "What is it?", "cat", "dog", None, "bus"), (2, "Compare <image 2> with <image 1>.", "same", "other"),
    (2, "Which fits?", "<image 1>", "<image 2>", "neither"), (1, "<image 1> is <image 1>?", "yes", "no"),
    (2, "Only <image 2> counts.", "yes", "no"), (1, "Find x in <image 1>."), (1, "<image 1>\nWith A. and B., find C."),
    (1, "Question: <image 1> Question: why?\nOptions: none", "Question: a", "b"), (2, "No marker", "a", "b"),
    (1, "  <image 1>  \n  Wait… “né”\n", " é ", "猫"), (1, "<image 3> is absent", "a", "b"), (1, "", "a", "b"),
    (1, "<image 10> has two digits", "a", "b"), (1, "An <image x>", "a", "b"),
]] + [{"question": "<image 1> Which?", "hint": "Look at <image 1> twice.", "A": "a", "B": "b"}]
ASK = "Hint: Please answer the question "
LETTER = ASK + "and provide the correct option letter, e.g., A, B, C, D, at the end.\n"
WHOLE = ASK + "requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the end.\n"
MATHS = [{"question": text} for text in [
    LETTER + "Question: What fraction is blue?\nChoices:\n(A) 3/11\n(B) 8/11\n(C) 6/11\n(D) 3/5",
    LETTER + "Question: Which?\nChoices:\n" + "\n".join(f"({letter}) option {letter}" for letter in "ABCDEFGHI"),
    WHOLE + "Question: How many?", WHOLE + "Question: How much? (Unit: $)", " Hint: Hint: twice ", "", "A.B. or C?",
    "Is f(A) = (B) ?\nOptions:\n(A)yes (B) no", "“α” ≥ 5 °?\nChoices:\n(A) ja\n(B)  nein\n", "(a) only (A) counts",
]] + [{"question": "Which of two?\nChoices:\n(A) left\n(B) right", "image": 2}]
ASKED = [
    ("clip-100-25", "What happens first?", ["a cat jumps", "a dog runs", "nothing", "rain"]),
    ("clip-70-30", "Options: which? ", ["Options: one", "two"]),
    ("clip-10-25", f"  Too short?\n{PLEASE}", ["yes", " no "]), ("clip-1750-25", "A minute?", ["yes", "no"]),
    ("clip-90-29.97", "“Où” — 猫?\nQuestion: why?", ["à", "", "👍 (B)", "A. x", "e"]),
]
SRT = ["00:00:00,500 --> 00:00:01,500\nHello\nthere", "00:00:01,200 --> 00:00:03,500\n<i>Second</i> {\\an8}“é”",
       "00:00:03,600 --> 00:00:09,000\n "]
SHORT = [{"question": question, "answers": answers} for question, answers in [
    ("What colour is the bus?", ["red", "dark red", "red"]), ("  Is it raining? ", ["yes", "no", "no", "yes"]),
    ("Question: what?\nAnswer: this", ["this one"]), ("¿Qué “hora” — 5 °C?", [" cinco ", "5"]), ("", [""]),
    ("{braces} A. or B.?", ["{x}"]),
]]
PICKS = [dict(zip(["question", "choices", "answer", "hint", "lecture"], values)) for values in [
    ("What is shown?", ["a cat", "a dog", "a bus", "a tree"], 1, "", ""),
    ("Which is heavier?", ["stone", "feather"], 0, "Weigh.\n\nThem.", "Matter has mass.\nIt weighs."),
    ("  Spaces\naround ", [" x ", "y", " z"], 2, "", "So."), ("Hint: A. or B.?", ["A.", "B.", "(C) c"], 0, "h", ""),
    ("Où — 猫?", ["ici", "là", "“é”", "…"], 3, "", ""),
]]
LETTERS = "ABCDE"
OPEN, MULTI = "VLlama3OpenEndedVQAInContextAcc", "VLlama3ClassificationInContextAccWithKLAndEntropy"
CHANGE, CHAT = "map_func_transform", "../integrate_evaluation_benchmarks_chatbot"


def picture_tasks(root):
    vqa, own, ocr = "image_vqa.ImageVQADataset", "image_vqa.CustomVQADataset", "image_vqa.OCRBench"
    mcq, mmmu, yorn = "image_mcq.ImageMCQDataset", "image_mcq.MMMUDataset", "image_yorn.ImageYORNDataset"
    for path, rows, names in [
        (vqa, QUESTIONS, "TextVQA_VAL DocVQA_VAL InfoVQA_VAL ChartQA_TEST GQA_TestDev_Balanced"),
        (own, QUESTIONS, "VQAv2 OKVQA"), (ocr, QUESTIONS, "OCRBench"), (yorn, QUESTIONS, "POPE HallusionBench"),
        (mcq, CHOICES, "AI2D_TEST MMStar ScienceQA_TEST MMBench_DEV_EN SEEDBench_IMG"),
        (mmmu, SUBJECTS, "MMMU_DEV_VAL"), ("image_vqa.MathVista", MATHS, "MathVista_MINI"),
        ("image_caption.ImageCaptionDataset", [{}, {"image": 2}], "COCO_VAL"),
        # Names beside those, which may go to other builders.
        (mcq, CHOICES[1:2], "MMBench_DEV_EN_V11 MMBench_DEV_KO CCBench MMBench_TEST_CN AI2D_TEST_NO_MASK MMStar_KO "
         "SEEDBench2_Plus ScienceQA_VAL RealWorldQA A-OKVQA"), (mmmu, SUBJECTS[:1], "MMMU_TEST"),
        (vqa, QUESTIONS[:1], "DocVQA_TEST InfoVQA_TEST OCRVQA_TEST"), (ocr, QUESTIONS[:1], "OCRBench_MINI"),
        ("image_vqa.MMVet", QUESTIONS[:1], "MMVet"), (yorn, QUESTIONS[:1], "MME AMBER"),
    ]:
        for name in names.split():
            pictures(root, re.split("2?_", name)[0].lower(), path, name, rows)


def clip_tasks(root):
    sys.modules["decord"] = types.SimpleNamespace(VideoReader=VideoReader, cpu=lambda number: None)
    with open(os.path.join(root, "clip-100-25.srt"), "w", encoding="utf-8") as file:
        file.write("".join(f"{index + 1}\n{text}\n\n" for index, text in enumerate(SRT)))
    bare = [{"prefix": ".", "video": f"{video}.mp4", "question": question, "candidates": str(choices),
             "answer": choices[0]} for video, question, choices in ASKED]
    bounds = [(False, None, None), (True, 1.0, 2.5), (False, None, None), (True, 0.2, 100.0), (True, 10.0, 60.0)]
    bounded = [row | dict(zip(["bound", "start", "end"], bound), data_type="video") for row, bound in zip(bare, bounds)]
    lettered = [{"prefix": ".", "suffix": ".mp4", "video": video, "subtitle_path": f"{video}.srt", "question": question,
                 "candidates": str([f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices)]), "answer": "-"}
                for video, question, choices in ASKED]
    for path, rows in [
        ("mlvu.MLVU_MCQ", bare), ("mlvu.MLVU_OpenEnded", bare), ("mvbench.MVBench_MP4", bare),
        ("videomme.VideoMME", lettered), ("tempcompass.TempCompass_MCQ", lettered),
        ("tempcompass.TempCompass_Captioning", lettered), ("tempcompass.TempCompass_YorN", lettered),
    ]:
        clips(root, path.split(".")[0], path, "1fps", rows, fps=1.0)
        clips(root, path.split(".")[0], path, "8frame", rows[:1], nframe=8)
    clips(root, "videomme", "videomme.VideoMME", "1fps_subs", lettered[:2], fps=1.0, use_subtitle=True)
    clips(root, "mvbench", "mvbench.MVBench", "8frame", bounded, nframe=8)


def converted(script, function, rows, **known):
    space = taken(script, function, "format_value_to_list", **known)
    return [space[function](dict(row)) for row in rows], space.get("labels")


def open_tasks(scripts):
    for task in ["VQAv2", "OKVQA", "TextVQA"]:
        m4(task.lower(), f"{task}NewSplits{OPEN}", SHORT)
        m4(task.lower(), f"{task}Chatbot{OPEN}", SHORT)
    m4("docvqa", "DocVQAVLlama3OpenEndedVQAInContextAnls", SHORT)
    m4("docvqa", "DocVQAChatbotVLlama3OpenEndedVQAInContextAnls", SHORT)
    m4("chartqa", f"ChartQAChatbot{OPEN}", [{"query": row["question"], "label": row["answers"][:1]} for row in SHORT])
    m4("mmvet", f"MMVETChatbot{OPEN}", [row | {"answer": row["answers"][0] or "-"} for row in SHORT])
    m4("gqa", f"GQAChatbot{OPEN}", SHORT)
    captions = [["A red bus.", "A bus on a road"], [" A dog  "], ["“Une” 猫\nlà", "x"], ["a", "b", "c"], ["the end."]]
    m4("coco", "CocoNewSplitsVLlama3ImageCaptioningInContextBleuCiderMeteorRouge",
       [{"sentences_raw": texts} for texts in captions])


def converted_tasks(scripts):
    both = [row | {"answer": row["choices"][row["answer"]], "question_type": "multi_choice"} for row in PICKS]
    free = [{"question": row["question"], "choices": None, "answer": row["answers"][0], "question_type": "free_form",
             "unit": unit, "query": WHOLE + f"Question: {row['question']}"}
            for row, unit in zip(SHORT, [None, "$", None, "cm"])]
    subjects = [dict(zip(["question", "options", "answer", "images"], values)) for values in [
        ("<image 1> What is shown?", "['a cat', 'a dog']", "A", 1), ("Find x in <image 1>.", "[]", "4", 1),
        ("Compare <image 1>, <image 2>", "['<image 3>', 'É', 'x']", "B", 3), (" A. or B.? ", "[]", "['2', 'two']", 2),
        (" Which? ", str(list("abcdefghi")), "C", 1), ("猫?", "[]", "cat", 1),
        ("Question: A. or B.?", "['A. a', \"'quoted'\"]", "A", 2), ("", "[]", "0", 1)]]
    star = [{"index": 1, "question": text, "answer": "A"} for text in [
        "What is it?\nOptions: A: a cat, B: a dog, C: a bus, D: a tree", "Où — 猫?\n(A) ici\n(B) là\n(C) “é”\n(D) …",
        LETTER + "Question: Which?\nChoices:\n(A) x\n(B) y\n(C) z\n(D)w",
        "  Is A: 1, B: 2?\nOptions: A: Hint: , B: b, C: c, D: d \n"]]
    plain = [{"question": row["question"], "options": row["choices"], "answer": str(row["answer"])} for row in PICKS]
    letters = [{"question": text, "options": options, "answer": "1"} for text, options in [
        ("Which part is a root?", [*"ABCD"]), (" Where? ", ["e", "F", "none", "É"]),
        ("猫", ["g", "H", "g and H", "3"]), ("", ["ab", "a", "B", "AB"])]]
    names = sorted({option.upper() if len(option) == 1 else option for row in letters for option in row["options"]})
    for kind, script, function, rows in [
        (f"MathVistaMCQChatbot{MULTI}", "create_math_vista_mcq", f"{CHANGE}_math_vista_mcq_ds", both),
        (f"MathVistaOpenEndedChatbot{OPEN}", "create_math_vista_open_ended", f"{CHANGE}_math_vista_openended_ds", free),
        (f"MathVista{OPEN}", "create_math_vista", "map_transform_val_ds_mathvista", both[:3] + free[1:]),
        (f"MMMUMCQSingleImageChatbot{MULTI}", "create_mmmu_mcq", f"{CHANGE}_mmmu_mcq_ds", subjects[::2]),
        (f"MMMUOpenEndedSingleImageChatbot{OPEN}", "create_mmmu_open_ended", f"{CHANGE}_mmmu_openended_ds",
         subjects[1::2]),
        (f"MMMU{OPEN}", "create_mmmu", "map_transform_ds_mmmu", subjects[:4]),
        (f"MMStarChatbot{MULTI}", "create_mmstar", f"{CHANGE}_mmstar_ds", star),
        (f"AI2DNoLetterLabelChatbot{MULTI}", "create_AI2D/create_ai2d_4", f"{CHANGE}_ai2d_ds", plain),
        (f"AI2DLetterLabelChatbot{MULTI}", "create_AI2D/create_ai2d_7_abcd", f"{CHANGE}_ai2d_ds", letters),
        (f"ScienceQAImgChatbot{MULTI}", f"{CHAT}/scienceqa", "map_transform_scienceqa", PICKS),
    ]:
        full = [row | {"pid": "1", "id": "v_Math_1", "decoded_image": "picture"} | {
            f"image_{n}": "picture" if n <= row.get("images", 1) else None for n in range(1, 8)} for row in rows]
        known = {"POSSIBLE_LABELS": names} if rows is letters else {"END_OF_UTTERANCE_TOKEN": "<end_of_utterance>"}
        made, labels = converted(f"{scripts}/create_evaluation_datasets/{script}.py", function, full, **known)
        m4(re.match("MathVista|MMMU|MMStar|AI2D|ScienceQA", kind).group().lower(), kind, rows, made, labels)


def choice_tasks(scripts):
    create = f"{scripts}/create_evaluation_datasets"
    rows = [row | {"solution": f"Because\n{row['question']}"} for row in PICKS]
    problems = {str(index): json.loads(json.dumps(row | {"image": "x"})) for index, row in enumerate(rows)}
    files = {"pid_splits.json": {"train": list(problems)}, "problems.json": problems}
    space = taken(f"{create}/ScienceQA/scienceqa.py", "_generate_examples", string=string, datasets=MagicMock(),
                  json=types.SimpleNamespace(load=files.get), open=lambda file, mode: os.path.basename(file))
    made = [row | {"label": LETTERS[row["label"]]} for _, row in space["_generate_examples"](None, "", "", "", "train")]
    m4("scienceqa", f"ScienceQANewSplits{MULTI}", rows, made, list(LETTERS))
    rows = [{"question": row["question"], "hint": row["hint"] or None, "label": LETTERS[row["answer"]]}
            | dict(zip("ABCD", row["choices"] + [None, None])) for row in PICKS]
    full = [row | {"image": "", "answer": row["label"]} for row in rows]
    made, _ = converted(f"{create}/{CHAT}/mmbench.py", "map_transform_mmbench", full, base64=base64, Image=MagicMock(),
                        BytesIO=io.BytesIO, split="validation")
    m4("mmbench", f"MMBenchChatbot{MULTI}", rows, made, list("ABCD"))
    made, _ = converted(f"{create}/MMBench/make_mmbench.py", "map_func_modif_context", full)
    m4("mmbench", f"MMBenchNewSplits{MULTI}", rows, made, list("ABCD"))
    rows = [{"question": row["question"], "answer": LETTERS[row["answer"]]} | dict(zip(
        ["choice_a", "choice_b", "choice_c", "choice_d"], row["choices"] + ["", "."])) for row in PICKS]
    full = [row | {"data_type": "image", "question_id": 1, "data_id": ""} for row in rows]
    space = taken(f"{create}/{CHAT}/seed_img.py", loop=True, data_seed=full, convert_img_to_bytes=lambda **_: "picture")
    made = [dict(zip(space["dict_seed"], values)) for values in zip(*space["dict_seed"].values())]
    m4("seedbench", f"SEEDImgChatbot{MULTI}", rows, made, space["labels"])
    m4("seedbench", f"SEEDAll{MULTI}", rows, labels=list("ABCD"))
    rows = [{"context": row["question"], "label": ["Yes", "No"][index % 2]} for index, row in enumerate(SHORT)]
    m4("pope", f"POPEChatbot{MULTI}", rows, labels=["No", "Yes"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vlmevalkit", required=True)
    parser.add_argument("--smollm", required=True)
    parser.add_argument("out")
    options = parser.parse_args()
    vision = os.path.join(os.path.abspath(options.smollm), "vision")
    sys.meta_path.insert(0, Finder(os.path.abspath(options.vlmevalkit), vision))
    with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(io.StringIO()):
        os.environ["LMUData"] = root
        picture_tasks(root)
        clip_tasks(root)
        for tasks in [open_tasks, converted_tasks, choice_tasks]:
            tasks(os.path.join(vision, "data/datasets_processing_scripts"))
    with open(options.out, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES)
    print(collections.Counter(f"{line['style']} {line['task']}" for line in LINES))


main()
