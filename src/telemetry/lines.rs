//! How a line looks. As JSON it is flat: what the spans around it know (which request, job, step, attempt and message) stands
//! beside its own fields, so that a search needs one name. Fields that are for traces alone are left out of lines.

use serde_json::{Map, Value};
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::format::{DefaultVisitor, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// What names a span in a trace, and how it ended there.
const FOR_TRACES: &str = "otel.";

/// Fields for people: as they come.
pub(super) struct Plain;

impl<'writer> FormatFields<'writer> for Plain {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut shown = Shown(DefaultVisitor::new(writer, true));
        fields.record(&mut shown);
        shown.0.finish()
    }
}

/// Passes on what is for lines.
struct Shown<V>(V);

macro_rules! passed_on {
    ($($record:ident: $value:ty),* $(,)?) => {
        $(fn $record(&mut self, field: &Field, value: $value) {
            if !field.name().starts_with(FOR_TRACES) {
                self.0.$record(field, value);
            }
        })*
    };
}

impl<V: Visit> Visit for Shown<V> {
    passed_on! {
        record_debug: &dyn fmt::Debug, record_str: &str, record_error: &(dyn std::error::Error + 'static),
        record_i64: i64, record_u64: u64, record_bool: bool, record_f64: f64,
    }
}

/// One flat object a line. Span fields must be written as JSON. The inner span's win over the outer's, the line's own over both.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), time.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("message".to_owned(), "".into());
        line.insert("target".to_owned(), event.metadata().target().into());
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>().map_or("", |fields| fields.fields.as_str());
            let Ok(fields) = serde_json::from_str::<Map<String, Value>>(fields) else { continue };
            line.extend(fields.into_iter().filter(|(name, _)| !name.starts_with(FOR_TRACES)));
        }
        event.record(&mut Shown(Fields(&mut line)));
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

/// Takes in a line's own fields.
struct Fields<'line>(&'line mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}
