//! Where traces go, and what is wrong with that.

use super::*;
use crate::telemetry::Sampling;

const COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example.com");

fn traces(changes: &[(&str, &str)]) -> Option<Traces> {
    good(changes).logs.traces
}

#[test]
fn without_a_collector_nothing_is_told_and_nothing_is_wrong_with_it() {
    assert!(traces(&[]).is_none());
    assert!(traces(&[("OTEL_TRACES_SAMPLER", "odd"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).is_none());
}

#[cfg(not(feature = "otel"))]
#[test]
fn a_build_without_traces_says_so() {
    assert_eq!(wrong(&[COLLECTOR]), [COLLECTOR.0]);
}

#[cfg(feature = "otel")]
#[test]
fn the_signals_path_is_put_behind_the_collectors() {
    for (root, posted) in [
        ("https://otel.example.com", "https://otel.example.com/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://otel.example.com/otlp", "https://otel.example.com/otlp/v1/traces"),
    ] {
        let traces = traces(&[(COLLECTOR.0, root)]).expect("traces");
        assert_eq!(traces.endpoint.as_str(), posted);
        assert_eq!((traces.service.as_str(), traces.before_answers), ("cliprelay", false));
    }
    let on_a_host = traces(&[COLLECTOR, ("VERCEL", "1"), ("VERCEL_ENV", "production"), ("OTEL_SERVICE_NAME", "clips")])
        .expect("traces");
    assert_eq!((on_a_host.service.as_str(), on_a_host.before_answers), ("clips", true));
}

#[cfg(feature = "otel")]
#[test]
fn headers_are_read_as_opentelemetry_writes_them_and_never_shown() {
    let text = " Authorization=Bearer%20otel-secret%2C2 ,x-tenant = a=b,";
    let config = good(&[COLLECTOR, ("OTEL_EXPORTER_OTLP_HEADERS", text)]);
    let headers = config.logs.traces.clone().expect("traces").headers;
    let read: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(read, [("authorization", "Bearer otel-secret,2"), ("x-tenant", "a=b")]);
    assert!(!format!("{config:?}").contains("otel-secret"));
    for bad in
        ["otel-secret", "=otel-secret", "a b=otel-secret", "a=otel-secret%2", "a=%zzotel-secret", "a=otel-secret%0A"]
    {
        let told = problems(&[COLLECTOR, ("OTEL_EXPORTER_OTLP_HEADERS", bad)]);
        assert_eq!(told.len(), 1, "{bad}");
        assert!(told[0].0 == "OTEL_EXPORTER_OTLP_HEADERS" && !told[0].1.contains("secret"), "{told:?}");
    }
}

#[cfg(feature = "otel")]
#[test]
fn a_share_of_the_traces_may_be_told() {
    let sampling = |changes: &[(&str, &str)]| traces(&[&[COLLECTOR], changes].concat()).expect("traces").sampling;
    assert_eq!(sampling(&[]), Sampling { share: 1.0, follow_parent: true });
    let tenth = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.1")];
    assert_eq!(sampling(&tenth), Sampling { share: 0.1, follow_parent: true });
    assert_eq!(sampling(&[("OTEL_TRACES_SAMPLER", "always_off")]), Sampling { share: 0.0, follow_parent: false });
    for (sampler, share, variable) in [
        ("jaeger_remote", "1", "OTEL_TRACES_SAMPLER"),
        ("traceidratio", "1.1", "OTEL_TRACES_SAMPLER_ARG"),
        ("traceidratio", "NaN", "OTEL_TRACES_SAMPLER_ARG"),
        ("traceidratio", "half", "OTEL_TRACES_SAMPLER_ARG"),
    ] {
        assert_eq!(
            wrong(&[COLLECTOR, ("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", share)]),
            [variable]
        );
    }
}

#[cfg(feature = "otel")]
#[test]
fn what_no_span_could_be_sent_over_is_told() {
    for endpoint in [
        "otel.example.com:4317",
        "grpc://otel.example.com",
        "https://me:key@otel.example.com",
        "https://otel.example.com?key=x",
    ] {
        assert_eq!(wrong(&[(COLLECTOR.0, endpoint)]), [COLLECTOR.0], "{endpoint}");
    }
    for (variable, value) in [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")] {
        assert_eq!(wrong(&[COLLECTOR, (variable, value)]), [variable]);
    }
}
