//! Stop strings in streamed text.

/// Lets text through up to the first stop string, and holds back what may become one.
pub(crate) struct StopStrings {
    stops: Vec<String>,
    held: String,
}

impl StopStrings {
    /// Empty strings stop nothing.
    pub(crate) fn new(stops: &[String]) -> StopStrings {
        StopStrings { stops: stops.iter().filter(|s| !s.is_empty()).cloned().collect(), held: String::new() }
    }

    /// Takes the next piece. What may be shown is returned, and whether a stop string has come: it and all behind it
    /// are dropped.
    pub(crate) fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        if let Some(at) = self.stops.iter().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            return (std::mem::take(&mut self.held), true);
        }
        let keep = self.stops.iter().map(|stop| longest_start(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// What was held back, when no more comes.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The length of the longest end of `text` that begins `stop`.
fn longest_start(text: &str, stop: &str) -> usize {
    let starts = stop.char_indices().map(|(at, _)| at).rev();
    starts.into_iter().find(|&len| stop.get(..len).is_some_and(|start| text.ends_with(start))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(|s| s.to_string()).collect();
        let mut filter = StopStrings::new(&stops);
        let mut shown = String::new();
        for piece in pieces {
            let (text, stopped) = filter.push(piece);
            shown += &text;
            if stopped {
                return (shown, true);
            }
        }
        (shown + &filter.finish(), false)
    }

    #[test]
    fn stops_across_pieces_and_drops_the_string() {
        assert_eq!(run(&["END"], &["abE", "N", "Dxyz"]), ("ab".into(), true));
        assert_eq!(run(&["END"], &["abE", "N", "xyz"]), ("abENxyz".into(), false));
        assert_eq!(run(&["b", "abc"], &["a", "bc"]), ("".into(), true));
        assert_eq!(run(&["aab"], &["aaa", "b"]), ("a".into(), true));
        assert_eq!(run(&["日本"], &["a日", "本"]), ("a".into(), true));
        assert_eq!(run(&[""], &["a"]), ("a".into(), false));
    }

    #[test]
    fn holds_back_no_more_than_it_must() {
        let mut filter = StopStrings::new(&["\n\n".to_string()]);
        assert_eq!(filter.push("one\n"), ("one".into(), false));
        assert_eq!(filter.push("two"), ("\ntwo".into(), false));
    }
}
