//! Shapes that no type of ours has, because they are read member by member or written by the edge itself. Tests hold real
//! answers against them.

use crate::flow::AskedOptions;
use crate::http::view::JobStatus;
use serde_json::Value;
use utoipa::ToSchema;

/// What clips are asked for with.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(rename_all = "camelCase", example = super::examples::asked)]
#[expect(dead_code, reason = "requests are read field by field, so that every problem is told at once")]
pub struct Enqueue {
    /// The caller's own name for it.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,128}$", min_length = 1, max_length = 128)]
    project_id: String,
    /// An `http` or `https` address that everyone can reach; private and loopback ones are refused.
    #[schema(max_length = 4_096, format = "uri")]
    video_url: Option<String>,
    options: Option<AskedOptions>,
}

/// Which job is to go on.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "requests are read field by field, so that every problem is told at once")]
pub struct Retry {
    #[schema(min_length = 1, example = "job_0193f2c87b7c7d0a8e0c1b2a3d4e5f60")]
    job_id: String,
}

/// Which dead letters: `ids`, or `all`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(rename_all = "camelCase", example = super::examples::letters)]
#[expect(dead_code, reason = "requests are read field by field, so that every problem is told at once")]
pub struct Letters {
    /// Jobs' ids, or `dlq:` and the ids of QStash's dead letters; the first 50 are seen to.
    #[schema(nullable = false, min_items = 1, max_items = 1_000)]
    ids: Option<Vec<String>>,
    /// True: all of them.
    #[schema(nullable = false)]
    all: Option<bool>,
    /// Of all, those that failed for this code.
    #[schema(nullable = false, min_length = 1, max_length = 1_024)]
    code: Option<String>,
    /// Of all, where to go on.
    #[schema(nullable = false)]
    cursor: Option<String>,
    /// Only tell what would be done.
    #[schema(nullable = false)]
    dry_run: Option<bool>,
}

/// Which ended jobs.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "requests are read field by field, so that every problem is told at once")]
pub struct Purge {
    /// Those that ended so many seconds ago, or longer.
    #[schema(minimum = 0, maximum = 3_153_600_000_u64, example = 604_800)]
    older_than: u64,
    /// Only name them.
    #[schema(nullable = false)]
    dry_run: Option<bool>,
    /// Where to go on.
    #[schema(nullable = false)]
    cursor: Option<String>,
}

/// A problem (RFC 9457).
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "problems are written by the outermost layer")]
pub struct Problem {
    /// `urn:cliprelay:problem:` and the code.
    r#type: String,
    /// The status in words.
    title: String,
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// What is wrong, for programs.
    code: String,
    /// `detail` again, for older frontends.
    error: String,
    /// The answer's `X-Request-Id`.
    request_id: String,
    /// Each field that is wrong; at most 51.
    #[schema(nullable = false)]
    errors: Option<Vec<FieldProblem>>,
    /// The job that is in the way.
    #[schema(nullable = false)]
    job_id: Option<String>,
    /// How that job ended.
    #[schema(nullable = false)]
    job_status: Option<JobStatus>,
    /// Why the job failed, in a word.
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// What is wrong with one field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it stands for the flow's own type")]
pub struct FieldProblem {
    /// With its parents, like `options.language`.
    field: String,
    message: String,
}

/// A push that is done with.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "replies are written by their one table")]
pub struct Taken {
    /// Always true.
    success: bool,
    /// It was done before, or the job has ended.
    #[schema(nullable = false)]
    old_news: Option<bool>,
}

/// A push that is not.
#[derive(ToSchema)]
#[expect(dead_code, reason = "replies are written by their one table")]
pub struct NotTaken {
    /// Always false.
    success: bool,
    /// What is wrong, for programs.
    #[schema(example = "busy")]
    code: String,
    /// What is wrong, for people.
    error: String,
}

/// A job's message, as the service published it. Versions add members; these five stay.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = super::examples::message)]
#[expect(dead_code, reason = "it only names what every version has")]
pub struct Message {
    /// The version of the message.
    v: u32,
    job_id: String,
    epoch: u32,
    seq: u32,
    send: u32,
}

/// QStash's own shape, as far as it is read.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = super::examples::callback)]
#[expect(dead_code, reason = "it is QStash's to write")]
pub struct Callback {
    source_message_id: String,
    url: String,
    /// What was published, in base64.
    #[schema(nullable = false)]
    source_body: Option<String>,
    /// Its place among the dead letters.
    #[schema(nullable = false)]
    dlq_id: Option<String>,
    /// What the last attempt was answered.
    #[schema(nullable = false)]
    status: Option<u16>,
    /// What else QStash tells.
    #[schema(nullable = false)]
    retried: Option<Value>,
}
