//! The shapes on the wire, ours and the stand-in's. Read leniently: other releases add fields.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Storage's error body. The true status is `statusCode`, whatever HTTP says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StorageError {
    /// A string on the wire; some releases send a number.
    pub status_code: Value,
    pub error: Option<String>,
    pub message: Option<String>,
    pub code: Option<String>,
}

/// PostgREST's error body.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RestError {
    pub code: Option<String>,
    pub message: Option<String>,
    pub details: Option<Value>,
    pub hint: Option<Value>,
}

/// `GET /object/info/{bucket}/{path}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Info {
    pub name: String,
    pub size: u64,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub etag: Option<String>,
    #[serde(flatten)]
    pub rest: serde_json::Map<String, Value>,
}

/// `POST /object/{bucket}/{path}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Stored {
    pub key: String,
    pub id: String,
}

/// `GET /bucket/{id}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bucket {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub public: bool,
    #[serde(default)]
    pub file_size_limit: Option<u64>,
    #[serde(default)]
    pub allowed_mime_types: Option<Vec<String>>,
    #[serde(default)]
    pub created_at: String,
}

/// `POST /object/sign/{bucket}/{path}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sign {
    /// Seconds.
    pub expires_in: u64,
}

/// Its reply, relative to `/storage/v1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Signed {
    #[serde(rename = "signedURL", alias = "signedUrl")]
    pub signed_url: String,
}

/// The arguments of the migration's merge function; its result is the number of rows it changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MergeProject {
    pub p_table: String,
    pub p_columns: MergeColumns,
    pub p_id: String,
    pub p_clips: Value,
    pub p_status: String,
}

/// The columns that function needs to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MergeColumns {
    pub id: String,
    pub status: String,
    pub updated: String,
    pub clips: String,
}

/// The merge function's name in the database.
pub const MERGE_FUNCTION: &str = "cliprelay_merge_project";

/// Resumable uploads: header names and texts as the server writes them.
pub mod tus {
    pub const VERSION: &str = "1.0.0";
    pub const RESUMABLE: &str = "tus-resumable";
    pub const OFFSET: &str = "upload-offset";
    pub const LENGTH: &str = "upload-length";
    pub const METADATA: &str = "upload-metadata";
    pub const OFFSET_BODY: &str = "application/offset+octet-stream";

    pub const CONFLICT: &str = "Upload-Offset conflict";
    pub const EXISTS: &str = "The resource already exists";
    pub const NO_BUCKET: &str = "Bucket not found";
    pub const NO_UPLOAD: &str = "The file for this url was not found";
    pub const TOO_LARGE: &str = "Maximum size exceeded";
    pub const LONGER: &str = "upload's size exceeded";
}
