//! PostgREST's filters, as far as we use them: `column=eq.value`, `neq`, `is.null`, `in.(a,b)` and their `not.`. Pure.

use serde_json::{Map, Value};

pub(super) type Row = Map<String, Value>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub column: String,
    not: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Eq(String),
    Neq(String),
    IsNull,
    In(Vec<String>),
}

impl Filter {
    /// Reads one query parameter; the error is the part that is no filter.
    pub(super) fn parse(column: &str, written: &str) -> Result<Self, String> {
        let (not, rest) = written.strip_prefix("not.").map_or((false, written), |rest| (true, rest));
        let test = match rest.split_once('.') {
            Some(("eq", value)) => Test::Eq(value.to_owned()),
            Some(("neq", value)) => Test::Neq(value.to_owned()),
            Some(("is", "null")) => Test::IsNull,
            Some(("in", list)) => {
                let list = list.strip_prefix('(').and_then(|list| list.strip_suffix(')')).ok_or(written)?;
                Test::In(list.split(',').map(|item| item.trim_matches('"').to_owned()).collect())
            }
            _ => return Err(written.to_owned()),
        };
        Ok(Self { column: column.to_owned(), not, test })
    }

    /// The values it compares with.
    pub(super) fn operands(&self) -> &[String] {
        match &self.test {
            Test::Eq(value) | Test::Neq(value) => std::slice::from_ref(value),
            Test::IsNull => &[],
            Test::In(values) => values,
        }
    }

    /// SQL's answer: a comparison with NULL is never true, not even the negated one.
    pub(super) fn matches(&self, row: &Row) -> bool {
        let value = row.get(&self.column).filter(|value| !value.is_null());
        match (&self.test, value) {
            (Test::IsNull, value) => value.is_none() != self.not,
            (_, None) => false,
            (Test::Eq(wanted), Some(value)) => same(value, wanted) != self.not,
            (Test::Neq(wanted), Some(value)) => same(value, wanted) == self.not,
            (Test::In(wanted), Some(value)) => wanted.iter().any(|wanted| same(value, wanted)) != self.not,
        }
    }
}

/// Equal as text, or as moments: the same time has several spellings.
fn same(value: &Value, wanted: &str) -> bool {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
    text == wanted || moment(&text).is_some_and(|value| Some(value) == moment(wanted))
}
