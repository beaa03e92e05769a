"""Writes golden/metrics.jsonl: answers with the scores that each metric of `smolvlm eval` should give them.

    python scripts/make_metrics.py golden/metrics.jsonl

The metrics are written here a second time, from their definitions in docs/evaluation.md and by other means (regular
expressions, whole tables, loops over annotators), so that a mistake in one shows beside the other. Scores that a person
can work out stand beside some cases and are checked.
"""

import json
import re
import sys

NUMBERS = {"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
           "seven": "7", "eight": "8", "nine": "9", "ten": "10"}

# Each word of VQA's table with its misspellings.
SPELLINGS = """
ain't:aint aren't:arent can't:cant could've:couldve couldn't:couldnt couldn't've:couldn'tve,couldnt've didn't:didnt
doesn't:doesnt don't:dont hadn't:hadnt hadn't've:hadnt've,hadn'tve hasn't:hasnt haven't:havent he'd:hed
he'd've:hed've,he'dve he's:hes how'd:howd how'll:howll how's:hows isn't:isnt it'd:itd it'd've:itd've,it'dve it'll:itll
ma'am:maam mightn't:mightnt mightn't've:mightnt've,mightn'tve might've:mightve mustn't:mustnt must've:mustve
needn't:neednt not've:notve o'clock:oclock oughtn't:oughtnt 'ow's'at:ow's'at,'ows'at,'ow'sat shan't:shant
she'd've:shed've,she'dve should've:shouldve shouldn't:shouldnt shouldn't've:shouldnt've,shouldn'tve
somebodyd:somebody'd somebody'd've:somebodyd've,somebody'dve somebody'll:somebodyll somebody's:somebodys
someone'd:someoned someone'd've:someoned've,someone'dve someone'll:someonell someone's:someones something'd:somethingd
something'd've:somethingd've,something'dve something'll:somethingll that's:thats there'd:thered
there'd've:thered've,there'dve there're:therere there's:theres they'd:theyd they'd've:theyd've,they'dve
they'll:theyll they're:theyre they've:theyve 'twas:twas wasn't:wasnt we'd've:wed've,we'dve we've:weve weren't:werent
what'll:whatll what're:whatre what's:whats what've:whatve when's:whens where'd:whered where's:wheres where've:whereve
who'd:whod who'd've:whod've,who'dve who'll:wholl who's:whos who've:whove why'll:whyll why're:whyre why's:whys
won't:wont would've:wouldve wouldn't:wouldnt wouldn't've:wouldnt've,wouldn'tve y'all:yall y'all'll:yall'll,y'allll
y'all'd've:yall'd've,y'alld've,y'all'dve you'd:youd you'd've:youd've,you'dve you'll:youll you're:youre you've:youve
"""
CONTRACTIONS = {wrong: right for right, wrongs in (entry.split(":") for entry in SPELLINGS.split())
                for wrong in wrongs.split(",")}

# ---- exact ----

SIGNS = {ord(a): b for a, b in [("‘", "'"), ("’", "'")] + [(c, "-") for c in "‐‑–—−"] + [(c, '"') for c in "“”„«»…¿¡"]}
MARKS = re.compile(
    r"""(?P<keep>(?<![^\W_])-(?=[0-9])|(?<=[0-9])\.(?=[0-9])|(?<![^\W_])\.(?=[0-9])|')
      |(?P<drop>(?<=[^\W0-9_])-(?=[^\W_])|(?<=[^\W_])-(?=[^\W0-9_])|(?<=[0-9]),(?=[0-9]{3}(?![0-9])))
      |(?P<space>[!-/:-@\[-`{-~])""",
    re.VERBOSE,
)


def normal(text):
    low = text.lower()
    bare = MARKS.sub(lambda m: m.group() if m.group("keep") else "" if m.group("drop") is not None else " ",
                     low.translate(SIGNS))
    words = [word.strip("'") for word in bare.split()]
    words = [word for word in words if word]
    words = [word for word in words if word not in ("a", "an", "the")] or words
    if not words:
        return " ".join(low.split())
    return " ".join(NUMBERS.get(word) or CONTRACTIONS.get(word) or word for word in words)


def accepted(case):
    return [case["expected"], *case["annotators"], *case["also"]]


def exact(case):
    return float(normal(case["answer"]) in {normal(text) for text in accepted(case)})


# ---- vqa ----

PUNCT = [";", "/", "[", "]", '"', "{", "}", "(", ")", "=", "+", "\\", "_", "-", ">", "<", "@", "`", ",", "?", "!"]


def vqa_text(text):
    text = text.replace("\n", " ").replace("\t", " ").strip()
    out = text
    for sign in PUNCT:
        if sign + " " in text or " " + sign in text or re.search(r"(\d)(\,)(\d)", text):
            out = out.replace(sign, "")
        else:
            out = out.replace(sign, " ")
    out = re.sub(r"(?!<=\d)(\.)(?!\d)", "", out, count=32)
    words = [NUMBERS.get(word, word) for word in out.lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ("a", "an", "the"))


def vqa(case):
    answer = vqa_text(case["answer"])
    given = [vqa_text(text) for text in case["annotators"]]
    if len(given) < 2:
        return float(answer in [vqa_text(text) for text in accepted(case)])
    if answer in [vqa_text(text) for text in case["also"]]:
        return 1.0
    scores = []
    for left_out in range(len(given)):
        others = given[:left_out] + given[left_out + 1:]
        scores.append(min(1.0, sum(other == answer for other in others) / 3))
    return sum(scores) / len(scores)


# ---- anls ----

def distance(a, b):
    table = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(change, table[i - 1, j] + 1, table[i, j - 1] + 1)
    return table[len(a), len(b)]


def anls(case):
    best = 0.0
    answer = re.sub(r"^[.\s]+|[.\s]+$", "", case["answer"].lower())
    for text in accepted(case):
        text = re.sub(r"^[.\s]+|[.\s]+$", "", text.lower())
        longer = max(len(answer), len(text))
        best = max(best, 1.0 if longer == 0 else 1.0 - distance(answer, text) / longer)
    return best if best >= 0.5 else 0.0


# ---- relaxed ----

NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:e[+-]?\d+)?|[+-]?\.\d+(?:e[+-]?\d+)?", re.ASCII)


def number(text):
    text = re.sub(r"\s*%?\.*$", "", text.strip()).strip().lower()
    text = NUMBERS.get(text, text)
    return float(text.replace(",", "")) if NUMBER.fullmatch(text) else None


def relaxed(case):
    answer = number(case["answer"])
    for text in accepted(case):
        gold = number(text)
        if answer is not None and gold is not None:
            if answer == gold == 0 or (gold != 0 and abs(answer - gold) / abs(gold) < 0.05):
                return 1.0
    return exact(case)


# ---- choice ----

def options(question):
    found = []
    for match in re.finditer(r"(?:(?<=\s)|^)\(?([A-I])[.):](?=\s)\s*", question):
        letter = match.group(1)
        if letter == "A":
            found = []
        if letter == "ABCDEFGHI"[len(found):][:1]:
            found.append((letter, match.start(), match.end()))
    if len(found) < 2:
        return {}
    ends = [start for _, start, _ in found[1:]] + [len(question)]
    return {letter: normal(question[start:end].split("\n")[0]) for (letter, _, start), end in zip(found, ends)}


def letter(answer, known):
    answer = answer.strip()
    names = known.keys() or set("ABCDEFGHI")
    alone = re.sub(r"^[\W_]+|[\W_]+$", "", answer)
    if len(alone) == 1 and alone.upper() in names:
        return alone.upper()
    first = re.match(r"\(([A-I])\)|([A-I])[.):,]", answer)
    if first and (first.group(1) or first.group(2)) in names:
        return first.group(1) or first.group(2)
    said = re.findall(r"(?i:answer|option|choice)(?i:\s+is)?\s*:?\s*\(?([A-I])(?![^\W_])", answer)
    if said and said[-1] in names:
        return said[-1]
    words = re.findall(r"[^\W_]+", answer)
    single = {word for word, after in zip(words, words[1:] + [""])
              if word in names and not (word == "A" and after[:1].islower())}
    if len(single) == 1:
        return single.pop()
    if len(single) > 1:
        return within(answer, known)
    return within(answer, known)


def within(answer, known):
    text = f" {normal(answer)} "
    found = {name: words for name, words in known.items() if words and f" {words} " in text}
    whole = [name for name, words in found.items()
             if not any(words != other and f" {words} " in f" {other} " for other in found.values())]
    return whole[0] if len(whole) == 1 else None


def choice(case):
    known = options(case["question"])
    said = letter(case["answer"], known)
    for text in accepted(case):
        gold = letter(text, known)
        if (said == gold) if gold else (normal(text) == normal(case["answer"])):
            return 1.0
    return 0.0


# ---- cases ----

METRICS = {"exact": exact, "vqa": vqa, "anls": anls, "relaxed": relaxed, "choice": choice}
CASES = []


def add(metric, answer, expected="", worked_out=None, annotators=(), also=(), question=""):
    case = {"metric": metric, "question": question, "answer": answer, "expected": expected,
            "annotators": list(annotators), "also": list(also)}
    case["score"] = METRICS[metric](case)
    if worked_out is not None and abs(case["score"] - worked_out) > 1e-12:
        sys.exit(f"{case}: {worked_out} was worked out")
    CASES.append(case)


for answer, expected, right in [
    ("red", "red", 1), ("Red.", "red", 1), ("a red bus", "Red bus", 1), ("the", "a", 0), ("", "", 1), ("", "the", 0),
    ("A", "a", 1), ("A", "B", 0), ("A", "", 0), ("?", "!", 0), ("?", "?", 1), ("…", "...", 0), ("two", "2", 1),
    ("Ten dogs", "10 dogs", 1), ("none", "0", 1), ("no", "0", 0), ("eleven", "11", 0), ("dont", "don't", 1),
    ("don’t know", "dont know", 1), ("it’s", "its", 0), ("T-shirt", "tshirt", 1), ("t shirt", "t-shirt", 0),
    ("1,000", "1000", 1), ("1,000,000.50", "1000000.50", 1), ("1, 2 and 3", "1 2 and three", 1), ("1,2", "12", 0),
    ("1,23", "123", 0), ("1,2345", "12345", 0), ("3.5", "35", 0), ("3.5", "3 5", 0), ("3.", "3", 1), (".5", "5", 0),
    ("-5", "5", 0), ("−5", "-5", 1), ("3-4", "34", 0), ("3-4", "3–4", 1), ("x-5", "x5", 1), ("10:30", "10 30", 1),
    ("“Exit”", "exit", 1), ("'exit'", "exit", 1), ("dogs'", "dogs", 1), ("'twas", "twas", 1), ("ÉCOLE", "école", 1),
    ("e\u0301cole", "école", 0), ("STRASSE", "straße", 0), ("猫", "猫", 1), ("猫", "犬", 0), ("👍", "👎", 0), ("👍", "👍", 1),
    ("5 %", "5%", 1), ("$5", "5", 1), ("5 °C", "5 °F", 0), ("a\u00a0cat", "cat", 1), ("cat\n\tdog", "cat dog", 1),
    ("ΣΟΦΟΣ", "σοφος", 1), ("an apple a day", "apple day", 1), ("theater", "the ater", 0), ("x_y", "x y", 1),
    ("rock & roll", "rock roll", 1), ("yes, it is", "yes it is", 1), ("No. 5", "no 5", 1), ("No.5", "no 5", 1),
    ("U.S.A.", "USA", 0), ("couldn'tve", "couldn't've", 1), ("-", "", 0), ("I", "1", 0), ("one-two", "onetwo", 1),
    ("7-", "7", 1), ("٣", "3", 0),
]:
    add("exact", answer, expected, right)
add("exact", "three", "two", 1, also=["3"])
add("exact", "four", "two", 0, also=["3"])
add("exact", "sofa", "couch", 1, annotators=["couch", "Sofa!", "settee"])

TEN = ["yes"] * 6 + ["no"] * 3 + ["maybe"]
for answer, score in [("yes", 1), ("Yes.", 1), ("YES!", 1), ("no", 0.9), ("No,", 0.9), ("maybe", 0.3), ("perhaps", 0),
                      ("", 0), ("the yes", 1), ("yes no", 0)]:
    add("vqa", answer, "yes", score, TEN)
for says, score in enumerate([0, 0.3, 0.6, 0.9, 1, 1, 1, 1, 1, 1, 1]):
    add("vqa", "2", "two", score, ["two"] * says + ["three"] * (10 - says))
for answer, given, score in [
    ("1,000", ["1000", "1,000", "1 000", "a thousand"], None), ("dont", ["don't", "dont", "Don't", "DONT"], 1),
    ("two-thirds", ["2 thirds", "two thirds", "two - thirds", "2/3"], None), ("a", ["", "the", "an", "A"], 1),
    ("9.5 a.m.", ["9.5 am", "9.5 AM", "9:30", "9.5 a m"], None), ("l'eau", ["l eau", "leau", "l'eau", "L'EAU"], None),
    ("yes", ["yes"], 1), ("Yes!", ["yes"], 1), ("no", ["yes"], 0), ("x", ["x", "x"], 1 / 3), ("x", ["x", "y"], 1 / 6),
    ("x", ["x", "x", "x"], 2 / 3), ("what ?! no", ["what no", "what? no", "what?no", "what no!"], None),
    ("....a" + "." * 40, ["a" + "." * 8, "a", "a", "a"], None), (".5", [".5", "5", "0.5", ".5."], None),
    ("(left)", ["left", "Left", "left)", "the left"], 1), ("a\tb\nc", ["b c", "b  c", "a b c", "B C"], 1),
    ("3 , 4", ["3 4", "3, 4", "3,4", "34"], None), ("x_y", ["x y", "xy", "x_y", "x-y"], None), ("é", ["É", "é", "e", "É."], None),
    ("none", ["0", "zero", "none", "None"], 1), ("somebody'd", ["somebodyd", "somebody'd", "x", "y"], None),
    ("١,٢ a-b", ["ab ١٢", "a b", "١٢ ab", "x"], None), ("猫。", ["猫。", "猫", "猫.", "cat"], None),
    ("its", ["it's", "its", "Its", "is"], None), ("a\u001cb", ["b", "B", "the b", "b."], 1), ("ten", ["10", "ten", "TEN", "x"], None),
    ("the the", ["", "a", "an the", "x"], None),
]:
    add("vqa", answer, given[0], score, given)
add("vqa", "two", "2", 1)
add("vqa", "three", "2", 1, also=["3"])
add("vqa", "cab", "taxi", 1, TEN, also=["a cab"])

for answer, expected, score in [
    ("invoice", "invoice", 1), ("Invoice.", "INVOICE", 1), ("invoise", "invoice", 6 / 7), ("inv", "invoice", 0),
    ("invo", "invoice", 4 / 7), ("ab", "abcd", 0.5), ("abcd", "ab", 0.5), ("a", "abcd", 0), ("", "", 1), ("", "a", 0),
    ("...", "", 1), ("a", "", 0), ("12.50", "12.5", 0.8), ("$12.50", "12.50", 5 / 6), ("J. R. Smith", "J R Smith", 9 / 11),
    ("kitten", "sitting", 4 / 7), ("日本語", "日本", 2 / 3), ("日本", "中国", 0), ("É", "é", 1), ("e\u0301", "é", 0.0),
    (" x \n", "x", 1), ("two  words", "two words", 0.9), ("words two", "two words", None), ("12", "21", 0),
    ("123", "132", None), ("flaw", "lawn", 0.5), ("saturday", "sunday", 5 / 8), ("aaaa", "bbbb", 0),
    ("http://a.b/c", "http://a.b/d", 11 / 12), ("a.b.", "a.b", 1), (".5", "5", 1), ("👍👍", "👍", 0.5),
    ("the cat", "cat", 0), ("one", "1", 0), ("abc", "ABC.", 1), ("ΑΒΓ", "αβγ", 1), ("12/05/1999", "12/05/1989", 0.9),
]:
    add("anls", answer, expected, score)
add("anls", "colour", "color", 1, also=["Colour"])
add("anls", "colr", "zzz", 0.8, annotators=["color", "colour"])
add("anls", "q", "zzz", 0, annotators=["color", "colour"])

for answer, expected, right in [
    ("100", "100", 1), ("104.9", "100", 1), ("105", "100", 0), ("95", "100", 0), ("95.1", "100", 1), ("95.1%", "100", 1),
    ("14%", "14 %", 1), ("14", "14%", 1), ("0.14", "14%", 0), ("-100", "-101", 1), ("100", "-100", 0), ("-90", "-100", 0),
    ("0", "0", 1), ("0.001", "0", 0), ("0", "0.001", 0), ("0.0", "-0", 1), ("1,000", "1000", 1), ("1,020,000", "1000000", 1),
    ("10,00", "1000", 0), ("1000,000", "1000000", 1), ("two", "2", 1), ("Two", "2.05", 1), ("none", "0", 1),
    ("twenty", "20", 0), ("2 dogs", "2", 0), ("1e3", "1000", 1), ("1e3.5", "1000", 0), ("nan", "nan", 1), ("inf", "inf", 1),
    ("1e999", "5", 0), ("Yes.", "yes", 1), ("the Red line", "red line", 1), ("Blue", "red", 0), ("", "5", 0), ("", "", 1),
    ("2019", "2018", 1), ("3.14159", "3.14", 1), ("$5", "5", 1), ("5.", "5", 1), ("5..", "5", 1), (".5", "0.5", 1),
    ("+5", "5", 1), ("-", "5", 0), ("٣", "3", 0), ("[1, 2]", "[1,2]", 1), ("1.", "1", 1), ("1 %.", "1", 1), ("--5", "5", 0),
]:
    add("relaxed", answer, expected, right)
add("relaxed", "21", "10", 1, also=["20.5"])
add("relaxed", "blue", "10", 1, also=["Blue"])

FOUR = "What colour is it?\nChoices:\nA. red\nB. dark red\nC. a green dog\nD. 1,000\nAnswer with the letter."
INLINE = "Which? (A) one cat (B) two cats (C) none of them"
for question, answer, expected, right in [
    (FOUR, "A", "A", 1), (FOUR, "a", "A", 1), (FOUR, "(b)", "B", 1), (FOUR, "B.", "B", 1), (FOUR, "B. dark red", "B", 1),
    (FOUR, "B) dark red", "A", 0), (FOUR, "The answer is C.", "C", 1), (FOUR, "Answer: (D)", "D", 1),
    (FOUR, "answer: B", "B", 1), (FOUR, "I choose option A", "A", 1), (FOUR, "A green dog", "C", 1),
    (FOUR, "A green dog", "A", 0), (FOUR, "dark red", "B", 1), (FOUR, "dark red", "A", 0), (FOUR, "It is red.", "A", 1),
    (FOUR, "red or green", "A", 1), (FOUR, "red or a green dog", "A", 0), (FOUR, "1000", "D", 1), (FOUR, "E", "A", 0),
    (FOUR, "E", "E", 1), (FOUR, "", "A", 0), (FOUR, "", "", 1), (FOUR, "B", "dark red", 1), (FOUR, "red", "dark red", 0),
    (FOUR, "I think that B is right", "B", 1), (FOUR, "B or C", "B", 0), (FOUR, "B and B again", "B", 1),
    (FOUR, "A, because it glows", "A", 1), (FOUR, "It shows A and a dog", "A", 0), (FOUR, "**B**", "B", 1),
    (FOUR, "blue", "blue", 1), (FOUR, "C: a green dog", "C", 1), (FOUR, "Option (C)", "C", 1), (FOUR, "Äh, D", "D", 1),
    (FOUR, "The answer is dark red", "B", 1), (FOUR, "X", "A", 0), (FOUR, "ABC", "A", 0), (FOUR, "Bad light", "B", 0),
    (INLINE, "two cats", "B", 1), (INLINE, "2 cats", "(B) two cats", 1), (INLINE, "a cat", "A", 0), (INLINE, "1 cat", "A", 1),
    (INLINE, "none of them", "C", 1), (INLINE, "D", "C", 0), (INLINE, "(C)", "C. none", 1),
    ("Plain question?", "F", "f", 1), ("Plain question?", "F", "G", 0), ("Plain question?", "K", "K", 1),
    ("Plain question?", "I", "I", 1), ("Plain question?", "the Dog", "dog", 1), ("", "Answer: B, not C", "B", 1),
    ("A. x B. y", "y", "B", 1), ("What is vitamin A. called?", "C", "C", 1), ("A. x C. y", "x", "x", 1),
    ("Q\nA: yes\nB: no", "No", "B", 1), ("Q\nA: yes\nB: no", "yes and no", "A", 0),
]:
    add("choice", answer, expected, right, question=question)
add("choice", "B", "A", 1, also=["B"], question=FOUR)

with open(sys.argv[1], "w", encoding="utf-8") as out:
    for case in CASES:
        out.write(json.dumps(case, ensure_ascii=False) + "\n")
print({name: sum(case["metric"] == name for case in CASES) for name in METRICS})
