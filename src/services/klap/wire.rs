//! The shapes Klap's API v2 speaks, used by our client and by the local stand-in alike.
//!
//! Reading is lenient, because the documentation is thin and what was seen differs from it: fields of an unexpected type
//! count as absent, an unknown status as still processing, a wrapped list is unwrapped. Only ids are required.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The body of `POST /tasks/video-to-shorts`: every documented field; absent ones are left to Klap's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewTask {
    /// A public http(s) URL of the video.
    pub source_video_url: String,
    /// `en`, `es`, …; detected if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub translate_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_clip_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_clip_count: Option<u32>,
    /// Seconds, 1–120.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_duration: Option<u32>,
    /// Seconds, 1–180.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration: Option<u32>,
    /// Seconds, 1–120.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_duration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub editing_options: Option<EditingOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Dimensions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style_preset_id: Option<String>,
    /// Names and jargon, at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcription_context: Option<String>,
}

/// What Klap does to the picture and sound of each clip.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditingOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captions: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reframe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emojis: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intro_title: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_silences: Option<bool>,
}

/// Size of the clips in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimensions {
    pub width: u32,
    pub height: u32,
}

/// Where a task or an export stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    #[default]
    Processing,
    Ready,
    Error,
}

impl<'de> Deserialize<'de> for TaskStatus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Anything unknown counts as still going on: the caller's deadline decides, not a word we never saw.
        Ok(match Value::deserialize(from)?.as_str() {
            Some("ready") => Self::Ready,
            Some("error") => Self::Error,
            _ => Self::Processing,
        })
    }
}

/// One task. `output_id` names the folder of clips and is already there in the create reply: never a sign of readiness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: String,
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(default)]
    pub status: TaskStatus,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub output_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub output_id: Option<String>,
    #[serde(flatten)]
    pub failure: FailureFields,
}

/// One clip found in the video.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Project {
    pub id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub author_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub folder_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<String>,
    /// As sent: 0–1 by the documentation, 0–100 in reality. Use [`Project::score`].
    #[serde(default, deserialize_with = "number")]
    pub virality_score: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub virality_score_explanation: Option<String>,
    /// Seconds.
    #[serde(default, alias = "duration_seconds", deserialize_with = "number")]
    pub duration: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub transcript_text: Option<String>,
    /// Text to publish the clip with, by platform (`tiktok`, `youtube`, `linkedin`, `instagram`).
    #[serde(default, deserialize_with = "texts")]
    pub publication_captions: BTreeMap<String, String>,
}

impl Project {
    /// The virality score as 0–1, whichever scale was sent.
    pub fn score(&self) -> Option<f64> {
        self.virality_score.map(normalised_score)
    }
}

/// A score on either of Klap's scales as 0–1: whatever is above 1 is a percentage.
pub fn normalised_score(score: f64) -> f64 {
    let score = if score > 1.0 { score / 100.0 } else { score };
    if score.is_nan() { 0.0 } else { score.clamp(0.0, 1.0) }
}

/// One rendering of a project. `src_url` is null until it is ready, needs no key, and is not for keeping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    pub id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub project_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub folder_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<String>,
    #[serde(default)]
    pub status: TaskStatus,
    #[serde(default, deserialize_with = "lenient")]
    pub src_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub finished_at: Option<String>,
    /// 0–1, not documented.
    #[serde(default, deserialize_with = "number")]
    pub progress: Option<f64>,
    #[serde(flatten)]
    pub failure: FailureFields,
}

/// The three names under which a failure has been seen; none is documented, so all are read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureFields {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub error_message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub error_code: Option<String>,
}

/// Why a task or an export ended in error, as far as Klap said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Option<String>,
    pub message: String,
}

impl FailureFields {
    /// The failure in one piece; without any word from Klap it says so.
    pub fn told(&self) -> Failure {
        let message = self.error_message.as_ref().or(self.error.as_ref()).or(self.error_code.as_ref());
        Failure {
            code: self.error_code.clone(),
            message: message.cloned().unwrap_or_else(|| "Klap gave no reason".to_owned()),
        }
    }
}

/// A list that comes bare, wrapped under a usual name, or as a single object.
pub(super) struct List<T>(pub Vec<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let items = match Value::deserialize(from)? {
            Value::Array(items) => items,
            Value::Object(mut fields) => {
                let wrapped =
                    ["data", "items", "projects", "shorts", "exports"].iter().find_map(|name| fields.remove(*name));
                match wrapped {
                    Some(Value::Array(items)) => items,
                    _ => vec![Value::Object(fields)],
                }
            }
            _ => return Err(D::Error::custom("neither a list nor an object")),
        };
        items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>().map(List).map_err(D::Error::custom)
    }
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(from)?).ok())
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let number = match Value::deserialize(from)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(number.filter(|number| number.is_finite()))
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let Value::Object(fields) = Value::deserialize(from)? else { return Ok(BTreeMap::new()) };
    Ok(fields.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect())
}
