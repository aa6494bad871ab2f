//! Everything that can go wrong, where each of it strikes, and which of it a job must survive without a word.

use Fault as F;
use Hook as H;
use Step as S;

/// Where a job is when something goes wrong: the step its record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// There is no record yet.
    Enqueue,
    Submit,
    AwaitTask,
    List,
    Export,
    Transfer,
    Finalize,
}

impl Step {
    pub const ALL: [Self; 7] = [S::Enqueue, S::Submit, S::AwaitTask, S::List, S::Export, S::Transfer, S::Finalize];

    pub fn named(step: &str) -> Self {
        match step {
            "submit" => S::Submit,
            "await_task" => S::AwaitTask,
            "list" => S::List,
            "export" => S::Export,
            "transfer" => S::Transfer,
            "finalize" => S::Finalize,
            other => panic!("an unknown step {other}"),
        }
    }
}

/// The moments at which the world looks whether something is to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// A record is written; also the moment for whatever may happen at any time.
    Write,
    /// A record is written, and it is not the first.
    Recorded,
    Read,
    /// Any call to Klap, to a file server, to storage or of a row.
    Call,
    Publish,
    /// A push sets out.
    Push,
    /// A push sets out, and it is not the first message's.
    LaterPush,
    /// A push has been answered.
    Answer,
    /// A failure callback sets out.
    Callback,
    Klap,
    /// A look at a task, a folder, an export.
    Look(S),
    File,
    Storage,
    Put,
    Patch,
    Row,
    Guarded,
}

macro_rules! faults {
    ($($name:ident at $hook:expr, $mercy:ident;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($name),* }

        impl Fault {
            pub const ALL: &[Self] = &[$(F::$name),*];

            pub fn hook(self) -> Hook {
                match self { $(F::$name => $hook),* }
            }

            /// Whether a job must still complete with every clip, as long as nothing but a few such faults strikes it.
            pub fn mercy(self) -> Mercy {
                match self { $(F::$name => Mercy::$mercy),* }
            }
        }
    };
}

/// What may come of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mercy {
    /// Nothing: the job completes with every clip.
    Absorbed,
    /// The job, or one of its clips, may fail.
    May,
}

faults! {
    // The process.
    CrashBeforeWrite at H::Write, Absorbed;
    CrashAfterWrite at H::Write, Absorbed;
    CrashBeforeCall at H::Call, Absorbed;
    CrashAfterCall at H::Call, Absorbed;
    CrashBeforePublish at H::Publish, Absorbed;
    CrashAfterPublish at H::Publish, Absorbed;
    Freezes at H::Write, Absorbed;
    FreezesInCall at H::Call, Absorbed;
    Redeployed at H::Write, Absorbed;
    // The store.
    ReadRefused at H::Read, Absorbed;
    ReadLost at H::Read, Absorbed;
    WriteRefused at H::Write, Absorbed;
    WriteLost at H::Write, Absorbed;
    WriteUnheard at H::Write, Absorbed;
    WriteLate at H::Write, Absorbed;
    StoreStalls at H::Write, Absorbed;
    StoreRestarts at H::Write, Absorbed;
    StoreForgets at H::Recorded, Absorbed;
    StoreEvicts at H::Recorded, Absorbed;
    StoreRollsBack at H::Recorded, Absorbed;
    // QStash.
    PushDuplicated at H::Push, Absorbed;
    PushLate at H::Push, Absorbed;
    PushDropped at H::Push, Absorbed;
    PushStale at H::LaterPush, Absorbed;
    PushForged at H::Push, Absorbed;
    AnswerLost at H::Answer, Absorbed;
    MessageVanishes at H::Push, Absorbed;
    MessageDies at H::Push, Absorbed;
    CallbackLost at H::Callback, Absorbed;
    PublishRefused at H::Publish, Absorbed;
    PublishUnsent at H::Publish, Absorbed;
    PublishLost at H::Publish, Absorbed;
    PublishUnheard at H::Publish, Absorbed;
    KeysRolled at H::Push, Absorbed;
    // Klap.
    KlapBusy at H::Klap, Absorbed;
    KlapUnavailable at H::Klap, Absorbed;
    KlapBroken at H::Klap, Absorbed;
    KlapUnsent at H::Klap, Absorbed;
    KlapLost at H::Klap, Absorbed;
    KlapUnheard at H::Klap, Absorbed;
    KlapBadGateway at H::Klap, Absorbed;
    KlapStalls at H::Klap, Absorbed;
    KlapGarbage at H::Klap, Absorbed;
    TaskFails at H::Look(S::AwaitTask), May;
    FolderMissing at H::Look(S::List), Absorbed;
    ExportFails at H::Look(S::Transfer), May;
    ExportForgotten at H::Look(S::Transfer), May;
    // The file server.
    FileTruncated at H::File, Absorbed;
    FileHtml at H::File, Absorbed;
    FileExpired at H::File, Absorbed;
    FileAway at H::File, Absorbed;
    FileStalls at H::File, Absorbed;
    FileLonger at H::File, Absorbed;
    FileCut at H::File, Absorbed;
    FilesGone at H::File, May;
    // Storage.
    StorageAway at H::Storage, Absorbed;
    StorageUnsent at H::Storage, Absorbed;
    StorageLost at H::Storage, Absorbed;
    StorageUnheard at H::Storage, Absorbed;
    StorageStalls at H::Storage, Absorbed;
    StorageShort at H::Put, Absorbed;
    StorageLies at H::Put, Absorbed;
    ChunkBroken at H::Patch, Absorbed;
    UploadGone at H::Patch, Absorbed;
    // The project's row.
    RowAway at H::Row, Absorbed;
    RowLost at H::Row, Absorbed;
    RowUnheard at H::Row, Absorbed;
    RowContended at H::Guarded, Absorbed;
    // People.
    Cancelled at H::Recorded, May;
    RetriedEarly at H::Recorded, Absorbed;
    EnqueuedAgain at H::Recorded, Absorbed;
    OthersWrite at H::Write, Absorbed;
}

/// Whether a fault can strike there at all.
pub fn reaches(fault: Fault, step: Step) -> bool {
    match fault.hook() {
        H::Write | H::Read => true,
        H::Recorded | H::Publish | H::Push | H::Answer | H::Callback | H::Call => step != S::Enqueue,
        H::LaterPush => !matches!(step, S::Enqueue | S::Submit),
        H::Klap => !matches!(step, S::Enqueue | S::Finalize),
        H::Look(there) => step == there,
        H::File | H::Storage | H::Put | H::Patch => step == S::Transfer,
        H::Row | H::Guarded => step == S::Finalize,
    }
}

/// Every fault at every step it can strike.
pub fn cells() -> Vec<(Fault, Step)> {
    let all = Fault::ALL.iter().flat_map(|fault| Step::ALL.map(|step| (*fault, step)));
    all.filter(|(fault, step)| reaches(*fault, *step)).collect()
}
