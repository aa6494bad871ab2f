//! Where traces go: the variables that OpenTelemetry names, as far as they concern this program.

use super::problems::Reader;
use crate::telemetry::{Sampling, Traces};
use secrecy::SecretString;
use url::Url;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const SHARE: &str = "OTEL_TRACES_SAMPLER_ARG";
/// The one way out that is built in, and that nothing else is asked of it.
const FIXED: [(&str, &str); 4] = [
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
    ("OTEL_EXPORTER_OTLP_COMPRESSION", "none"),
    ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
];

/// None without a collector: then nothing is told, and nothing about it can be wrong.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Traces> {
    let text = reader.text(ENDPOINT)?;
    if !cfg!(feature = "otel") {
        reader.problem(ENDPOINT, "needs a build with traces; this one is without the feature otel");
        return None;
    }
    for (name, only) in FIXED {
        if reader.text(name).is_some_and(|text| text != only) {
            reader.problem(name, format!("must be {only}, or unset"));
        }
    }
    let endpoint = endpoint(reader, &text);
    let headers = headers(reader);
    Some(Traces {
        endpoint: endpoint?,
        headers: headers?,
        service: reader.text("OTEL_SERVICE_NAME").unwrap_or_else(|| "cliprelay".to_owned()),
        sampling: sampling(reader)?,
        before_answers: reader.text("VERCEL").is_some(),
    })
}

/// The collector's root, as for every program: the signal's path is put behind it.
fn endpoint(reader: &mut Reader<'_>, text: &str) -> Option<Url> {
    let mut url = reader.url(ENDPOINT, text)?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        let what = format!("must be a plain address; a key goes into {HEADERS}");
        reader.problem(ENDPOINT, what);
        return None;
    }
    url.path_segments_mut().ok()?.pop_if_empty().extend(["v1", "traces"]);
    Some(url)
}

/// `name=value,…`, values percent-encoded where they must be.
fn headers(reader: &mut Reader<'_>) -> Option<Vec<(String, SecretString)>> {
    let text = reader.text(HEADERS).unwrap_or_default();
    let mut headers = Vec::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let header = pair.split_once('=').and_then(|(name, value)| header(name.trim(), value.trim()));
        let Some(header) = header else {
            reader.problem(HEADERS, "must be like name=value,name=value, with %2C for a comma in a value");
            return None;
        };
        headers.push(header);
    }
    Some(headers)
}

fn header(name: &str, value: &str) -> Option<(String, SecretString)> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let value = decoded(value)?;
    let plain = value.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    (!name.is_empty() && name.chars().all(token) && plain).then(|| (name.to_ascii_lowercase(), value.into()))
}

fn decoded(value: &str) -> Option<String> {
    let mut decoded = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digits = [*high, *low];
                (u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?, after)
            }
            (b'%', _) => return None,
            (plain, after) => (*plain, after),
        };
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8(decoded).ok()
}

fn sampling(reader: &mut Reader<'_>) -> Option<Sampling> {
    let sampler = reader.text(SAMPLER).unwrap_or_else(|| "parentbased_always_on".to_owned());
    let follow_parent = sampler.starts_with("parentbased_");
    let share = match sampler.trim_start_matches("parentbased_") {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => share(reader)?,
        _ => {
            let known = "must be always_on, always_off or traceidratio, also with parentbased_ before it";
            reader.problem(SAMPLER, known);
            return None;
        }
    };
    Some(Sampling { share, follow_parent })
}

fn share(reader: &mut Reader<'_>) -> Option<f64> {
    let share = reader.text(SHARE).map_or(Ok(1.0), |text| text.parse());
    let share = share.ok().filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() {
        reader.problem(SHARE, "must be a number from 0 to 1");
    }
    share
}
