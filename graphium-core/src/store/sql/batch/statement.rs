//! The statements that commits are made of. Each database has words of its own for them.

/// A statement, which is run once for each of its rows, or once for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::store::sql) enum Statement {
    CreateTask,
    CreateSpec,
    ChangeTask,
    /// For a change that moves the task in no index.
    HoldTask,
    /// What is about to be written over stays readable for others.
    KeepUnreadable,
    KeepAttempt,
    KeepDependency,
    KeepKey,
    KeepRecord,
    DropRecord,
    KeepHost,
    KeepInventory,
    KeepEnded,
    DropEnded,
    KeepGeneration,
    DropGeneration,
    KeepCounter,
    AppendEvent,
    TakeLetter,
    RefuseLetter,
    /// From here on the file is a store and no backup.
    KeepEpoch,
    DropTask,
    DropSpec,
    DropAttempts,
    DropDependency,
    DropUnreadable,
    /// For a task whose own list of dependencies cannot be read.
    DropDependencies,
    /// For a task whose own key cannot be read.
    DropKeys,
    DropKey,
    DropListing,
    DropEvents,
    DropCounter,
    /// What a call of another server came to.
    #[cfg(feature = "postgres")]
    AnswerCall,
}

impl Statement {
    /// How many values each of its rows has.
    pub(in crate::store::sql) const fn width(self) -> usize {
        match self {
            Self::DropGeneration
            | Self::TakeLetter
            | Self::DropTask
            | Self::DropSpec
            | Self::DropAttempts
            | Self::DropUnreadable
            | Self::DropDependencies
            | Self::DropKeys
            | Self::DropKey
            | Self::DropEvents => 1,
            Self::CreateSpec
            | Self::KeepDependency
            | Self::KeepKey
            | Self::DropRecord
            | Self::KeepHost
            | Self::DropEnded
            | Self::DropDependency
            | Self::DropCounter => 2,
            #[cfg(feature = "postgres")]
            Self::AnswerCall => 2,
            Self::KeepUnreadable
            | Self::KeepInventory
            | Self::KeepEnded
            | Self::KeepGeneration
            | Self::KeepCounter
            | Self::KeepEpoch
            | Self::DropListing => 3,
            Self::KeepAttempt | Self::RefuseLetter => 4,
            Self::KeepRecord => 5,
            Self::HoldTask => 6,
            Self::AppendEvent => 8,
            Self::ChangeTask => 9,
            Self::CreateTask => 16,
        }
    }
}
