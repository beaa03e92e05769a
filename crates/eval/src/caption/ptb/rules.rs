//! The tokenizer's rules: what a token looks like, and what must stand behind it.
//!
//! Patterns are of the bytes that [`super::chars`] makes of characters. `«name»` stands for one of [`PARTS`] or of
//! [`chars::names`]. The crate takes the first of several alternatives and not the longest, as the tokenizer does:
//! alternatives are in an order that makes it the same, or are rules of their own.

use super::chars;

/// What becomes of a token's text. All but `Raw` lose soft hyphens in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No token.
    Space,
    /// Stays as it is.
    Plain,
    /// Stays as it is, with soft hyphens.
    Raw,
    /// Becomes this.
    As(&'static str),
    /// Two tokens: three characters, and the rest.
    Split,
    /// A sign that is written another way.
    Sign,
    /// One or two signs that are.
    Quotes,
    /// Spaces in it are made fast.
    Solid,
    /// So, and brackets are written out.
    Bracketed,
    /// `&amp;` in it is one sign.
    Thing,
    /// Apostrophes in it become plain.
    Reduced,
}

pub(super) struct Rule {
    pub(super) kind: Kind,
    pub(super) token: &'static str,
    pub(super) behind: &'static str,
    /// Where the rule fails, it also fails at every place in what this matches, so that no text is read over and over.
    pub(super) hopeless: &'static str,
}

const fn rule(kind: Kind, token: &'static str) -> Rule {
    before(kind, token, "")
}

const fn before(kind: Kind, token: &'static str, behind: &'static str) -> Rule {
    Rule { kind, token, behind, hopeless: "" }
}

const fn far(kind: Kind, token: &'static str, behind: &'static str, hopeless: &'static str) -> Rule {
    Rule { kind, token, behind, hopeless }
}

/// Names for parts of patterns, each made of later ones.
const PARTS: [(&str, &str); 26] = [
    // Dog.cat, what?yes and a.b are words.
    ("WORD", r"«W»(?:«W»|«D»)*(?:[.!?]«W»(?:«W»|«D»)*)*"),
    // 's 'm 'd 're 've 'll
    ("RED", "«APOS»(?:[msdMSD]|[rR][eE]|[vV][eE]|[lL][lL])"),
    ("THING", "«ELIDED»«LD»+(?:[-_«hyphen»]«ELIDED»«LD»+)*"),
    // D'a, o'a, l'a in front.
    ("ELIDED", "(?:[dDoOlL]«APOS2»«LD»)?"),
    ("HTHING", r"«HBEGIN»(?:-(?:«ACRO»\.|[A-Za-z0-9«soft»]+))+"),
    ("HBEGIN", "[A-Za-z0-9][A-Za-z0-9.,«soft»]*"),
    ("ACRO", r"[A-Za-z](?:\.[A-Za-z])+"),
    ("THINGA", "[A-Z]+(?:(?:(?i:&amp;)|[+&])[A-Z]+)+"),
    ("SIDE", r"[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}"),
    // Attributes' values are in quotes, and closing tags have no attributes.
    ("TAG", r"<(?:[!?][A-Za-z-][^>\r\n]*|/«TNAME»|«TNAME»(?: +«TNAME»(?: *= *«QUOTED»)?)* */?) *>"),
    ("QUOTED", r#"(?:'[^'\r\n]*'|"[^"\r\n]*")"#),
    ("TNAME", r"[A-Za-z][A-Za-z0-9_:.\-]*"),
    ("NUM", "(?:«D»*(?:[.:,«soft»«point»]«D»+)+|«D»+)"),
    ("SPNL", r"[ \t«nbsp»«space»\r\n«line»\x0b\x0c«nel»]"),
    ("APOS", "(?:['«right»]|&apos;)"),
    ("APOS2", "(?:['«right»`«left»]|&apos;)"),
    ("W", "(?:[«L»«mark»«soft»]|&[aeiouAEIOU](?i:acute|grave|uml);)"),
    ("LD", "[«L»0-9«digit»]"),
    ("D", "[0-9«digit»]"),
    ("L", "A-Za-z«letter»"),
    // Words that begin a sentence.
    (
        "START",
        r"(?:A(?i:bout|ccording|dditionally|fter|n|s|t)?|B(?i:ut)|E(?i:arlier)|H(?i:e|er|ere|owever)|I(?i:f|n|t)|L(?i:ast)|M(?i:any|ore)|N(?i:ow)|O(?i:nce|ne|ther|ur)|S(?i:he|ince|o|ome|uch)|T(?i:hat|he|heir|hen|here|hese|hey|his)|W(?i:e|hat|hen|hile)|Y(?i:et|ou)|M[RrSs]\.)",
    ),
    // Links without and with a path: it is not always the longest site that has the longest path.
    ("WWW", r#"(?i:www)\.(?:[^ \t\n\f\r"<>|.!?(){},]+\.)+[a-zA-Z]{2,4}"#),
    ("SITE", r"(?:«HOST»+\.)+(?i:com|net|org|edu)"),
    ("PATH", r#"/[^ \t\n\f\r"<>|()]+«END»"#),
    ("END", r#"[^ \t\n\f\r"<>|.!?(){},\-]"#),
    // ",-_" in it is a range, a slip of the tokenizer's authors: no digits, no upper case.
    ("HOST", r#"[^ \t\n\f\r"`'<>|!?(){},-_$]"#),
];

/// Of all rules that fit at a place, the one whose token and what stands behind it are longest together wins; of
/// equally long ones the first.
pub(super) const RULES: [Rule; 88] = [
    rule(Kind::Split, "(?i:cannot|gonna|gotta|lemme|gimme|wanna)"),
    // 't is
    before(Kind::Plain, "'[tT]", "(?i:is|was)"),
    far(Kind::Solid, "«TAG»", "", r"<[!?][A-Za-z-][^>\r\n]*"),
    rule(Kind::Space, r"[ \t«nbsp»«space»]+"),
    rule(Kind::As("--"), "(?i:&(?:md|mdash|ndash);)|«dash»|-{2,4}"),
    rule(Kind::As("&"), "(?i:&amp;)"),
    rule(Kind::Plain, "(?i:&(?:HT|UR|LR|QC|QL|QR|odq|cdq|#[0-9]+);)"),
    // Words; do, ca and wo before n't.
    before(Kind::Plain, "«WORD»", "«RED»"),
    before(Kind::Plain, "[A-Za-z«soft»]*[A-MO-Za-mo-z]«soft»*", "[nN]«APOS2»[tT]"),
    rule(Kind::Plain, "«WORD»"),
    // Apostrophes within tokens.
    rule(Kind::Plain, "«APOS»[nN]«APOS»?"),
    rule(Kind::Plain, "[oO]«APOS2»[oO]"),
    rule(Kind::Plain, "[lLdDjJ]«APOS»"),
    rule(Kind::Plain, "(?i:dunkin|somethin|ol)«APOS»"),
    rule(Kind::Plain, "«APOS»(?i:em)"),
    rule(Kind::Plain, "[A-HJ-XZn]«APOS2»[«L»]{2}[«L»]*"),
    rule(Kind::Plain, "«APOS»[2-9]0[sS]"),
    rule(Kind::Plain, "«APOS»(?i:till?)"),
    rule(Kind::Plain, "[«L»]+[aeiouyAEIOUY]«APOS2»[aeiouA-Z][«L»]*"),
    rule(Kind::Plain, "«APOS»(?i:cause)"),
    rule(Kind::Plain, "(?i:c«APOS»mon|e«APOS»er)"),
    // Y' before "all".
    before(Kind::Plain, "[yY]«APOS»", "[«L»]"),
    // Links and mail.
    rule(Kind::Raw, r#"(?i:https?)://[^ \t\n\f\r"<>|(){}]+«END»"#),
    rule(Kind::Raw, "«WWW»"),
    rule(Kind::Raw, "«WWW»«PATH»"),
    far(Kind::Raw, "«SITE»", "", r"(?:«HOST»+\.)*«HOST»*"),
    far(Kind::Raw, "«SITE»«PATH»", "", r"(?:«HOST»+\.)*«HOST»*"),
    far(
        Kind::Raw,
        r#"(?:&lt;|<)?[a-zA-Z0-9][^ \t\n\f\r"<>|(){}«nbsp»]*@(?:[^ \t\n\f\r"<>|(){}.«nbsp»]+\.)*[^ \t\n\f\r"<>|(){}.«nbsp»]+(?:&gt;|>)?"#,
        "",
        r#"[a-zA-Z0-9][^ \t\n\f\r"<>|(){}«nbsp»]*"#,
    ),
    rule(Kind::Plain, "@[a-zA-Z_][a-zA-Z_0-9]*"),
    rule(Kind::Raw, "#«W»+"),
    // 's and n't, left by words.
    before(Kind::Reduced, "«RED»", "[^A-Za-z]"),
    rule(Kind::Reduced, "[nN]«APOS2»[tT]"),
    // Numbers. "1 1/2" is one token.
    rule(Kind::Plain, "«D»{1,2}[-/]«D»{1,2}[-/]«D»{2,4}"),
    rule(Kind::Plain, "[-+]?«NUM»"),
    rule(Kind::Plain, "«sign»?(?:«raised»+|«lowered»+)"),
    rule(Kind::Solid, r"(?:«D»{1,4}[- «nbsp»])?«D»{1,4}(?:\\?/|«slash»)«D»{1,4}"),
    rule(Kind::Sign, "«part»"),
    rule(Kind::Plain, "-(?:RRB|LRB|RCB|LCB|RSB|LSB)-"),
    rule(Kind::Plain, r"(?i:c\.d\.s|pro-|anti-|cap«APOS»n|c«APOS»est)"),
    rule(Kind::Plain, "S(?:&|&amp;)(?:P-500|Ls)"),
    // '90
    before(Kind::Plain, "«APOS»[0-9][0-9]", "«SPNL»"),
    rule(Kind::Sign, r"[A-Z]*\$|#|«currency»"),
    // Without its full stop, which is taken next.
    before(Kind::Plain, "[A-Za-z]", r"\.«SPNL»+«START»«SPNL»"),
    far(
        Kind::Plain,
        "[A-Za-z]",
        r"\.«SPNL»+«TAG»«SPNL»",
        // As above, as far as tags begin.
        r"[A-Za-z]\.«SPNL»+<[!?][A-Za-z-][^>\r\n]*<",
    ),
    // Full stops that belong to what they stand behind.
    rule(Kind::Plain, r"(?:«ACRO»|[A-Za-z])\."),
    before(
        Kind::Plain,
        r"(?i:al|ala|apr|ariz|assn|aug|bhd|bldg|blvd|bros|calif|co|colo|conn|corp|cos|ct|dak|dec|ed\.d|esq|est|etc|ext|feb|fla|fri|ga|inc|ind|intl)\.",
        "(?s:..)",
    ),
    before(
        Kind::Plain,
        r"(?i:jan|jr|jul|jun|kan|kans|ky|ltd|mar|md|mich|minn|mo|mon|mont|neb|nev|nov|oct|okla|penn|ph\.d|plc|rd|rt|sep|sept|seq|sq|sr|sys)\.",
        "(?s:..)",
    ),
    before(Kind::Plain, r"(?i:tel|tenn|thu|thurs|tue|tues|univ|va|vt|wed|wis|wisc|wyo)\.", "(?s:..)"),
    // Only with an upper-case letter first, and only with lower-case ones behind it.
    before(
        Kind::Plain,
        r"(?:A(?i:rk|z)|D(?i:el)|I(?i:ll)|L(?i:a)|M(?i:ass|iss)|O(?i:re)|P(?i:a)|T(?i:ex)|W(?i:ash))\.",
        "(?s:..)",
    ),
    before(Kind::Plain, r"(?i:pp?t)[ey][sS]?\.", "(?s:..)"),
    rule(
        Kind::Plain,
        r"(?i:adj|adm|adv|alex|assoc|asst|atty|attys|ave|brig|capt|cf|cie|cmdr|col|comdr|cpl|dept|det|dr|drs|elec|ens|ft|gen|gov|govs|hon)\.",
    ),
    rule(
        Kind::Plain,
        r"(?i:insp|invt|jos|lieut|lt|maj|messrs|mlle|mme|mr|mrs|ms|msgr|mt|natl|pfc|ph|pres|prof|profs|pvt|rep|reps|rev)\.",
    ),
    rule(Kind::Plain, r"(?i:sen|sens|sfc|sgt|spc|st|ste|supt|supts|treas|vs|wm)\."),
    rule(Kind::Plain, r"[mM][ft][gG]\."),
    before(Kind::Plain, r"(?i:art|ca|figs?|nos?|op|pp|prop)\.", "«SPNL»?«D»"),
    // Files.
    far(
        Kind::Raw,
        r"(?:«W»|«D»)+(?:\.(?:«W»|«D»)+)*\.(?i:bat|bmp|bz2|c|class|cgi|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|txt|wav|x|xml|zip)",
        "«SPNL»|[.?!,]",
        r"(?:«W»|«D»)+(?:\.(?:«W»|«D»)+)*",
    ),
    // Telephone numbers.
    rule(Kind::Bracketed, r"\([0-9]{2,3}\)[ «nbsp»]?[0-9]{3,4}[- «nbsp»]?[0-9]{3,5}"),
    rule(Kind::Bracketed, r"(?:\+\+?)?(?:[0-9]{2,4}[- «nbsp»])?[0-9]{2,4}[- «nbsp»][0-9]{3,4}[- «nbsp»]?[0-9]{3,5}"),
    rule(Kind::Bracketed, r"(?:(?:\+\+?)?[0-9]{2,4}\.)?[0-9]{2,4}\.[0-9]{3,4}\.[0-9]{3,5}"),
    // Letters and digits with signs between them.
    far(Kind::Thing, "«HTHING»", "", "«HBEGIN»"),
    rule(Kind::Thing, "«THING»"),
    rule(Kind::Thing, "«THINGA»"),
    rule(Kind::Thing, r"«SIDE»(?:\\?/«SIDE»){1,2}"),
    rule(Kind::Thing, r"(?i:c\+\+|[cf]#)"),
    // Faces.
    before(Kind::Bracketed, r"[<>]?[:;=][-o*']?[()DPdpO\\{@|\[\]]", "[^A-Za-z0-9]"),
    rule(Kind::Bracketed, r"[-\^x=~<>']_[-\^x=~<>']"),
    rule(Kind::Bracketed, r"\([-\^x=~<>'][_.]?[-\^x=~<>']\)"),
    rule(Kind::Bracketed, r"\([\^x=~<>']-[\^x=~<>'`]\)"),
    // Entities, any case but for quotes.
    rule(Kind::As("<"), "(?i:&lt;)"),
    rule(Kind::As(">"), "(?i:&gt;)"),
    rule(Kind::Space, "(?i:&nbsp;)"),
    rule(Kind::As("'"), "&apos;"),
    rule(Kind::As("''"), "&quot;"),
    rule(Kind::Plain, "(?i:&(?:apos|quot);)"),
    // A full stop before , ; : stays at the word.
    before(Kind::Thing, r"«WORD»\.", "[,;:«comma»]"),
    before(Kind::Thing, r"«THING»\.", "[,;:«comma»]"),
    before(Kind::Thing, r"«THINGA»\.", "[,;:«comma»]"),
    far(Kind::Thing, r"«HTHING»\.", "[,;:«comma»]", "«HBEGIN»"),
    // Signs.
    rule(Kind::Sign, r"[()\[\]{}]"),
    rule(Kind::As("..."), r"\.{3,5}|(?:\.[ «nbsp»]){2,4}\.|«nel»|«ellipsis»"),
    rule(Kind::Plain, "[?!]+"),
    rule(Kind::Plain, "<<|>>|<|>"),
    before(Kind::As("`"), "'", r"[A-Za-z][^ \t\n\r«nbsp»]"),
    rule(Kind::Reduced, "«RED»"),
    rule(Kind::Plain, "''"),
    rule(Kind::Quotes, "[`«right»«left»«quote»]{1,2}"),
    before(Kind::As("``"), "\"|&quot;", "[A-Za-z0-9$]"),
    rule(Kind::Plain, r"\*+|(?:\\\*){1,3}|#+|_+|@+|-{5,}"),
];

/// A pattern with its names put in.
pub(super) fn written_out(pattern: &str) -> String {
    let parts = PARTS.into_iter().fold(pattern.to_owned(), |text, (name, part)| put_in(&text, name, part));
    chars::names().fold(parts, |text, (name, byte)| put_in(&text, name, &byte))
}

fn put_in(text: &str, name: &str, part: &str) -> String {
    text.replace(&format!("«{name}»"), part)
}
