//! A source file as words: comments gone, literals reduced to one mark, test modules known as such.

pub struct Source {
    /// From the root of the package, with slashes.
    pub path: String,
    pub text: String,
    pub words: Vec<Word>,
}

pub struct Word {
    pub text: String,
    /// From 1.
    pub line: usize,
    /// Inside something that is only compiled for tests.
    pub test: bool,
}

/// Stands for any literal string or character.
pub const LITERAL: &str = "\"\"";

impl Source {
    pub fn new(path: String, text: String) -> Self {
        let mut words = if path.ends_with(".rs") { Lexer::new(&text).words() } else { Vec::new() };
        mark_tests(&mut words);
        Self { path, text, words }
    }

    pub fn is_rust_of_ours(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with(".rs")
    }

    /// The file is compiled for tests only.
    pub fn is_test(&self) -> bool {
        !self.path.starts_with("src/") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The module a file is, from the root of the crate: `src/a/b.rs` and `src/a/b/mod.rs` are `a::b`.
    pub fn module(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path).trim_end_matches(".rs");
        let mut module: Vec<&str> = inside.split('/').collect();
        if matches!(module.last(), Some(&("mod" | "lib"))) {
            module.pop();
        }
        module
    }

    /// Lines on which these words follow one another, outside tests if asked.
    pub fn lines_with(&self, sequence: &[&str], tests_too: bool) -> Vec<usize> {
        self.words
            .windows(sequence.len())
            .filter(|window| window.iter().zip(sequence).all(|(word, wanted)| word.text == *wanted))
            .filter(|window| tests_too || !(window[0].test || self.is_test()))
            .map(|window| window[0].line)
            .collect()
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    words: Vec<Word>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, words: Vec::new() }
    }

    fn words(mut self) -> Vec<Word> {
        while let Some(next) = self.rest.chars().next() {
            if next.is_whitespace() {
                self.skip(next.len_utf8());
            } else if self.rest.starts_with("//") {
                self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.skip_comment();
            } else if let Some(length) = literal(self.rest) {
                self.take(length, LITERAL.to_owned());
            } else if next.is_alphanumeric() || next == '_' || next == '\'' {
                let quote = usize::from(next == '\'');
                let word = |c: char| !(c.is_alphanumeric() || c == '_');
                let length = self.rest[quote..].find(word).map_or(self.rest.len(), |at| at + quote).max(1);
                self.take(length, self.rest[..length].to_owned());
            } else {
                let length = if self.rest.starts_with("::") { 2 } else { next.len_utf8() };
                self.take(length, self.rest[..length].to_owned());
            }
        }
        self.words
    }

    fn take(&mut self, length: usize, text: String) {
        self.words.push(Word { text, line: self.line, test: false });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }

    fn skip_comment(&mut self) {
        let (mut depth, mut at) = (0_usize, 0);
        while at < self.rest.len() {
            let here = &self.rest[at..];
            if here.starts_with("/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if here.starts_with("*/") {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    break;
                }
            } else {
                at += here.chars().next().map_or(1, char::len_utf8);
            }
        }
        self.skip(at);
    }
}

/// The length of the string or character that starts here.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix).map(|rest| rest.trim_start_matches('#'));
        after.is_some_and(|after| after.starts_with('"')) || (*prefix == "b" && text.starts_with("b'"))
    });
    if let Some(prefix) = prefix {
        let body = &text[prefix.len()..];
        if prefix.contains('r') {
            let hashes = body.len() - body.trim_start_matches('#').len();
            let end = format!("\"{}", "#".repeat(hashes));
            let start = prefix.len() + hashes + 1;
            return Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()));
        }
        if let Some(quote @ ('"' | '\'')) = body.chars().next() {
            return Some(prefix.len() + quoted(body, quote));
        }
        return None;
    }
    // A lifetime has no second quote.
    let mut after = text.strip_prefix('\'')?.chars();
    let is_character = after.next()? == '\\' || after.next() == Some('\'');
    is_character.then(|| quoted(text, '\''))
}

/// The length of a quoted text with escapes, both quotes included.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// `#[cfg(test)]` and what follows it, to the end of its braces or its semicolon.
fn mark_tests(words: &mut [Word]) {
    let mark: Vec<&str> = vec!["#", "[", "cfg", "(", "test", ")", "]"];
    let starts: Vec<usize> = words
        .windows(mark.len())
        .enumerate()
        .filter(|(_, window)| window.iter().zip(&mark).all(|(word, wanted)| word.text == *wanted))
        .map(|(at, _)| at)
        .collect();
    for start in starts {
        let mut depth = 0_usize;
        for word in &mut words[start..] {
            word.test = true;
            match word.text.as_str() {
                "{" => depth += 1,
                "}" if depth <= 1 => break,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => {}
            }
        }
    }
}
