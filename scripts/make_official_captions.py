"""Writes golden/eval/ptb.jsonl.gz and golden/eval/captions.jsonl.gz: what pycocoevalcap gives for made-up captions.

    pip install --no-deps pycocoevalcap==1.2 && pip install numpy     # and Java
    python scripts/make_official_captions.py golden/eval

The first has captions with the tokens that pycocoevalcap's PTBTokenizer (Stanford CoreNLP 3.4.1) leaves of them; a
caption "x" stood behind each, since that tokenizer looks over the ends of lines. The second has sets of pictures, each
with an answer and up to five references, and their scores: of the tokenized texts as pycocoevalcap and m4 give them
("bleu", "rouge", "cider", "meteor": the set's, and each picture's), and of the raw texts, as VLMEvalKit does ("raw":
BLEU-1 to BLEU-4, ROUGE-L, CIDEr of the set).
"""

import contextlib
import gzip
import io
import json
import os
import pathlib
import random
import sys

os.environ.update(LC_ALL="C.UTF-8", JAVA_TOOL_OPTIONS="-Dfile.encoding=UTF-8")

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

WHO = """a man;the woman;two dogs;a black cat;three children;an old lady;some people;a group of skiers
A brown-and-white dog;a T-shirt seller;Dr. Smith;the man's dog;somebody;a young boy;A girl;an elephant
several cars;a bus driver""".replace("\n", ";")
DOES = """is riding;rides;are playing with;isn't holding;can't see;holds;is looking at;sits on
stands next to;don't like;is wearing;jumps over;'s eating;has got;wanna eat;cannot find
walks in front of;is about to hit""".replace("\n", ";")
WHAT = """a wave;a red ball;the "STOP" sign;a surfboard;a skateboard;pizza (with cheese);an umbrella
the 5 p.m. train;a frisbee;U.S. flags;1/2 of a cake;a $5 bill;the baseball bat;tall green grass
black-and-white photos;3,000 people;a laptop;wine glasses""".replace("\n", ";")
WHERE = """;on the beach;in the street;at night;on a sunny day;in New York City, U.S.;near the water
in front of a building;.;outside!;on top of a table, indoors;under the bridge;at St. Mary's church
in a field ...""".replace("\n", ";")
PARTS = [part.split(";") for part in (WHO, DOES, WHAT, WHERE)]

AWKWARD = """don't can't won't DON'T don’t don`t shouldn't've y'all y'all'll it's it’s IT'S he'd she'll
we've they're I'm dogs' the man's boys' '90s 90's 1990s 1990's '90 'em 'til 'till 'cause 'tis 'twas 'n'
rock'n'roll rock-n-roll more'n cannot gonna gotta lemme gimme wanna dunno o'clock ma'am O'Neil D'Angelo
l'eau c'est c'mon cap'n e'er ne'er hawai'i qu'il J'ai C'est Q'ab U.S. U.S.A. U.K. u.s. a.m. p.m. e.g. i.e.
etc. vs. Mr. Mrs. Dr. St. Ave. No. No.5 Fig.3 pp. Inc. Corp. Co. Ltd. Jan. Sept. mon. Ph.D. Ed.D. J.R.R.
B.Sc. A. b. a.b a.b.c dog.cat ok?yes Mass. mass. Calif. Jr. Sr. Prof. al. approx. T.V. TV's D.C. N.Y.C. in.
$5 $3,000.50 £5 €20 5€ 20¢ ¥100 US$5 HK$10 $ # #1 50% 5% 3.5mm 10am 10:30 10:30am 5' 6" 5'10" 1,000
1,000,000 3.14 .5 -5 +5 -3.5 1/2 3/4 1 1/2 1-1/2 ½ 1½ ¼ ⅓ ⅛ 10th 21st 3-4 2007-2008 12/25/2010 2010-12-25
24/7 1e5 5k 4x4 3D 16:9 1.2.3 10-year-old 5,a 1.,2 555-1234 (555)123-4567 555-123-4567 555.123.4567 +1
1-800-555-1234 555 1234567 192.168.0.1 123-45-6789 12-3 007 ² x² H₂O http://www.example.com/foo?bar=1
https://a.bc www.test.org example.com example.com/path a@b.com name.x@mail.co.uk foo.jpg 1.pdf photo.jpeg
a1.mp3 x.txt. @user @a_b #hashtag #tag1 #5 ## AT&T R&B Q&A A+B C++ S&P b&w &amp; &lt; &gt; &quot; &nbsp;
&#39; & &mdash; - -- --- ----- – — − a—b a--b a–b 1–2 … ... .... .. ...... . . . a... ab... ! !! ?! ??? , ,,
; : ::: .. ., «a» “a” ‘a’ "a" 'a' 'ab' 'a b' "" '' ``a'' ` ´ ‚ „a“ ‹a› (a) [a] {a} (1) (a) << >> < > <b>
</b> <br/> <a href="x y"> <3 -> => == = ~ ~~ ^ * ** *a* _ __ _a_ a_b a_ | \\ \\* / // a/b and/or a/b/c/d w/o
A/C @ @@ § © ® ™ ° 5°C ± × ÷ µ ♥ ❤ ❤️ ☃ ★ → ✓ 👍 😀 👩‍👩‍👧 🇫🇷 :) :( :-) ;) :D :P =) :/ :'( <3 ^_^ (^_^) (>_<)
-_- x_x T_T ;-D :o) D: café naïve façade Ünal straße ñ é É ÉCOLE ÇA Привет Ελλάδα ΣΟΦΟΣ 日本 猫。 東京、大阪 مرحبا
שלום हिन्दी ไทย 한국어 ａｂｃ １２３ ％ ！ T-shirt X-ray e-mail co-op self-driving black-and-white mother-in-law's pre-
-ed pro- anti-war U.S.-based non-U.S. well-known,but ice‑cream soft\u00adhy\u00adphen a\u00a0b a\u2009b
a\u3000b tab\tbed new\nline I II III""".replace("\n", " ").split(" ")
AWKWARD += ["new\nline", "tab\tbed", "1 1/2", ". . .", "5 %"]
LETTERS = list("abcdnostABCDNOST0159" + ".,;:!?'\"-_/()[]{}$#&*+=<>@~^|\\%" + "'’“”—   ")


def sentence(r):
    parts = [r.choice(pool) for pool in PARTS]
    return " ".join(part for part in parts if part) + r.choice(["", "", ".", " .", "!", "..."])


def awkward(r):
    """A caption that is hard to take apart."""
    kind = r.random()
    if kind < 0.3:
        return " ".join(r.choice(AWKWARD) for _ in range(r.randint(1, 6)))
    if kind < 0.5:
        words = sentence(r).split(" ")
        words.insert(r.randint(0, len(words)), r.choice(AWKWARD))
        return " ".join(words)
    if kind < 0.7:
        more = r.choice(["", " ", r.choice(AWKWARD)])
        return r.choice(["", " ", "("]) + r.choice(AWKWARD) + r.choice(LETTERS + AWKWARD) + more
    if kind < 0.85:
        return "".join(r.choice(LETTERS) for _ in range(r.randint(1, 8)))
    if kind < 0.95:
        return sentence(r)
    return r.choice(AWKWARD).upper() + r.choice(["", "."]) + r.choice([" X", " a", "'s"])


def tokens(captions):
    """The tokens of captions, with an "x" behind each."""
    given = {i: [{"caption": text}, {"caption": "x"}] for i, text in enumerate(captions)}
    out = PTBTokenizer().tokenize(given)
    if any(len(out[i]) != 2 or out[i][1] != "x" for i in given):
        sys.exit("lines were lost")
    return [out[i][0] for i in given]


def changed(r, text):
    """The caption as somebody else would have written it."""
    words = text.split(" ")
    while r.random() < 0.6 and words:
        at = r.randrange(len(words))
        put = r.choice([[], [words[at]], [words[at], words[at]], [r.choice(["very", "big", "a"])]])
        words[at: at + r.randint(0, 2)] = put
    return " ".join(words)


def answer(r, references):
    return r.choice([
        lambda: changed(r, r.choice(references)), lambda: changed(r, r.choice(references)),
        lambda: r.choice(references), lambda: r.choice(references).upper(),
        lambda: sentence(r), lambda: sentence(r) + " " + sentence(r),
        lambda: r.choice(["", "a", "dog", "?!", "...", "the the the the the", awkward(r)]),
    ])()


def scores(given, said, scorers):
    """Of each scorer, the set's score and the pictures'."""
    with contextlib.redirect_stdout(io.StringIO()):
        return [scorer.compute_score(given, said) for scorer in scorers]


def case(r, pictures, meteor):
    """A set of pictures, as a line of the file."""
    rows = []
    for _ in range(pictures):
        first = sentence(r)
        references = [first] + [r.choice([changed(r, first), sentence(r)]) for _ in range(r.randint(0, 4))]
        rows.append({"answer": answer(r, references), "references": references})
    texts = iter(tokens([text for row in rows for text in (row["answer"], *row["references"])]))
    said, given = {}, {}
    for i, row in enumerate(rows):
        said[i] = [next(texts)]
        given[i] = [next(texts) for _ in row["references"]]
    bleu, rouge, cider, meteor = scores(given, said, [Bleu(4), Rouge(), Cider(), meteor])
    for i, row in enumerate(rows):
        row.update(bleu=[float(values[i]) for values in bleu[1]], rouge=float(rouge[1][i]), cider=float(cider[1][i]),
                   meteor=float(meteor[1][i]))
    given = {i: row["references"] for i, row in enumerate(rows)}
    raw = scores(given, {i: [row["answer"]] for i, row in enumerate(rows)}, [Bleu(4), Rouge(), Cider()])
    return {"bleu": [float(value) for value in bleu[0]], "rouge": float(rouge[0]), "cider": float(cider[0]),
            "meteor": float(meteor[0]), "raw": [*map(float, raw[0][0]), float(raw[1][0]), float(raw[2][0])],
            "pictures": rows}


def write(path, cases):
    lines = (json.dumps(case, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n" for case in cases)
    path.write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))
    print(f"{path.name}: {len(cases)} cases, {path.stat().st_size} bytes")


def main():
    out = pathlib.Path(sys.argv[1])
    r = random.Random("smolvlm ptb")
    captions = dict.fromkeys(AWKWARD)
    while len(captions) < 6000:
        captions[awkward(r)] = None
    write(out / "ptb.jsonl.gz", [{"caption": text, "tokens": got} for text, got in zip(captions, tokens(captions))])
    r = random.Random("smolvlm captions")
    meteor = Meteor()
    write(out / "captions.jsonl.gz", [case(r, 1 if i == 0 else r.randint(5, 50), meteor) for i in range(40)])


if __name__ == "__main__":
    main()
