"""Writes golden/eval/*.jsonl.gz: what the official evaluations of benchmarks give for made-up answers.

    pip install numpy pandas Levenshtein
    python scripts/make_official_metrics.py --vqa VQA --vlmevalkit KIT --smollm SMOLLM --lmms-eval LMMS golden/eval

Each option is a checkout: GT-Vision-Lab/VQA, open-compass/VLMEvalKit, huggingface/smollm, EvolvingLMMs-Lab/lmms-eval.
Functions are taken out of their files at run time and run as they are; what they import is given here. No judge is
asked: `kit` is what VLMEvalKit gives by `exact_matching`. Where an official function draws lots, {"random": true} is
written, and where it fails, the name of the exception ("crash").
"""

import argparse
import ast
import contextlib
import copy
import gzip
import io
import json
import math
import os
import pathlib
import random
import re
import statistics
import string
import sys
import typing
import warnings
from collections import Counter, defaultdict
from enum import Enum
from types import SimpleNamespace as Bag

import Levenshtein
import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
os.environ.pop("VERBOSE", None)
LOG = Bag(info=lambda *_: None, warning=lambda *_: None, error=lambda *_: None)
SHARED = {"re": re, "np": np, "pd": pd, "os": os, "osp": os.path, "sys": sys, "cp": copy, "string": string,
          "Enum": Enum, "statistics": statistics, "defaultdict": defaultdict, "Counter": Counter, "List": typing.List,
          "Optional": typing.Optional, "logger": LOG, "eval_logger": LOG}


def take(path, **given):
    """The functions, classes and constants of a file, as far as they can be made of what is given."""
    source = re.sub(r'^(\s*)print (".*")$', r"\1print(\2)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    space = {**SHARED, **given}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign)):
            with contextlib.suppress(Exception):
                exec(compile(ast.Module([node], []), str(path), "exec"), space)
    return Bag(**space)


class Chance:
    """Stands for the module `random`, and knows whether it was asked."""

    asked = False

    def choice(self, among):
        self.asked = True
        return among[0]


CHANCE = Chance()
STORE = {}


def map_all(run, tups, save, keys, **_):
    STORE[save] = {key: run(**given) for key, given in zip(keys, tups)}
    return []


def official(roots):
    """The official functions, by what they are for."""
    kit, m4 = roots.vlmevalkit / "vlmeval", roots.smollm / "vision/m4"
    lmms = roots.lmms_eval / "lmms_eval/tasks"
    misc = take(kit / "smp/misc.py")
    basic = {name: vars(misc)[name] for name in ("process_punctuation", "istype", "listinstr", "d2df", "cn_string")}
    files = {"load": STORE.get, "dump": lambda data, path: STORE.__setitem__(path, data), "timestr": str,
             "get_intermediate_file_path": lambda *_: "scores", "get_pred_file_format": str}
    match = take(kit / "utils/matching_util.py")
    choice = take(kit / "dataset/utils/multiple_choice.py", can_infer=match.can_infer, build_option_str=str, rd=CHANCE,
                  can_infer_lego=match.can_infer_lego, track_progress_rich=map_all, **basic, **files)
    judged = {"extract_answer_from_item": choice.extract_answer_from_item}
    cleaning = take(m4 / "sourcing/data_collection/processors/web_document_filtering.py", SPECIAL_CHARACTERS=())
    texts = take(m4 / "evaluation/custom_metrics/utils.py", FilteringFunctions=cleaning.FilteringFunctions)
    metric = {"evaluate": Bag(Metric=object), "stats": Bag(norm=Bag(ppf=abs)), "Levenshtein": Levenshtein}
    lots = take(lmms / "_task_utils/mmmu_mcq_utils.py", random=CHANCE)
    evalai = take(lmms / "_task_utils/vqa_eval_metric.py")
    return Bag(
        gt=take(roots.vqa / "PythonEvaluationTools/vqaEvaluation/vqaEval.py"),
        match=match,
        choice=choice,
        vqa=take(kit / "dataset/utils/vqa_eval.py", **basic),
        yorn=take(kit / "dataset/utils/yorn.py", **basic, **files),
        ocr=take(kit / "dataset/image_vqa.py", ImageBaseDataset=object, tqdm=list, **files),
        vista=take(kit / "dataset/utils/mathvista.py", can_infer=match.can_infer),
        videomme=take(kit / "dataset/utils/videomme.py", **judged),
        mvbench=take(kit / "dataset/utils/mvbench.py", **judged),
        mlvu=take(kit / "dataset/utils/mlvu.py", **judged),
        compass=take(kit / "dataset/utils/tempcompass.py"),
        texts=texts,
        opened=take(m4 / "evaluation/custom_metrics/open_ended_vqa_metrics.py", **vars(texts), **metric),
        read=take(m4 / "evaluation/custom_metrics/doc_vqa_metrics.py", **vars(texts), **metric),
        mmmu=take(lmms / "mmmu/utils.py", parse_mmmu_multi_choice_response=lots.parse_mmmu_multi_choice_response),
        evalai=take(lmms / "textvqa/utils.py", EvalAIAnswerProcessor=evalai.EvalAIAnswerProcessor),
        lmms_ocr=take(lmms / "ocrbench/utils.py"),
        lmms_pope=take(lmms / "pope/utils.py"),
        lmms_hallusion=take(lmms / "hallusion_bench/utils.py"),
        lmms_vista=take(lmms / "mathvista/mathvista_evals.py", ServerConfig=Bag, get_server=lambda **_: None,
                        distance=Levenshtein.distance),
        lmms_letter=take(lmms / "_task_utils/mcq_extract.py").extract_mcq_answer,
        lmms_mvbench=take(lmms / "mvbench/utils.py").mcq_acc,
        lmms_exact=take(roots.lmms_eval / "lmms_eval/api/metrics.py").exact_match_hf_evaluate,
    )


# ---- texts ----

LETTERS = string.ascii_uppercase
WORDS = """red blue dark red green dog cat bus stop sign exit yes no maybe left right man woman table wood water sky
café two-thirds t-shirt couch sofa pizza frisbee umbrella naïve straße ΣΟΦΟΣ 猫 日本 👍 é école someone ozone
none often""".split()
COUNTS = "none zero one two three four five six seven eight nine ten eleven twenty".split()
ARTICLES = "a an the A An The THE".split()
SHORT = """dont don't Don't cant it's its Im I'm Ive oclock o'clock somebody'd somebodyd y'allll let's shed've 'twas
twas isnt ow's'at couldn'tve wouldve thats there's youre hes he's Id've maam""".split()
SIGNS = list(".,;:!?'\"-()[]/%$#&*+=_<>@`~^{}|\\’“”–—。，€°…") + ["...", " - ", " . ", " ,"]
SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", "\u2009", "\u001c", "\u0085"]
NUMBERS = """0 1 2 3 5 7 10 12 15 42 100 1,000 12,500 1,234,567 3.5 0.5 .5 5. 1e3 1E-2 2.5e3 -3 -0.5 +4 50% 14.5% $5 €20
$1,200.50 1/2 3:30 10:45 1999 2007 2008 1_000 ٣ １４ nan inf 5kg 3-4 007 2.675 0.125 1.005 1,00 12,34 1.2.3""".split()
REFUSALS = ["Failed to obtain answer via API.", "Sorry, I can't help with images of people yet.",
            "Cannot determine the answer", "I can't process this file.", "I'm sorry, but without the image provided"]
FILLER = "I think that the picture shows it quite well because there is some light in it and nothing else".split()
UNITS = ["%", " %", " percent", " km", " $"]


def number(r):
    return r.choice([
        lambda: r.choice(NUMBERS),
        lambda: str(r.randint(-20, 200)),
        lambda: f"{r.uniform(-50, 500):.{r.randint(0, 4)}f}",
        lambda: f"{r.randint(1000, 9999999):,}",
        lambda: f"{r.randint(0, 120)}{r.choice(UNITS)}",
        lambda: f"{r.choice('$€£')}{r.randint(1, 999)}",
        lambda: r.choice(COUNTS),
    ])()


def piece(r):
    pool = r.choices([WORDS, None, ARTICLES, SHORT, COUNTS, SIGNS], [8, 4, 2, 2, 2, 2])[0]
    return r.choice(pool) if pool else number(r)


def noisy(r, text, much=0.6):
    """The text as somebody else would write it."""
    while r.random() < much:
        at = r.randint(0, len(text))
        text = r.choice([
            lambda: r.choice([text.upper(), text.lower(), text.capitalize(), text.title()]),
            lambda: text + r.choice([*SIGNS, ".", "."]),
            lambda: text[:at] + r.choice(SIGNS) + text[at:],
            lambda: r.choice(ARTICLES) + " " + text,
            lambda: r.choice(SPACES) + text + r.choice(["", *SPACES]),
            lambda: text.replace(" ", r.choice(["  ", "\n", "\t", "-", "_", "/"]), 1),
            lambda: text[:at] + text[at + 1:],
            lambda: text[:at] + r.choice("aeot1 .") + text[at:],
        ])()
    return text


def text(r, most=4):
    if r.random() < 0.02:
        return r.choice(["", " ", ".", "\n", "a", "the"])
    return noisy(r, r.choice([" ", " ", " ", "", ", "]).join(piece(r) for _ in range(r.randint(1, most))), 0.3)


def options(r, most=8):
    pool = [*WORDS, "a dog", "the dog", "dark red", "A", "B", "C", "None of the above", "two", "2", "20", "Point A"]
    return [noisy(r, r.choice(pool) if r.random() < 0.8 else number(r), 0.1) or "x" for _ in range(r.randint(2, most))]


def pick(r, choices):
    """An answer to a question with options."""
    one = r.choice(LETTERS[: len(choices)])
    two = r.choice(LETTERS[: len(choices)] + "EFGHZIa")
    words, other = choices[LETTERS.index(one)], r.choice(choices)
    some = " ".join(FILLER[: r.randint(1, len(FILLER))])
    return noisy(r, r.choice([
        one, two, words, words, one.lower(), "", "Z", some, text(r), r.choice(REFUSALS), f"({one})", f"{one}.",
        f"[{one}]", f"**{one}**", f"#{one}!", f"{one}{two}", f"{one}. {words}", f"{one}: {words}", f"{one}) {words}",
        f"so {one}:{words}", f"Option {one}", f"I choose {one}", f"정답은 {one}", f"Answer: {one}",
        f"The answer is {one}.", f"The correct answer is **{one}**. {some}", f"the answer is {words}",
        f"answer is {words} {some}", f"The answer is {two}. So, {one}", f"Best answer: {one}", f"Best option:({one})",
        f"The best option is ({one}) {words}", f"{one} or {two}", f"({one}) or ({two})", f"{one}, {two}",
        f"It is {one} not {two}", f"{two}. no, {one}.", f"{words} and {other}", f"{some} {one}", f"{some} ({one})",
        f"{some} {words}", f"{one} {some}", f"{one}\n{some}", f"A {words} {some}",
    ]), 0.15)


def labelled(choices):
    return dict(zip(LETTERS, choices))


# ---- metrics ----

def tried(run):
    """What a function gives, or the name of the exception that it fails with."""
    try:
        return run()
    except Exception as error:
        return {"crash": type(error).__name__}


def opened(given, answer, golds, *names):
    """m4's scores of an answer, in the order of the names."""
    kinds = [given.opened.OEVQAMetrics[name] for name in names]
    metric = given.opened.OpenEndedVQAMetrics.__new__(given.opened.OpenEndedVQAMetrics)
    metric.metrics, metric.save_generations = kinds, False
    metric.gt_vision_lab_normalization = given.texts.VQANormalizationGtVisionLab()
    scores = metric._compute(["0"], [answer], [golds], [""])
    return [scores[kind.value] for kind in kinds]


def scored(given, method, dataset, golds, answer):
    """VLMEvalKit's score of an answer."""
    golds = golds if isinstance(golds, str) else repr(golds)
    line = given.vqa.process_line({"answer": golds, "prediction": answer}, method)
    return float(given.vqa.hit_calculate([line], dataset)[0])


def vqa(given, r):
    class Eval(given.gt.VQAEval):
        def setEvalQA(self, question, score):
            self.score = score

    said = noisy(r, text(r, 3), 0.5)
    others = [noisy(r, said) for _ in range(r.randint(0, 2))] + [text(r, 3) for _ in range(r.randint(0, 2))]
    count = r.choice([1, 2, 3, 4, 5, 10, 10])
    golds = [r.choice([said, *others]) for _ in range(count)] if r.random() < 0.9 else [noisy(r, said)] * count
    answers = [{"answer": gold, "answer_id": i} for i, gold in enumerate(golds)]
    rows = {0: {"answers": answers, "question_type": "", "answer_type": ""}}
    judge = Eval(Bag(getQuesIds=lambda: [0], qa=rows), Bag(qa={0: {"answer": said}}))
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
    own = opened(given, said, golds, "OE_VQA_ACCURACY", "FIRST_WORD_VQA_ACCURACY")
    lab = opened(given, said, golds, "GT_VISION_LAB_OE_VQA_ACCURACY", "GT_VISION_LAB_FIRST_WORD_VQA_ACCURACY")
    evalai = given.evalai.textvqa_process_results({"answers": list(golds), "question_id": 0}, [said])
    texts = {"gt": given.texts.VQANormalizationGtVisionLab().vqa_normalize_text(said),
             "kit": given.vqa.process_answer(said), "m4": given.texts.vqa_normalize_text(said),
             "evalai": evalai["submission"]["answer"]}
    kit = scored(given, "vqa_score", "TextVQA", golds, said)
    return {"answer": said, "golds": golds, "gt": judge.score, "kit": kit, "m4": own, "m4_gt": lab,
            "evalai": float(evalai["exact_match"]), "texts": texts}


def anls(given, r):
    golds = [text(r, 3) for _ in range(r.choice([1, 1, 2, 3]))]
    said = noisy(r, r.choice([*golds, text(r)]), 0.75)
    metric = given.read.DocVQAMetrics.__new__(given.read.DocVQAMetrics)
    metric.metrics, metric.save_generations = [], False
    return {"answer": said, "golds": golds, "kit": scored(given, "anls", "DocVQA", golds, said),
            "m4": float(metric._compute(["0"], [said], [golds])["anls"])}


def relaxed(given, r):
    def near(gold):
        try:
            value = float(gold.rstrip("%").replace(",", ""))
            value *= 1 + r.choice([0, 0.05, -0.05, 0.049, 0.051, 0.5, -0.2, 1])
        except ValueError:
            return noisy(r, gold, 0.4)
        out = repr(value) if r.random() < 0.5 else f"{value:.{r.randint(0, 3)}f}"
        return out + ("%" if gold.endswith("%") and r.random() < 0.7 else "")

    item = lambda: r.choice([str(r.randint(-9, 2020)), f"{r.uniform(-9, 99):.2f}", "1e3", r.choice(WORDS)])
    gold = r.choice([number(r), number(r), text(r, 2), f"[{item()}, {item()}]", str(r.randint(-9, 99)), r.choice("01"),
                     f"['{r.choice(WORDS)}', '{number(r)}']"])
    said = r.choice([near(gold), near(gold), noisy(r, gold), number(r), text(r, 2)])
    if gold.startswith("["):
        said = r.choice([said, near(re.split(r"[][', ]+", gold)[r.choice([1, -2])])])
    golds = [gold] if r.random() < 0.8 else [gold, number(r)]
    kit = scored(given, "relaxed_accuracy", "ChartQA", gold if len(golds) == 1 else golds, said)
    m4 = opened(given, said, golds, "OE_RELAXED_VQA_ACCURACY")[0]
    return {"answer": said, "golds": golds, "kit": kit, "m4": float(m4)}


def choice(given, r):
    choices = options(r)
    said = pick(r, choices)
    return {"answer": said, "options": choices, "letter": given.match.can_infer(said, labelled(choices)) or None}


SAYING = ["{}", "so {}", "The answer is {}.", "answer {}", "Answer: {}", "It is {}. Therefore {}", "x = {}",
          "x = {} = {}", "{}\nfinal {}", "thus {} is {}", "could be {} or {}", "{}. The result is {}", "is :",
          "The final answer is: {}", "result {}!", "A. {}", "between {} and {}", "{} so is {}\nso {}"]


def mmmu(given, r):
    if r.random() < 0.5:
        choices = options(r)
        said = pick(r, choices)
        CHANCE.asked = False
        letter = given.mmmu.parse_multi_choice_response(said, list(labelled(choices)), labelled(choices))
        return {"answer": said, "options": choices, **({"random": True} if CHANCE.asked else {"letter": letter})}
    golds = [r.choice([number(r), number(r), text(r, 2), r.choice("ABCDEFI"), r.choice(WORDS)])
             for _ in range(r.choice([1, 1, 2]))]
    said = re.sub(r"\{\}", lambda _: r.choice([*golds, number(r), text(r, 2)]), r.choice(SAYING))
    said = noisy(r, said, 0.15)
    gold = golds if len(golds) > 1 else golds[0]
    parsed = given.mmmu.parse_open_response(said)
    numbers = sorted((part for part in parsed if not isinstance(part, str)), key=str)
    data = pd.DataFrame({"index": [0], "A": [np.nan], "B": [np.nan], "answer": [str(gold)], "prediction": [said],
                         "question": ["?"]})
    STORE.clear()
    kit = given.choice.mcq_vanilla_eval(None, data, data.copy(), 1, "results", "MMMU_DEV_VAL")
    return {"answer": said, "gold": gold, "strings": sorted(part for part in parsed if isinstance(part, str)),
            "numbers": [part if math.isfinite(part) else str(part) for part in numbers],
            "right": float(given.mmmu.eval_open(gold, parsed)), "kit": float(kit["hit"].iloc[0]),
            "m4": opened(given, said, golds, "OE_MMMU_STYLE_VQA_ACCURACY")[0],
            "m4_open": opened(given, said, golds, "OE_ONLY_MMMU_STYLE_VQA_ACCURACY")[0]}


def ocrbench(given, r):
    formulas = [r"\frac { 1 } { 2 }", r"x ^ { 2 } + 1", r"\sqrt{a}  = 3", "a + b\n= c", r"\sum _ { i } x"]
    formula = r.random() < 0.3
    golds = [r.choice(formulas) if formula else text(r, 3) for _ in range(r.choice([1, 1, 2]))]
    base = r.choice([*golds, *golds, text(r)])
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and r.random() < 0.5 else c for c in base)
    said = r.choice([base, f"It says {base}.", f"The text is\n{base}", noisy(r, base), wide, base.replace(" ", "")])
    category = "Handwritten Mathematical Expression Recognition" if formula else "Key Information Extraction"
    STORE["table"] = pd.DataFrame({"prediction": [said], "answer": [repr(golds)], "category": [category]})
    kit = given.ocr.OCRBench.evaluate("table")["Final Score"]
    doc = {"answer": golds, "dataset": "HME100k" if formula else "SROIE", "question_type": category}
    lmms = given.lmms_ocr.ocrbench_process_results(doc, [said])["ocrbench_accuracy"]["score"]
    return {"answer": said, "golds": golds, "formula": formula, "kit": float(kit), "lmms": float(lmms)}


def yes_no(r, gold):
    other = {"Yes": "No", "No": "Yes"}[gold]
    return noisy(r, r.choice([
        gold, gold, gold, other, gold.upper(), gold.lower(), f"{gold}.", f"{gold};", f"**{gold}**", f"'{gold}'",
        f"({gold})", f"{gold}, there is.", f"The answer is {gold}.", f"{gold}/{other}", f"{gold} or {other}",
        f"5,0 {gold}", "Yes\nNo", f"There is {other.lower()} dog", "I do not know", "Nope", "Not sure", "yes-no",
        "1.no", "no-one", "",
    ]), 0.1)


def hallusion(given, r):
    rows = []
    for category, kind in r.sample([("VD", "ocr"), ("VS", "ocr"), ("VD", "figure"), ("VS", "chart")], r.randint(1, 3)):
        for group in range(r.randint(1, 2)):
            for question in range(r.randint(1, 2)):
                for figure in range(r.randint(1, 3)):
                    gold = r.choice(["Yes", "No"])
                    said = gold if r.random() < 0.6 else yes_no(r, gold)
                    rows.append([category, kind, group, figure, question, gold, said])
    data = pd.DataFrame([{
        "index": f"hallusion_{category}_{kind}_{group}_{figure}_{question}", "category": category, "l2-category": kind,
        "answer": gold, "extracted": given.yorn.YOrN_Extraction(said),
    } for category, kind, group, figure, question, gold, said in rows])
    data["score"] = data["answer"] == data["extracted"]
    STORE["table"] = data
    kit = given.yorn.Hallusion_rating("table").iloc[0]
    judged = [{"category": row[0], "subcategory": row[1], "set_id": row[2], "figure_id": row[3], "question_id": row[4],
               "visual_input": 1, "check": "2" if says == "Unknown" else str(int(says == row[5]))}
              for row, says in zip(rows, data["extracted"])]
    judge = given.lmms_hallusion
    judged = judge.assign_correctness(judged, "check")
    part = lambda counts: float(100 * counts["correct"] / counts["total"])
    pictures = any(row[0] != "VS" or row[3] != 0 for row in rows)
    lmms = [part(judge.get_eval_all(judged, "check")), part(judge.get_eval_fig(judged)) if pictures else None,
            part(judge.get_eval_pair_all(judged, "check"))]
    return {"rows": rows, "kit": [float(kit[name]) for name in ("aAcc", "fAcc", "qAcc")], "lmms": lmms}


def pope(given, r):
    def says(gold, said):
        return given.lmms_pope.pope_process_results({"answer": gold, "question_id": 0}, [said])["pope_accuracy"]

    if r.random() < 0.75:
        said = r.choice([yes_no(r, r.choice(["Yes", "No"])), text(r) + " " + r.choice(["yes", "no", "Yes,", "No"])])
        return {"answer": said, "kit": given.yorn.YOrN_Extraction(said), "lmms": says("yes", said)["prediction"]}
    categories = ["adversarial", "popular", "random", "adversarial,popular,random"]
    golds = [r.choice(["Yes", "No"]) for _ in range(r.randint(1, 8))]
    rows = [[r.choice(categories), gold, r.choice([gold, yes_no(r, gold)])] for gold in golds]
    data = pd.DataFrame(rows, columns=["category", "answer", "prediction"])
    data["extracted"] = [given.yorn.YOrN_Extraction(said) for said in data["prediction"]]
    data["score"] = data["answer"] == data["extracted"]
    STORE["table"] = data
    table = given.yorn.POPE_rating("table").sort_values("split")
    kit = {line["split"]: [float(line[name]) for name in ("acc", "precision", "recall", "Overall")]
           for _, line in table.iterrows()}
    judged = [says(gold, said) for _, gold, said in rows]
    lmms = [float(vars(given.lmms_pope)[f"pope_aggregate_{name}"](judged))
            for name in ("accuracy", "precision", "recall", "f1_score", "yes_ratio")]
    return {"rows": rows, "kit": kit, "lmms": lmms}


def mathvista(given, r):
    kind, form = r.choice([("multi_choice", "text"), ("multi_choice", "float"), ("free_form", "integer"),
                           ("free_form", "float"), ("free_form", "float"), ("free_form", "list"),
                           ("free_form", "text")])
    choices, letter, places = [], None, r.choice([1, 2])
    if kind == "multi_choice":
        choices = list(dict.fromkeys(options(r, 5)))
        letter = r.choice(LETTERS[: len(choices)])
        gold, said = labelled(choices)[letter], pick(r, choices)
    else:
        value = r.uniform(-20, 200)
        gold = {"integer": str(int(value)), "float": f"{value:.{places}f}", "text": r.choice(WORDS),
                "list": f"[{int(value)}, {int(value) + 1}]"}[form]
        said = r.choice([gold, gold, f"{gold}.0", f"{gold}0", f" {gold}\n", f"The answer is {gold}.",
                         gold.replace(" ", ""), noisy(r, gold), number(r), f"{value:.3f}", f"{value}", text(r)])
    line = {"question_type": kind, "answer_type": form, "answer": gold, "answer_option": letter, "prediction": said,
            "choices": repr(choices), "question": "?"}
    problem = {"question_type": kind, "answer_type": form, "choices": choices, "query": "?"}
    echo = Bag(generate=lambda prompt, temperature: said)
    judge = given.lmms_vista.MathVistaEvaluator.__new__(given.lmms_vista.MathVistaEvaluator)
    judge.get_chat_response = lambda *_, **__: said.strip()

    def kit():
        fetched = given.vista.post_check(line, prefetch=True)
        line["res"] = given.vista.MathVista_auxeval(echo, line)["res"]
        return {"fetched": fetched if fetched is not False else None, "right": float(given.vista.post_check(line))}

    def lmms():
        found = judge.extract_answer(said.strip(), problem)
        found = judge.normalize_extracted_answer(found, choices, kind, form, places)
        return {"found": found, "right": float(judge.safe_equal(found, gold))}

    return {"answer": said, "type": kind, "form": form, "precision": places, "choices": choices, "gold": gold,
            "kit": tried(kit), "lmms": tried(lmms)}


def gqa(given, r):
    gold = r.choice([r.choice(WORDS), "yes", "no", f"{r.choice(WORDS)} {r.choice(WORDS)}", text(r, 2)])
    said = r.choice([gold, noisy(r, gold), noisy(r, gold, 0.8), f"{gold}.", text(r, 2)])
    lmms = given.lmms_exact([said], [gold], ignore_case=True, ignore_punctuation=True)["exact_match"]
    return {"answer": said, "gold": gold, "kit": tried(lambda: scored(given, "accuracy", "GQA", gold, said)),
            "lmms": float(lmms), "m4": opened(given, said, [gold], "OE_VQA_ACCURACY", "GT_VISION_LAB_OE_VQA_ACCURACY")}


def video(given, r):
    kind = r.choice(["videomme", "mvbench", "mlvu", "compass_choice", "compass_match", "compass_yes_no"])
    if kind == "compass_yes_no":
        gold, said = r.choice(["yes", "no"]), yes_no(r, r.choice(["Yes", "No"]))
        line = {"prediction": said, "answer": gold, "question": "?"}
        return {"kind": kind, "answer": said, "gold": gold,
                "kit": float(given.compass.evaluate_tempcompass_YorN(None, line)["rating"])}
    choices = list(dict.fromkeys(options(r, 4)))
    letters = labelled(choices)
    letter = r.choice(list(letters))
    gold, said = letters[letter], pick(r, choices)
    case = {"kind": kind, "answer": said, "options": choices}
    if kind == "videomme":
        item = {"question": "?", "prediction": said}
        found = given.videomme.extract_characters_regex(said) or given.videomme.extract_option(None, item, "Video-MME")
        return {**case, "kit": found, "lmms": given.lmms_letter(said, list("ABCD"))}
    if kind in ("mvbench", "mlvu"):
        check = vars(given)[kind].check_ans_with_model
        item = {**letters, "prediction": said, "answer": letter, "question": "?"}
        lmms = given.lmms_letter(said, list("ABCD")) if kind == "mlvu" else float(given.lmms_mvbench(letter, said))
        return {**case, "gold": letter, "kit": tried(lambda: float(check(said, f"({letter}) {gold}", None, item))),
                "lmms": lmms}
    matching = kind == "compass_match"
    sign, name = (": ", r.choice(["Sentence ", "Caption ", "Option "])) if matching else (". ", "")
    listed = [f"{name}{mark}{sign}{words}" for mark, words in letters.items()]
    said = r.choice([said, f"{name}{letter}{sign}{gold}", f"{name}{letter}", f"{name}{letter}.", f"{letter}) {gold}"])
    line = {"prediction": said, "answer": f"{name}{letter}{sign}{gold}", "candidates": repr(listed), "question": "?",
            "task_type": "caption_matching" if matching else "multi-choice"}
    return {"kind": kind, "answer": said, "options": listed, "gold": line["answer"],
            "kit": tried(lambda: float(given.compass.evaluate_tempcompass_mcq(None, line)["rating"]))}


def mmbench(given, r):
    rows = []
    for question in range(1, r.randint(2, 4)):
        choices = options(r, 4)
        sure = r.random() < 0.5
        for turn in range(len(choices)):
            turned = choices[turn:] + choices[:turn]
            gold = LETTERS[-turn % len(choices)]
            said = r.choice([gold, f"{gold}. {choices[0]}"]) if sure else pick(r, turned)
            rows.append([turn * 1_000_000 + question, turned, gold, said])
    data = pd.DataFrame([{"index": index, "answer": gold, "prediction": said, "question": "?", **labelled(turned)}
                         for index, turned, gold, said in rows])
    STORE.clear()
    circular = given.choice.mcq_circular_eval(None, data.copy(), data.copy(), 1, "circular", "MMBench")
    vanilla = given.choice.mcq_vanilla_eval(None, data.copy(), data.copy(), 1, "vanilla", "MMBench")
    overall = lambda table: float(given.choice.report_acc(table)["Overall"][0])
    return {"rows": rows, "hits": [int(hit) for hit in circular["hit"]], "circular": overall(circular),
            "vanilla": overall(vanilla)}


COUNT = {vqa: 2200, anls: 2200, relaxed: 2400, choice: 2500, mmmu: 4200, ocrbench: 2000, hallusion: 420, pope: 2800,
         mathvista: 2600, gqa: 2000, video: 3600, mmbench: 420}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vqa", "vlmevalkit", "smollm", "lmms-eval"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("out", type=pathlib.Path)
    roots = parser.parse_args()
    given = official(roots)
    for metric, count in COUNT.items():
        r = random.Random(f"smolvlm {metric.__name__}")
        lines = {}
        while len(lines) < count:
            lines[json.dumps(metric(given, r), ensure_ascii=False, separators=(",", ":"), allow_nan=False)] = None
        packed = gzip.compress("".join(line + "\n" for line in lines).encode(), 9, mtime=0)
        path = roots.out / f"{metric.__name__}.jsonl.gz"
        path.write_bytes(packed)
        print(f"{path.name}: {count} cases, {len(packed)} bytes")


if __name__ == "__main__":
    main()
