//! The broker's retry delays: random expressions written out as text, and what they come to by a plain evaluation.

use cliprelay::embedded::broker::expression::Expression;
use proptest::prelude::*;

const DAY_MS: f64 = 86_400_000.0;

#[derive(Debug, Clone)]
enum Term {
    Number(String),
    Retried,
    Negative(Box<Term>),
    Binary(char, Box<Term>, Box<Term>),
    Call(&'static str, Vec<Term>),
}

fn term() -> impl Strategy<Value = Term> {
    let number = prop_oneof!["[0-9]{1,6}", "[0-9]{1,3}\\.[0-9]{1,3}", "\\.[0-9]{1,2}", "[0-9]{1,3}\\."];
    let leaf = prop_oneof![number.prop_map(Term::Number), Just(Term::Retried)];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|term| Term::Negative(Box::new(term))),
            (proptest::sample::select(vec!['+', '-', '*', '/']), pair.clone())
                .prop_map(|(sign, (left, right))| Term::Binary(sign, Box::new(left), Box::new(right))),
            (proptest::sample::select(vec!["exp", "sqrt", "abs", "floor", "ceil", "round"]), inner)
                .prop_map(|(name, term)| Term::Call(name, vec![term])),
            (proptest::sample::select(vec!["pow", "min", "max"]), pair)
                .prop_map(|(name, (left, right))| Term::Call(name, vec![left, right])),
        ]
    })
}

impl Term {
    fn value(&self, retried: f64) -> f64 {
        match self {
            Self::Number(text) => text.parse().unwrap(),
            Self::Retried => retried,
            Self::Negative(term) => -term.value(retried),
            Self::Binary(sign, left, right) => {
                let (left, right) = (left.value(retried), right.value(retried));
                match sign {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
            Self::Call(name, terms) => {
                let values: Vec<f64> = terms.iter().map(|term| term.value(retried)).collect();
                match (*name, values[..].as_ref()) {
                    ("exp", [x]) => x.exp(),
                    ("sqrt", [x]) => x.sqrt(),
                    ("abs", [x]) => x.abs(),
                    ("floor", [x]) => x.floor(),
                    ("ceil", [x]) => x.ceil(),
                    ("round", [x]) => x.round(),
                    ("pow", [x, y]) => x.powf(*y),
                    ("min", [x, y]) => x.min(*y),
                    ("max", [x, y]) => x.max(*y),
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// With parentheses only where the usual order of operations needs them. `binds`: how tightly the place it stands in
    /// binds; 0 anywhere, 1 beside `+ -`, 2 to the right of `-` or beside `* /`, 3 to the right of `* /` or after a sign.
    fn write(&self, binds: u8, space: &str) -> String {
        let within = |own: u8, text: String| if own < binds { format!("({space}{text})") } else { text };
        match self {
            Self::Number(text) => text.clone(),
            Self::Retried => "retried".to_owned(),
            Self::Negative(term) => within(3, format!("-{space}{}", term.write(3, space))),
            Self::Binary(sign @ ('+' | '-'), left, right) => {
                within(1, format!("{}{space}{sign}{}", left.write(1, space), right.write(2, space)))
            }
            Self::Binary(sign, left, right) => {
                within(2, format!("{}{space}{sign}{space}{}", left.write(2, space), right.write(3, space)))
            }
            Self::Call(name, terms) => {
                let terms: Vec<String> = terms.iter().map(|term| term.write(0, space)).collect();
                format!("{name}({})", terms.join(&format!("{space},")))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn an_expression_comes_to_what_it_says(term in term(), retried in 0..20_u32, space in " ?|\t") {
        let text = term.write(0, &space);
        prop_assume!(text.len() <= 512);
        let expression: Expression = text.parse().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let value = term.value(f64::from(retried));
        let expected = (!value.is_nan()).then(|| value.clamp(0.0, DAY_MS).round());
        #[expect(clippy::cast_precision_loss, reason = "a day at most")]
        let read = expression.millis(retried).map(|millis| millis as f64);
        prop_assert_eq!(read, expected, "{}", text);
    }

    /// A delay that grows with the retries, asked for as the service's page does, never shrinks.
    #[test]
    fn growing_delays_grow(base in 1..100_000_u32, factor in 1..10_u32, retried in 0..50_u32) {
        for text in [format!("{base}*(1+retried)"), format!("{base}*pow({factor},retried)"), format!("min(60000,{base}+exp(retried))")] {
            let expression: Expression = text.parse().unwrap();
            prop_assert!(expression.millis(retried) <= expression.millis(retried + 1), "{}", text);
        }
    }

    /// What is too deep or too long is refused, however it is nested; reading it uses little stack.
    #[test]
    fn nesting_ends(depth in 0..170_usize, open in "\\(|-\\(|exp\\(|max\\(1,") {
        let text = format!("{}1{}", open.repeat(depth), ")".repeat(depth));
        let read = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || text.parse::<Expression>().is_ok());
        prop_assert_eq!(read.unwrap().join().unwrap(), depth < 32 && (open.len() + 1) * depth < 512);
    }
}
