#!/usr/bin/env python3
"""Makes the words that pictures show, crates/synth/words/lexicon.txt, from SCOWL's two most common levels.

    apt-get download scowl && dpkg-deb -x scowl_*.deb scowl
    scripts/make_lexicon.py scowl/usr/share/dict/scowl NAMES... > crates/synth/words/lexicon.txt

Words of three to ten small letters, in order of the alphabet; a tenth, by a hash, is held out and marked `*`. Words in
the files NAMES (what pictures show as things, and what questions and answers say) are never held out: a model may have
learnt to write those elsewhere.
"""
import hashlib
import re
import sys

# Not for a picture that anyone may be shown: the words themselves, and their beginnings.
LEFT_OUT = set("ass asses balls bass basses hash hell kill kills killed killing killer gun guns die dies drug drugs "
    "corpse corpses blood bloody bomb bombs bombed bombing lust screw screws screwed screwing sod gay victim victims "
    "slave slaves weapon weapons naked stupid stupidity death deaths dead deadly crap idiot idiots idiotic suck sucks "
    "sucked sucking prison hate hates hated hating nun nuns".split())
BEGINNINGS = ("sex", "rape", "nud", "porn", "shit", "bitch", "bastard", "damn", "piss", "homosex", "lesb", "breast",
    "murder", "suicid", "racis", "terror", "abort", "tortur", "assault", "abus", "heroin", "cocaine", "perver",
    "moron", "vomit", "virgin", "condom", "bugger", "arous", "fuck", "nazi")

HEAD = """\
# Words that pictures show; `*` marks those that tests alone show. Made by scripts/make_lexicon.py from SCOWL (Spell
# Checker Oriented Word Lists), levels 10 and 20, as in Debian's package scowl 2020.12.07-2:
#
# Copyright 2000-2011 by Kevin Atkinson
#
# Permission to use, copy, modify, distribute and sell these word lists, the associated scripts, the output created from
# the scripts, and its documentation for any purpose is hereby granted without fee, provided that the above copyright
# notice appears in all copies and that both that copyright notice and this permission notice appear in supporting
# documentation. Kevin Atkinson makes no representations about the suitability of this array for any purpose. It is
# provided "as is" without express or implied warranty.
"""


def held_out(word: str) -> bool:
    return hashlib.sha256(word.encode()).digest()[0] < 26


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder, *files = sys.argv[1:]
    known = set()
    for file in files:
        with open(file, encoding="utf-8") as text:
            known.update(re.findall("[a-z]+", text.read().lower()))
    words = set()
    for region in ("english", "american", "british"):
        for level in (10, 20):
            with open(f"{folder}/{region}-words.{level}", encoding="latin-1") as text:
                words.update(word for word in text.read().split() if re.fullmatch("[a-z]{3,10}", word))
    words = {word for word in words if word not in LEFT_OUT and not word.startswith(BEGINNINGS)}
    sys.stdout.write(HEAD)
    for word in sorted(words):
        print(("*" if held_out(word) and word not in known else "") + word)


main()
