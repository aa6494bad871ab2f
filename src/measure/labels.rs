//! What labels may say: closed sets.

macro_rules! label {
    ($($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $text:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$note])* $variant),* }

        impl $name {
            pub const ALL: [Self; [$($text),*].len()] = [$(Self::$variant),*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    )*};
}

label! {
    /// How a job ended.
    Ended { Completed = "completed", Failed = "failed", Cancelled = "cancelled" }

    /// Which claim of a step since it last got anywhere.
    Attempt { First = "1", Second = "2", Third = "3", Later = "more" }

    /// How a claimed step ended.
    Outcome {
        Next = "next",
        Wait = "wait",
        /// A vendor is away.
        Away = "away",
        Done = "done",
        Retry = "retry",
        Fail = "fail",
        /// A paid call was put off: the step comes again at once.
        NotNow = "not_now",
        /// The lease was lost.
        Lost = "lost",
        StoreAway = "store_away",
        /// At its time limit.
        CutOff = "cut_off",
    }

    /// What a push to the worker is answered.
    Answer {
        Done = "done", OldNews = "old_news", Busy = "busy", TryAgain = "try_again", GaveUp = "gave_up",
        /// It was not believed.
        Rejected = "rejected",
    }

    /// The key that a push was signed with.
    SigningKey { Current = "current", Next = "next" }

    /// What became of a publish.
    Publication { Published = "published", Deduplicated = "deduplicated", Failed = "failed" }

    /// What became of something asked of ourselves.
    Told {
        Ok = "ok",
        /// Nothing has changed.
        Unavailable = "unavailable",
        /// It may have happened.
        Unknown = "unknown",
    }

    /// The store's verbs.
    Verb {
        Get = "get", Commit = "commit", Pointer = "pointer", Recall = "recall", Tombstone = "tombstone", Due = "due",
        Delete = "delete", List = "list", Count = "count", Counted = "counted", Survey = "survey", Take = "take",
        Note = "note", Notes = "notes", Ping = "ping",
    }

    /// Whom we call.
    Service {
        Klap = "klap",
        Qstash = "qstash",
        Storage = "storage",
        /// The projects' table.
        Rows = "rows",
        /// Whoever holds a file.
        Source = "source",
        /// Whose users' tokens we take.
        Issuer = "issuer",
    }

    /// What a call does there.
    Class { Read = "read", Write = "write" }

    /// What became of a call.
    Exchange {
        Ok = "ok",
        /// 404, 410
        Missing = "missing",
        /// 401, 403
        Denied = "denied",
        /// 429
        Busy = "busy",
        /// Any other 4xx.
        Refused = "refused",
        /// 5xx
        Failed = "failed",
        /// Nothing of it was sent: no connection.
        Unsent = "unsent",
        /// It was sent, and not answered.
        Lost = "lost",
        /// We stopped waiting.
        Abandoned = "abandoned",
    }

    /// What a sweep mended.
    Swept { Republished = "republished", Revived = "revived", Failed = "failed", Purged = "purged" }

    Method {
        Get = "GET", Post = "POST", Delete = "DELETE", Head = "HEAD", Options = "OPTIONS", Other = "other",
    }

    /// The first digit of an answer's status.
    Status { Informed = "1xx", Succeeded = "2xx", Elsewhere = "3xx", Refused = "4xx", Failed = "5xx" }
}

impl Attempt {
    pub fn of(attempt: u32) -> Self {
        match attempt {
            0 | 1 => Self::First,
            2 => Self::Second,
            3 => Self::Third,
            _ => Self::Later,
        }
    }
}

impl Method {
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|method| method.name() == name).unwrap_or(Self::Other)
    }
}

impl Class {
    /// By the method's own promise.
    pub fn of(method: &str) -> Self {
        if matches!(method, "GET" | "HEAD" | "OPTIONS") { Self::Read } else { Self::Write }
    }
}

impl Exchange {
    pub fn of(status: u16) -> Self {
        match status {
            0..=399 => Self::Ok,
            401 | 403 => Self::Denied,
            404 | 410 => Self::Missing,
            429 => Self::Busy,
            500.. => Self::Failed,
            _ => Self::Refused,
        }
    }
}

impl Status {
    pub fn of(status: u16) -> Self {
        match status {
            0..200 => Self::Informed,
            200..300 => Self::Succeeded,
            300..400 => Self::Elsewhere,
            400..500 => Self::Refused,
            500.. => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_said_falls_into_the_set() {
        for status in 0..=u16::MAX {
            let _ = (Exchange::of(status), Status::of(status));
        }
        assert_eq!((Exchange::of(204), Exchange::of(302)), (Exchange::Ok, Exchange::Ok));
        assert_eq!((Exchange::of(429), Exchange::of(410)), (Exchange::Busy, Exchange::Missing));
        assert_eq!((Exchange::of(400), Exchange::of(489)), (Exchange::Refused, Exchange::Refused));
        assert_eq!((Status::of(499), Status::of(503)), (Status::Refused, Status::Failed));
        assert_eq!((Method::of("POST"), Method::of("BREW")), (Method::Post, Method::Other));
        assert_eq!((Attempt::of(1), Attempt::of(99)), (Attempt::First, Attempt::Later));
    }
}
