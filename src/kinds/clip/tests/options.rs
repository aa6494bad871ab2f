//! What a caller may ask for.

use super::input::{Input, Options};
use super::*;
use crate::kinds::FieldError;
use url::Url;

/// The problems with these options, as `field: message`.
fn problems(options: &Value) -> Vec<String> {
    let told = |error: FieldError| format!("{}: {}", error.field, error.message);
    match Options::parse(options) {
        Ok(options) => panic!("accepted as {options:?}"),
        Err(errors) => errors.into_iter().map(told).collect(),
    }
}

#[test]
fn every_documented_option_is_taken_and_recorded_as_given() {
    let options = json!({
        "language": "en", "translateTo": "es", "name": "My video", "targetClipCount": 10, "maxClipCount": 12,
        "minDuration": 5, "maxDuration": 60, "targetDuration": 30, "captions": true, "reframe": false, "emojis": true,
        "introTitle": false, "removeSilences": true, "width": 1080, "height": 1920, "stylePresetId": "preset_1",
        "transcriptionContext": "A talk about bread."
    });
    let input = Input::parse(&Url::parse("https://example.com/a.mp4").unwrap(), &options).unwrap();
    assert_eq!(input, json!({"videoUrl": "https://example.com/a.mp4", "options": options}));
    let read = Input::read(&input).unwrap();
    assert_eq!((read.options.target_clip_count, read.options.reframe), (Some(10), Some(false)));
}

#[test]
fn what_is_left_out_or_null_stays_the_vendors_default() {
    let url = Url::parse("https://example.com/a.mp4").unwrap();
    for options in [json!({}), json!({"language": null, "captions": null})] {
        assert_eq!(Input::parse(&url, &options).unwrap()["options"], json!({}));
    }
    assert_eq!(Input::read(&json!({"videoUrl": "https://example.com/a.mp4"})).unwrap().options, Options::default());
}

#[test]
fn a_typo_is_refused_before_it_costs_money() {
    assert_eq!(problems(&json!({"maxDurations": 30})), ["options.maxDurations: is not an option"]);
    assert_eq!(problems(&json!({"max_duration": 30})), ["options.max_duration: is not an option"]);
    for not_an_object in [json!([]), json!("short"), json!(null), json!(3)] {
        assert_eq!(problems(&not_an_object), ["options: must be an object"]);
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let options = json!({
        "language": 3, "captions": "yes", "minDuration": 0, "targetClipCount": 2.5, "name": " ", "emoji": true,
        "maxDuration": 30
    });
    let mut fields: Vec<String> = Options::parse(&options).unwrap_err().into_iter().map(|error| error.field).collect();
    fields.sort();
    let expected = ["captions", "emoji", "language", "minDuration", "name", "targetClipCount"];
    assert_eq!(fields, expected.map(|field| format!("options.{field}")));
}

#[test]
fn ranges_are_the_documented_ones() {
    let ranges = [
        ("targetClipCount", 1, 100),
        ("maxClipCount", 1, 100),
        ("minDuration", 1, 120),
        ("maxDuration", 1, 180),
        ("targetDuration", 1, 120),
    ];
    for (field, min, max) in ranges {
        for inside in [min, max] {
            assert!(Options::parse(&json!({field: inside})).is_ok(), "{field} {inside}");
        }
        for outside in [min - 1, max + 1] {
            let expected = format!("options.{field}: must be between {min} and {max}");
            assert_eq!(problems(&json!({field: outside})), [expected]);
        }
        assert_eq!(problems(&json!({field: -1})).len(), 1);
        assert_eq!(problems(&json!({field: u64::from(u32::MAX) + 1})).len(), 1);
    }
}

#[test]
fn options_that_belong_together_are_held_together() {
    let order = ["options.minDuration: must not be above maxDuration"];
    assert_eq!(problems(&json!({"minDuration": 40, "maxDuration": 30})), order);
    assert!(Options::parse(&json!({"minDuration": 30, "maxDuration": 30})).is_ok());
    let pair = ["options.height: is missing: width and height go together"];
    assert_eq!(problems(&json!({"width": 1080})), pair);
    assert_eq!(problems(&json!({"height": 1920})).len(), 1);
    assert!(Options::parse(&json!({"width": 1080, "height": 1920})).is_ok());
}

#[test]
fn texts_have_a_length() {
    for (field, max) in
        [("language", 16), ("translateTo", 16), ("name", 200), ("stylePresetId", 128), ("transcriptionContext", 1000)]
    {
        assert!(Options::parse(&json!({field: "ü".repeat(max)})).is_ok(), "{field}");
        assert_eq!(problems(&json!({field: "ü".repeat(max + 1)})).len(), 1);
        assert_eq!(problems(&json!({field: ""})), [format!("options.{field}: must have 1 to {max} characters")]);
    }
}
