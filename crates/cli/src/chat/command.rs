//! What a line asks of the program itself: `/` and a word.

use super::words;

/// A command, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Pictures for the next question.
    Image(Vec<String>),
    /// Clips for it.
    Video(Vec<String>),
    /// What the model is told before all; `None` shows it.
    System(Option<String>),
    Clear,
    Retry,
    Save(String),
    Load(String),
    /// A setting's name and value; `None` lists them.
    Set(Option<(String, String)>),
    Show,
    Help,
    Quit,
}

/// Every command: its name, what stands behind it, and what it does.
pub(super) const COMMANDS: [(&str, &str, &str); 12] = [
    (
        "image",
        "PATH|URL|clipboard ...",
        "pictures for the next question; a path typed or dropped into a line does the same",
    ),
    ("video", "PATH|URL ...", "clips for the next question: films, animated pictures, folders of frames"),
    ("system", "[TEXT]", "what the model is told before all; \"\" takes it back, nothing shows it"),
    ("clear", "", "forget what was said"),
    ("retry", "", "ask the last question again"),
    ("save", "FILE", "write the conversation to a file, as run --messages reads it"),
    ("load", "FILE", "go on with a conversation from a file"),
    ("set", "[NAME VALUE]", "how answers are made: temperature, tokens, seed, edge, split, ...; nothing lists them"),
    ("show", "", "the conversation, and what it takes of the context"),
    ("help", "", "this"),
    ("quit", "", "leave; Ctrl-D does too"),
    ("exit", "", "the same"),
];

/// The command that a line is, or what is wrong with it; `None` if it is none: a question, or a path.
pub(super) fn parse(line: &str) -> Option<Result<Command, String>> {
    let line = line.trim().strip_prefix('/')?;
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    // A path has other characters, sooner or later.
    if !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        return None;
    }
    Some(read(name, rest.trim()))
}

fn read(name: &str, rest: &str) -> Result<Command, String> {
    let file = || match words::file_name(rest) {
        file if file.is_empty() => Err(format!("/{name} needs a file: /{name} chat.json")),
        file => Ok(file),
    };
    let alone = |command: Command| if rest.is_empty() { Ok(command) } else { Err(format!("/{name} stands alone")) };
    match name {
        "image" | "images" => match words::names(rest) {
            names if names.is_empty() => Err("/image needs a picture: /image photo.jpg".into()),
            names => Ok(Command::Image(names)),
        },
        "video" | "videos" => match words::names(rest) {
            names if names.is_empty() => Err("/video needs a clip: /video clip.mp4".into()),
            names => Ok(Command::Video(names)),
        },
        "system" if rest.is_empty() => Ok(Command::System(None)),
        "system" => Ok(Command::System(Some(words::unquoted(rest).to_owned()))),
        "clear" => alone(Command::Clear),
        "retry" => alone(Command::Retry),
        "save" => file().map(Command::Save),
        "load" => file().map(Command::Load),
        "set" => match rest.split_once(char::is_whitespace) {
            Some((key, value)) => Ok(Command::Set(Some((key.to_owned(), words::unquoted(value.trim()).to_owned())))),
            None if rest.is_empty() => Ok(Command::Set(None)),
            None => Err(format!("/set {rest} needs a value; /set {rest} default takes it back")),
        },
        "show" => alone(Command::Show),
        "help" => Ok(Command::Help),
        "quit" | "exit" => alone(Command::Quit),
        other => {
            let nearest = nearest(other, COMMANDS.into_iter().map(|(name, ..)| name)).unwrap_or("help");
            Err(format!("/{other} is no command; /{nearest} is the nearest one, /help lists all"))
        }
    }
}

/// The name that is the nearest to this.
pub(super) fn nearest<T: AsRef<str>>(name: &str, known: impl Iterator<Item = T>) -> Option<T> {
    known.min_by_key(|known| distance(name, known.as_ref()))
}

/// Characters to put in, leave out or change until `a` is `b`; one that is left out at the end counts half.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Of the beginning of `a` read so far, to each beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).map(|count| 2 * count).collect();
    for c in a.chars().take(64) {
        let mut before = row.first().copied().unwrap_or(0);
        let mut last = before + 2;
        let mut next = vec![last];
        for (above, known) in row.iter().skip(1).zip(&b) {
            let changed = before + if c == *known { 0 } else { 2 };
            before = *above;
            last = changed.min(above + 2).min(last + 2);
            next.push(last);
        }
        row = next;
    }
    let prefix = row.iter().enumerate().map(|(length, cost)| cost + (b.len() - length)).min();
    prefix.unwrap_or(usize::MAX)
}

/// What `/help` shows.
pub(super) fn help() -> String {
    let mut text = String::new();
    for (name, words, what) in COMMANDS {
        text += &format!("  {:<32} {what}\n", format!("/{name} {words}"));
    }
    text + "  \
  PATH in a question               shows that picture; what else the line says is the question
  \\ at a line's end, or \"\"\"        the question goes on in the next line; until \"\"\" it is taken as it stands
  Ctrl-C                           stop an answer, clear a line; in an empty one leave"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Command {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn commands_are_read() {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        assert_eq!(of("/image a.png"), Command::Image(texts(&["a.png"])));
        assert_eq!(
            of(" /image 'a b.png' c\\ d.png clipboard https://a/b.png"),
            Command::Image(texts(&["a b.png", "c d.png", "clipboard", "https://a/b.png"]))
        );
        assert_eq!(of("/video a.mp4"), Command::Video(texts(&["a.mp4"])));
        assert_eq!(of("/system"), Command::System(None));
        assert_eq!(of("/system Be brief.\nVery."), Command::System(Some("Be brief.\nVery.".into())));
        assert_eq!(of("/system \"\""), Command::System(Some(String::new())));
        assert_eq!(of("/save my chat.json"), Command::Save("my chat.json".into()));
        assert_eq!(of("/load 'a.json'"), Command::Load("a.json".into()));
        assert_eq!(of("/set"), Command::Set(None));
        assert_eq!(of("/set stop  a b"), Command::Set(Some(("stop".into(), "a b".into()))));
        assert_eq!((of("/quit"), of("/exit "), of("/clear")), (Command::Quit, Command::Quit, Command::Clear));
        assert_eq!((of("/retry"), of("/show"), of("/help")), (Command::Retry, Command::Show, Command::Help));
    }

    #[test]
    fn paths_and_questions_are_none() {
        for line in ["/home/a.png What?", "/a.png", "What?", "", " ", "what /help does", "//"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn mistakes_have_one_line() {
        for (line, says) in [
            ("/image", "needs a picture"),
            ("/video", "needs a clip"),
            ("/save", "/save needs a file"),
            ("/set temperature", "needs a value"),
            ("/clear all", "stands alone"),
            ("/imgae a.png", "/imgae is no command; /image is the nearest"),
            ("/sys", "/system is the nearest"),
            ("/bye", "is no command"),
            ("/sav a", "/save is the nearest"),
            ("/", "is no command"),
        ] {
            let error = parse(line).unwrap().unwrap_err();
            assert!(error.contains(says) && error.lines().count() == 1, "{line}: {error}");
        }
    }

    #[test]
    fn help_names_every_command() {
        let help = help();
        assert!(COMMANDS.iter().all(|(name, ..)| help.contains(&format!("  /{name} "))), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 120));
    }
}
