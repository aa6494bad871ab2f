//! What a caller may ask for, with Klap's documented ranges checked here: a typo costs money there.

use crate::kinds::FieldError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

/// A clip job's input, as recorded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    pub video_url: String,
    #[serde(default)]
    pub options: Options,
}

impl Input {
    /// The recorded input of a checked request.
    pub fn parse(video_url: &Url, options: &Value) -> Result<Value, Vec<FieldError>> {
        let options = Options::parse(options)?;
        Ok(json!({"videoUrl": video_url.as_str(), "options": options}))
    }

    pub fn read(input: &Value) -> Option<Self> {
        Self::deserialize(input).ok()
    }
}

/// Klap's documented options; what is left out is Klap's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Options)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// The language spoken, like `en`; found out if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 16, pattern = r"\S")]
    pub language: Option<String>,
    /// The language of the captions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 16, pattern = r"\S")]
    pub translate_to: Option<String>,
    /// The name of Klap's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200, pattern = r"\S")]
    pub name: Option<String>,
    /// How many clips to aim at.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub target_clip_count: Option<u32>,
    /// How many clips at most; each costs. 10 if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_clip_count: Option<u32>,
    /// Seconds; not above `maxDuration`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 120)]
    pub min_duration: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 180)]
    pub max_duration: Option<u32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 120)]
    pub target_duration: Option<u32>,
    /// Burn in captions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captions: Option<bool>,
    /// Follow the speakers into the new frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reframe: Option<bool>,
    /// Emojis in the captions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emojis: Option<bool>,
    /// Begin with a title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intro_title: Option<bool>,
    /// Cut out silences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_silences: Option<bool>,
    /// Pixels; only together with `height`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 16, maximum = 7680)]
    pub width: Option<u32>,
    /// Pixels; only together with `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 16, maximum = 7680)]
    pub height: Option<u32>,
    /// A style preset of the Klap account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128, pattern = r"\S")]
    pub style_preset_id: Option<String>,
    /// Names and words that the transcription should know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 1000, pattern = r"\S")]
    pub transcription_context: Option<String>,
}

impl Options {
    /// Reads the `options` object of a request; every problem at once.
    pub fn parse(value: &Value) -> Result<Self, Vec<FieldError>> {
        let Some(object) = value.as_object() else {
            return Err(vec![FieldError::new("options", "must be an object")]);
        };
        let mut errors = Vec::new();
        let mut good = serde_json::Map::new();
        for (field, value) in object {
            let alone = Value::Object([(field.clone(), value.clone())].into_iter().collect());
            match Self::deserialize(&alone) {
                Ok(_) => drop(good.insert(field.clone(), value.clone())),
                Err(error) => errors.push(FieldError::new(format!("options.{field}"), plain(&error))),
            }
        }
        let options = Self::deserialize(Value::Object(good)).unwrap_or_default();
        errors.extend(options.out_of_range());
        if errors.is_empty() { Ok(options) } else { Err(errors) }
    }

    fn out_of_range(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let numbers = [
            ("targetClipCount", self.target_clip_count, 1, 100),
            ("maxClipCount", self.max_clip_count, 1, 100),
            ("minDuration", self.min_duration, 1, 120),
            ("maxDuration", self.max_duration, 1, 180),
            ("targetDuration", self.target_duration, 1, 120),
            ("width", self.width, 16, 7680),
            ("height", self.height, 16, 7680),
        ];
        for (field, value, min, max) in numbers {
            if value.is_some_and(|value| !(min..=max).contains(&value)) {
                errors.push(error(field, format!("must be between {min} and {max}")));
            }
        }
        let texts = [
            ("language", &self.language, 16),
            ("translateTo", &self.translate_to, 16),
            ("name", &self.name, 200),
            ("stylePresetId", &self.style_preset_id, 128),
            ("transcriptionContext", &self.transcription_context, 1000),
        ];
        for (field, value, max) in texts {
            if value.as_ref().is_some_and(|text| text.trim().is_empty() || text.chars().count() > max) {
                errors.push(error(field, format!("must have 1 to {max} characters")));
            }
        }
        if self.width.is_some() != self.height.is_some() {
            let missing = if self.width.is_none() { "width" } else { "height" };
            errors.push(error(missing, "is missing: width and height go together"));
        }
        if let (Some(min), Some(max)) = (self.min_duration, self.max_duration)
            && min > max
        {
            errors.push(error("minDuration", "must not be above maxDuration"));
        }
        errors
    }
}

fn error(field: &str, message: impl Into<String>) -> FieldError {
    FieldError::new(format!("options.{field}"), message)
}

fn plain(error: &serde_json::Error) -> String {
    let unknown = error.to_string().starts_with("unknown field");
    if unknown { "is not an option" } else { "is not of the right kind, or out of range" }.to_owned()
}
