//! What an account may ask for, by plan. The numbers are those of the service's price list; how many retries a plan allows
//! is not on it, and taken from older ones.

use std::str::FromStr;

/// The plans that the vendor's local server knows, and the free one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plan {
    Free,
    #[default]
    PayAsYouGo,
    Pro,
}

/// Beyond any of these a request is refused with 412.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub retries: u32,
    pub delay_s: u64,
    pub body_bytes: usize,
    pub timeout_s: u64,
    pub schedules: u64,
    pub queues: u64,
    /// Of one queue.
    pub queue_parallelism: u32,
    pub groups: u64,
    /// Of one group.
    pub endpoints: usize,
}

const DAY_S: u64 = 86_400;
const MEGABYTE: usize = 1024 * 1024;

impl Quota {
    const FREE: Self = Self {
        retries: 3,
        delay_s: 7 * DAY_S,
        body_bytes: MEGABYTE,
        timeout_s: 15 * 60,
        schedules: 10,
        queues: 10,
        queue_parallelism: 2,
        groups: 1,
        endpoints: 100,
    };

    pub const PAY_AS_YOU_GO: Self = Self {
        retries: 5,
        delay_s: 365 * DAY_S,
        body_bytes: 10 * MEGABYTE,
        timeout_s: 7_200,
        schedules: 1_000,
        queues: 100,
        queue_parallelism: 10,
        groups: 100,
        endpoints: 100,
    };

    /// The smaller of the fixed plans. Its delay is unlimited; ours ends where a time still fits everywhere.
    const PRO: Self = Self {
        retries: 20,
        delay_s: 100 * 365 * DAY_S,
        body_bytes: 50 * MEGABYTE,
        timeout_s: 6 * 3_600,
        schedules: 10_000,
        queues: 1_000,
        queue_parallelism: 10,
        groups: 1_000,
        endpoints: 1_000,
    };
}

impl Plan {
    pub fn quota(self) -> Quota {
        match self {
            Self::Free => Quota::FREE,
            Self::PayAsYouGo => Quota::PAY_AS_YOU_GO,
            Self::Pro => Quota::PRO,
        }
    }
}

impl FromStr for Plan {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "free" => Ok(Self::Free),
            "payg" => Ok(Self::PayAsYouGo),
            "pro" => Ok(Self::Pro),
            _ => Err("free, payg or pro is expected"),
        }
    }
}
