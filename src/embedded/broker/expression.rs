//! `Upstash-Retry-Delay`: arithmetic over `retried`, giving milliseconds. The service documents the functions and the
//! variable but no grammar; this one is numbers, `+ - * /`, a sign, parentheses and calls. Whatever a client sends, reading
//! it ends, uses bounded stack, and its value is between nothing and a day.

use std::str::FromStr;

/// Longer texts are refused; this bounds depth and work.
const TEXT_BYTES_MAX: usize = 512;
const DEPTH_MAX: u32 = 32;
const DAY_MS: f64 = 86_400_000.0;

/// A delay expression, read and checked.
#[derive(Debug, Clone)]
pub struct Expression(Node);

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(&'static str);

#[derive(Debug, Clone)]
enum Node {
    Number(f64),
    Retried,
    Negative(Box<Node>),
    Binary(u8, Box<Node>, Box<Node>),
    Unary(fn(f64) -> f64, Box<Node>),
    Pair(fn(f64, f64) -> f64, Box<Node>, Box<Node>),
}

impl Expression {
    /// Milliseconds before the retry that follows `retried` earlier ones; none if the arithmetic has no answer (`0/0`).
    pub fn millis(&self, retried: u32) -> Option<i64> {
        let value = self.0.value(f64::from(retried));
        #[expect(clippy::cast_possible_truncation, reason = "clamped to a day")]
        (!value.is_nan()).then(|| value.clamp(0.0, DAY_MS).round() as i64)
    }
}

impl Node {
    fn value(&self, retried: f64) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Retried => retried,
            Self::Negative(inner) => -inner.value(retried),
            Self::Binary(b'+', left, right) => left.value(retried) + right.value(retried),
            Self::Binary(b'-', left, right) => left.value(retried) - right.value(retried),
            Self::Binary(b'*', left, right) => left.value(retried) * right.value(retried),
            Self::Binary(_, left, right) => left.value(retried) / right.value(retried),
            Self::Unary(function, inner) => function(inner.value(retried)),
            Self::Pair(function, left, right) => function(left.value(retried), right.value(retried)),
        }
    }
}

impl FromStr for Expression {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Unreadable("the expression is too long"));
        }
        let mut reader = Reader { rest: text, depth: 0 };
        let node = reader.sum()?;
        if reader.peek().is_some() {
            return Err(Unreadable("something follows the expression"));
        }
        Ok(Self(node))
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: u32,
}

impl Reader<'_> {
    fn sum(&mut self) -> Result<Node, Unreadable> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Unreadable("the expression is nested too deeply"));
        }
        let mut left = self.product()?;
        while let Some(sign @ (b'+' | b'-')) = self.peek() {
            self.skip();
            left = Node::Binary(sign, Box::new(left), Box::new(self.product()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, Unreadable> {
        let mut left = self.signed()?;
        while let Some(sign @ (b'*' | b'/')) = self.peek() {
            self.skip();
            left = Node::Binary(sign, Box::new(left), Box::new(self.signed()?));
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Node, Unreadable> {
        let mut negative = false;
        while let Some(sign @ (b'+' | b'-')) = self.peek() {
            self.skip();
            negative ^= sign == b'-';
        }
        let node = self.atom()?;
        Ok(if negative { Node::Negative(Box::new(node)) } else { node })
    }

    fn atom(&mut self) -> Result<Node, Unreadable> {
        match self.peek() {
            Some(b'(') => {
                self.skip();
                let inner = self.sum()?;
                self.expect(b')')?;
                Ok(inner)
            }
            Some(b'0'..=b'9' | b'.') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() => self.name(),
            _ => Err(Unreadable("a number, retried, a function or a parenthesis is expected")),
        }
    }

    fn number(&mut self) -> Result<Node, Unreadable> {
        let text = self.take(|byte| byte.is_ascii_digit() || byte == b'.');
        text.parse().map(Node::Number).map_err(|_| Unreadable("a number cannot be read"))
    }

    fn name(&mut self) -> Result<Node, Unreadable> {
        let name = self.take(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let one: fn(f64) -> f64 = match name {
            "retried" => return Ok(Node::Retried),
            "exp" => f64::exp,
            "sqrt" => f64::sqrt,
            "abs" => f64::abs,
            "floor" => f64::floor,
            "ceil" => f64::ceil,
            "round" => f64::round,
            "pow" => return self.pair(f64::powf),
            "min" => return self.pair(f64::min),
            "max" => return self.pair(f64::max),
            _ => return Err(Unreadable("an unknown name")),
        };
        self.expect(b'(')?;
        let inner = self.sum()?;
        self.expect(b')')?;
        Ok(Node::Unary(one, Box::new(inner)))
    }

    fn pair(&mut self, function: fn(f64, f64) -> f64) -> Result<Node, Unreadable> {
        self.expect(b'(')?;
        let left = self.sum()?;
        self.expect(b',')?;
        let right = self.sum()?;
        self.expect(b')')?;
        Ok(Node::Pair(function, Box::new(left), Box::new(right)))
    }

    fn peek(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start();
        self.rest.as_bytes().first().copied()
    }

    /// Steps over the ASCII byte just peeked at.
    fn skip(&mut self) {
        self.rest = self.rest.get(1..).unwrap_or_default();
    }

    fn take(&mut self, belongs: impl Fn(u8) -> bool) -> &str {
        let end = self.rest.bytes().position(|byte| !belongs(byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn expect(&mut self, byte: u8) -> Result<(), Unreadable> {
        if self.peek() != Some(byte) {
            return Err(Unreadable("a parenthesis or comma is missing"));
        }
        self.skip();
        Ok(())
    }
}
