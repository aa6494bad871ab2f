//! The bucket for clips.

use super::{Act, Error, Step};
use crate::services::supabase::{Access, BucketSettings, CLIP_TYPE, Supabase};

const WHAT: &str = "bucket";

/// The bucket as it should be.
pub struct Bucket {
    pub client: Supabase,
    /// In bytes; none leaves a limit as it is.
    pub size_limit: Option<u64>,
}

impl Bucket {
    pub(super) async fn plan(&self) -> Result<Step, Error> {
        let (name, access) = (self.client.bucket_name(), self.client.access());
        let called = match access {
            Access::Public => "public",
            Access::Private => "private",
        };
        let Some(found) = self.client.bucket().await? else {
            let types = Some(vec![CLIP_TYPE.to_owned()]);
            let limit = self.size_limit.map(|limit| format!(", files up to {limit} bytes")).unwrap_or_default();
            let act = Act::CreateBucket(BucketSettings { access, size_limit: self.size_limit, types });
            return Ok(Step { what: WHAT, act, detail: format!("{name}, {called}, for {CLIP_TYPE}{limit}") });
        };
        let mut differs = Vec::new();
        if found.public != (access == Access::Public) {
            differs.push(format!("it becomes {called}"));
        }
        let mut types = found.allowed_mime_types.clone().filter(|types| !types.is_empty());
        if !found.takes(CLIP_TYPE) {
            differs.push(format!("it takes {CLIP_TYPE} as well"));
            types.get_or_insert_default().push(CLIP_TYPE.to_owned());
        }
        let size_limit = self.size_limit.or(found.file_size_limit);
        if size_limit != found.file_size_limit {
            differs.push(format!("files up to {} bytes", size_limit.unwrap_or_default()));
        }
        if differs.is_empty() {
            return Ok(Step::nothing(WHAT, format!("{name} is as it should be ({called})")));
        }
        let act = Act::ChangeBucket(BucketSettings { access, size_limit, types });
        Ok(Step { what: WHAT, act, detail: format!("{name}: {}", differs.join("; ")) })
    }
}
