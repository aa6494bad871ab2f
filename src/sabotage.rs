//! Lines of the production code that the simulator may switch to broken ones, to see that it notices. Without the feature
//! `sabotage` every switch is the constant `false` and nothing of this is left in the program.

macro_rules! sabotages {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// One way to break the code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Sabotage {
            $($(#[$doc])* $name),*
        }

        impl Sabotage {
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

sabotages! {
    /// A step's push is taken although its end could not be written.
    ReplyBeforeWrite,
    /// A copy of a push runs the step although another delivery is at it.
    NoLease,
    /// Who lost the lease writes all the same.
    AnyToken,
    /// Who wakes after its lease writes as if it held it.
    LateHolder,
    /// A write repeated after an unclear answer is taken for another one.
    NoOperationId,
    /// The next message goes out before the state it belongs to.
    PublishBeforeWrite,
    /// A late push is taken although the message it left behind is not out.
    OldNewsUnpublished,
    /// A record and its place in the index are not one write.
    TornWrite,
    /// A message sent anew has the name of the one before.
    SameSend,
    /// Word that a message is spent has no consequence.
    SpentUnheeded,
    /// The paid task is created without a word about it before.
    NoIntent,
    /// A receipt is thrown away when the lease is lost.
    FencedReceipts,
    /// Receipts are not read before paying.
    UnreadReceipts,
    /// An export of which nobody knows whether it was paid is paid again without a look.
    UnseenExports,
    /// A person's retry begins from nothing.
    RetryResubmits,
    /// A job the store has forgotten is taken for old news.
    ForgottenIsOld,
    /// Ends can be changed.
    EndsChange,
    /// Live records expire.
    LiveExpires,
    /// A push is believed without its signature.
    Unverified,
    /// A clip is listed on the word of its upload alone.
    Unconfirmed,
    /// An upload goes on with the file's first bytes wherever it stands.
    ResumeAtZero,
    /// The project's row is written over.
    BlindRow,
}

#[cfg(feature = "sabotage")]
mod chosen {
    use super::Sabotage;
    use std::cell::Cell;

    #[cfg(not(debug_assertions))]
    compile_error!("the feature `sabotage` is for tests: no release may be built with it");

    thread_local! {
        static CHOSEN: Cell<Option<Sabotage>> = const { Cell::new(None) };
    }

    /// From now on, on this thread, the code is broken so; `None`: it is whole.
    pub fn choose(sabotage: Option<Sabotage>) {
        CHOSEN.set(sabotage);
    }

    pub(crate) fn is(sabotage: Sabotage) -> bool {
        CHOSEN.get() == Some(sabotage)
    }
}

#[cfg(feature = "sabotage")]
pub use chosen::choose;
#[cfg(feature = "sabotage")]
pub(crate) use chosen::is;

#[cfg(not(feature = "sabotage"))]
#[expect(clippy::inline_always, reason = "a switch that is not there must leave nothing behind")]
#[inline(always)]
pub(crate) const fn is(_: Sabotage) -> bool {
    false
}
