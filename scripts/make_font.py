#!/usr/bin/env python3
"""Cuts a font to printable ASCII: the one that the program carries, crates/synth/font/Roboto-Medium-ASCII.ttf.

    pip install fonttools==4.60.1
    scripts/get-fonts.sh
    scripts/make_font.py data/synth/fonts/Roboto-Medium.ttf crates/synth/font/Roboto-Medium-ASCII.ttf

Outlines, widths and names stay; hints, kerning and every other character go. Roboto is under the Apache License 2.0,
which reserves no font name.
"""
import sys

from fontTools import subset

if len(sys.argv) != 3:
    sys.exit(__doc__)
options = subset.Options()
options.hinting = False
options.layout_features = []
options.name_IDs = [0, 1, 2, 4, 5, 6, 13, 14]
options.name_languages = [0x409]
options.notdef_outline = True
options.drop_tables += ["DSIG", "GDEF", "GPOS", "GSUB", "LTSH", "VDMX", "hdmx", "gasp"]
options.recalc_timestamp = False
font = subset.load_font(sys.argv[1], options)
subsetter = subset.Subsetter(options)
subsetter.populate(unicodes=range(0x20, 0x7F))
subsetter.subset(font)
subset.save_font(font, sys.argv[2], options)
