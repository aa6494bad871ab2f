//! Lists of jobs, the newest first: an owner's own, and everybody's for operators.

use super::record::{Clock, Loaded, decode};
use super::status::{Status, status_of};
use super::{Engine, Fault};
use crate::job::{Job, JobId, Millis, Owner, ProjectId};
pub use crate::store::Place;
use crate::store::{ListKey, keys};

/// How many entries one request looks at before it answers with what it has found.
const LOOKED_AT_MAX: usize = 300;
/// Records read at once where some are sifted out.
const SIFTED: usize = 50;

/// Which jobs.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Only those that stand so, in the words of [`State::public`](crate::job::State::public).
    pub status: Option<String>,
    /// Older than this place.
    pub before: Option<Place>,
    /// How many, at least one.
    pub limit: usize,
}

/// Which of all jobs.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub status: Option<String>,
    pub owner: Option<Owner>,
    pub project: Option<ProjectId>,
    /// A job's id; or what the project's id, the owner's name or the error's code holds. Whatever the case.
    pub text: Option<String>,
    /// Accepted then or later.
    pub since: Option<Since>,
    pub before: Option<Place>,
    pub limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    At(Millis),
    /// So long before the store's time.
    Back(Millis),
}

/// A page of jobs.
#[derive(Debug)]
pub struct Jobs {
    pub jobs: Vec<Status>,
    /// Where the next page goes on; `None`: there is none.
    pub next: Option<Place>,
}

/// The part of a list that is looked through.
pub(super) struct Part {
    pub list: ListKey,
    pub since: Option<Since>,
    pub before: Option<Place>,
    pub limit: usize,
    /// Records read at once.
    pub at_once: usize,
}

/// What was found in it.
pub(super) struct Found {
    pub jobs: Vec<(Place, Loaded)>,
    pub next: Option<Place>,
}

impl Engine {
    /// A page may hold fewer than its limit, or nothing, and still have a next one.
    pub async fn list(&self, owner: &Owner, listing: &Listing) -> Result<Jobs, Fault> {
        let Listing { status, before, limit } = listing.clone();
        let at_once = if status.is_some() { SIFTED } else { limit };
        let part = Part { list: keys::list(owner), since: None, before, limit, at_once };
        let wanted = |_: &Place, job: &Job| {
            status.as_ref().is_none_or(|status| status == job.state.public()) && job.owner == *owner
        };
        self.sift(part, wanted).await.map(jobs)
    }

    /// The same of all owners' jobs.
    pub async fn search(&self, search: &Search) -> Result<Jobs, Fault> {
        if let Some(found) = self.named(search).await? {
            return Ok(Jobs { jobs: vec![status_of(&found)], next: None });
        }
        let sifts = search.status.is_some() || search.text.is_some() || search.project.is_some();
        let part = Part {
            list: search.owner.as_ref().map_or_else(keys::all_jobs, keys::list),
            since: search.since,
            before: search.before.clone(),
            limit: search.limit,
            at_once: if sifts { SIFTED } else { search.limit },
        };
        self.sift(part, |_, job| search.wants(job, true)).await.map(jobs)
    }

    /// The job whose id is searched for. A project may have such a name as well.
    async fn named(&self, search: &Search) -> Result<Option<Loaded>, Fault> {
        let id = search.text.as_ref().map(|text| text.to_lowercase()).filter(|text| text.starts_with("job_"));
        // A later page is of a list.
        let (Some(id), None) = (id, &search.before) else { return Ok(None) };
        let found = self.owned(&JobId::new(id), None).await?;
        let since = |found: &Loaded| search.since.map_or(0, |since| since.from(found.now()));
        Ok(found.filter(|found| search.wants(&found.job, false) && found.job.created_at >= since(found)))
    }

    /// Looks through a part of a list for as long as one request may.
    pub(super) async fn sift(&self, part: Part, wanted: impl Fn(&Place, &Job) -> bool + Send) -> Result<Found, Fault> {
        let mut before = part.before;
        let mut jobs = Vec::new();
        for _ in 0..LOOKED_AT_MAX.div_ceil(part.at_once) {
            let page = self.store.list(&part.list, before.as_ref(), part.at_once).await?;
            let clock = Clock::new(page.now);
            let since = part.since.map_or(0, |since| since.from(page.now));
            let mut seen = None;
            for (place, record) in &page.records {
                if jobs.len() == part.limit {
                    return Ok(Found { jobs, next: seen.or(before) });
                }
                if place.at() < since {
                    return Ok(Found { jobs, next: None });
                }
                seen = Some(place.clone());
                let loaded = match decode(record, clock) {
                    Ok(loaded) => loaded,
                    // One record, of a newer release or garbled, is no reason to tell nobody of the others.
                    Err(why) => {
                        tracing::error!(job.id = %place.id(), %why, "a record cannot be read; left out of its list");
                        continue;
                    }
                };
                if wanted(place, &loaded.job) {
                    jobs.push((place.clone(), loaded));
                }
            }
            before = page.next;
            if before.is_none() || jobs.len() == part.limit {
                break;
            }
        }
        Ok(Found { jobs, next: before })
    }
}

fn jobs(found: Found) -> Jobs {
    Jobs { jobs: found.jobs.iter().map(|(_, loaded)| status_of(loaded)).collect(), next: found.next }
}

impl Since {
    fn from(self, now: Millis) -> Millis {
        match self {
            Self::At(at) => at,
            Self::Back(span) => now.saturating_sub(span),
        }
    }
}

impl Search {
    fn wants(&self, job: &Job, by_text: bool) -> bool {
        let code = || job.error.as_ref().map_or("", |error| error.code.as_str());
        let holds = |text: &String| {
            let text = text.to_lowercase();
            [job.project.as_str(), job.owner.as_str(), code()].iter().any(|name| name.to_lowercase().contains(&text))
        };
        self.status.as_ref().is_none_or(|status| status == job.state.public())
            && self.owner.as_ref().is_none_or(|owner| *owner == job.owner)
            && self.project.as_ref().is_none_or(|project| *project == job.project)
            && (!by_text || self.text.as_ref().is_none_or(holds))
    }
}
