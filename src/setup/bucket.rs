//! The bucket for clips.

use super::{Act, Error, Step};
use crate::services::supabase::{Access, BucketSettings, CLIP_TYPE, Supabase};

const WHAT: &str = "bucket";

const SAY: &str = "Set SUPABASE_BUCKET_ACCESS=private and clips are fetched through the service, or =public and run this \
                   again: everybody can then read all that is in it";

/// The bucket as it should be.
pub struct Bucket {
    pub client: Supabase,
    /// That its access was said, and is not just what is assumed: only then is a private one opened to everybody.
    pub access_said: bool,
    /// In bytes; none leaves a limit as it is.
    pub size_limit: Option<u64>,
}

impl Bucket {
    pub(super) async fn plan(&self) -> Result<Vec<Step>, Error> {
        let (name, access) = (self.client.bucket_name(), self.client.access());
        let called = match access {
            Access::Public => "public",
            Access::Private => "private",
        };
        let Some(found) = self.client.bucket().await? else {
            let types = Some(vec![CLIP_TYPE.to_owned()]);
            let limit = self.size_limit.map(|limit| format!(", files up to {limit} bytes")).unwrap_or_default();
            let act = Act::CreateBucket(BucketSettings { access, size_limit: self.size_limit, types });
            return Ok(vec![Step { what: WHAT, act, detail: format!("{name}, {called}, for {CLIP_TYPE}{limit}") }]);
        };
        let (mut steps, mut differs) = (Vec::new(), Vec::new());
        let opens = !found.public && access == Access::Public;
        let kept = if opens && !self.access_said { Access::Private } else { access };
        if kept != access {
            steps.push(Step { what: WHAT, act: Act::ByHand, detail: format!("{name} is private and stays so. {SAY}") });
        } else if found.public != (access == Access::Public) {
            differs.push(format!("it becomes {called}{}", if opens { ", with all that is in it" } else { "" }));
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
        if !differs.is_empty() {
            let act = Act::ChangeBucket(BucketSettings { access: kept, size_limit, types });
            steps.push(Step { what: WHAT, act, detail: format!("{name}: {}", differs.join("; ")) });
        } else if steps.is_empty() {
            steps.push(Step::nothing(WHAT, format!("{name} is as it should be ({called})")));
        }
        Ok(steps)
    }
}
