//! The paths of our own crate that a file names, written out from the root: of `use crate::{a, b::c}` both, of `super::x`
//! what it means there, and of paths in the middle of code as well.

use crate::source::Source;

pub struct Named {
    pub path: Vec<String>,
    pub line: usize,
}

/// How programs outside the library call it.
const CRATE: &str = "cliprelay";

pub fn named(source: &Source) -> Vec<Named> {
    let words = &source.words;
    let mut inner: Vec<(String, usize)> = Vec::new();
    let mut depth = 0_usize;
    let mut named = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
        match text(at) {
            "mod" if text(at + 2) == "{" => inner.push((text(at + 1).to_owned(), depth)),
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                inner.pop_if(|(_, outside)| *outside == depth);
            }
            "crate" | "super" | "self" | CRATE if text(at + 1) == "::" && (at == 0 || text(at - 1) != "::") => {
                let module = source.module().into_iter().map(str::to_owned);
                let here = module.chain(inner.iter().map(|(name, _)| name.clone())).collect();
                let (root, next) = root(here, at, &text);
                let line = words[at].line;
                let mut paths = Vec::new();
                at = tree(root, next, &text, &mut paths);
                named.extend(paths.into_iter().map(|path| Named { path, line }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    named
}

/// Where `crate`, `self` and any number of `super` lead from here, and the word after them.
fn root<'a>(mut here: Vec<String>, mut at: usize, text: &impl Fn(usize) -> &'a str) -> (Vec<String>, usize) {
    if matches!(text(at), "crate" | CRATE) {
        return (Vec::new(), at + 2);
    }
    while matches!(text(at), "super" | "self") && text(at + 1) == "::" {
        if text(at) == "super" {
            here.pop();
        }
        at += 2;
    }
    (here, at)
}

/// Reads one branch or a group of them; the word after it.
fn tree<'a>(
    mut path: Vec<String>,
    mut at: usize,
    text: &impl Fn(usize) -> &'a str,
    into: &mut Vec<Vec<String>>,
) -> usize {
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while !matches!(text(at), "}" | "") {
                    at = tree(path.clone(), at, text, into);
                    while !matches!(text(at), "," | "}" | "") {
                        at += 1;
                    }
                    at += usize::from(text(at) == ",");
                }
                return at + 1;
            }
            "self" => {
                into.push(path);
                return at + 1;
            }
            name if name.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '*') => {
                path.push(name.to_owned());
                at += 1;
                let goes_on = text(at) == "::" && !matches!(text(at + 1), "<");
                if !goes_on {
                    into.push(path);
                    return at;
                }
                at += 1;
            }
            _ => {
                into.push(path);
                return at;
            }
        }
    }
}

#[test]
fn paths_are_written_out() {
    let check = |path: &str, text: &str, expected: &[&str]| {
        let found: Vec<String> = named(&Source::new(path.to_owned(), text.to_owned()))
            .into_iter()
            .map(|named| named.path.join("::"))
            .collect();
        assert_eq!(found, expected, "{text}");
    };
    check("src/a/b.rs", "use crate::x::y;", &["x::y"]);
    check("src/a/b.rs", "use crate::{x, y::{self, z as w, *}, k};", &["x", "y", "y::z", "y::*", "k"]);
    check("src/a/b.rs", "use super::c; use super::super::d::E;", &["a::c", "d::E"]);
    check("src/a/mod.rs", "use super::c; pub(super) fn f() { self::g::h() }", &["c", "a::g::h"]);
    check("src/a.rs", "mod tests { use super::*; } use super::b;", &["a::*", "b"]);
    check("src/a.rs", "fn f() -> crate::x::Y<crate::z::W> { crate::v::w::<u8>() }", &["x::Y", "z::W", "v::w"]);
    check("src/main.rs", "fn main() { cliprelay::cli::run() }", &["cli::run"]);
}
