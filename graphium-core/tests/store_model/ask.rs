//! What may be asked. Small numbers stand for objects, so that sequences meet the same ones often.

use proptest::prelude::*;

/// One thing that is asked of both stores.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Submit {
        tasks: Vec<TaskAsk>,
        record: Option<RecordAsk>,
        supersede: Option<u8>,
        forget: bool,
    },
    /// The latest submission once more; under fresh ids only its keys tell that it is the same.
    SubmitAgain {
        fresh: bool,
    },
    Call(CallAsk),
    /// An earlier call of an agent once more, exactly.
    CallAgain(u8),
    Observe {
        agent: u8,
        session: u8,
        seq: u8,
        instances: u8,
    },
    Cancel(u8),
    Retry(u8),
    Sweep,
    Prune,
    /// Long enough for history to be old.
    PassDays(u8),
    Pass(u16),
    /// Closes the file, or lets it fall, and opens it again.
    Reopen {
        close: bool,
    },
    /// Everything that can be read is compared.
    Compare,
}

/// The loop call of an agent.
#[derive(Debug, Clone)]
pub(crate) struct CallAsk {
    pub agent: u8,
    pub session: u8,
    pub machine: u8,
    pub number: Option<u8>,
    pub slots: u8,
    pub claim: u8,
    pub only: Option<u8>,
    pub reports: Vec<ReportAsk>,
    pub running: Vec<u8>,
}

/// A task to be submitted.
#[derive(Debug, Clone)]
pub(crate) struct TaskAsk {
    pub agent: u8,
    pub priority: u8,
    pub retries: u8,
    pub timeout: u8,
    pub lane: bool,
    pub generation: Option<u8>,
    /// Earlier tasks, counted from the newest.
    pub after: Vec<u8>,
    pub key: Option<u8>,
}

/// A record to be written; no version means that there must be none.
#[derive(Debug, Clone)]
pub(crate) struct RecordAsk {
    pub name: u8,
    pub version: Option<u8>,
    pub delete: bool,
}

/// A report about one of the claims that were given.
#[derive(Debug, Clone)]
pub(crate) struct ReportAsk {
    pub claim: u8,
    pub status: u8,
}

fn task() -> impl Strategy<Value = TaskAsk> {
    let after = prop::collection::vec(0..12_u8, 0..3);
    let generation = prop::option::weighted(0.3, 1..4_u8);
    let key = prop::option::weighted(0.2, 0..6_u8);
    (0..2_u8, 0..=10_u8, 0..3_u8, 1..120_u8, any::<bool>(), generation, after, key).prop_map(
        |(agent, priority, retries, timeout, lane, generation, after, key)| TaskAsk {
            agent,
            priority,
            retries,
            timeout,
            lane,
            generation,
            after,
            key,
        },
    )
}

fn submit() -> impl Strategy<Value = Ask> {
    let record = (0..3_u8, prop::option::of(1..4_u8), prop::bool::weighted(0.2))
        .prop_map(|(name, version, delete)| RecordAsk { name, version, delete });
    let tasks = prop::collection::vec(task(), 0..4);
    let supersede = prop::option::weighted(0.1, 1..4_u8);
    (tasks, prop::option::weighted(0.2, record), supersede, prop::bool::weighted(0.05))
        .prop_map(|(tasks, record, supersede, forget)| Ask::Submit { tasks, record, supersede, forget })
}

fn call() -> impl Strategy<Value = Ask> {
    // The older a claim, the likelier that its attempt is over.
    let report =
        (prop_oneof![3 => 0..6_u8, 1 => 0..30_u8], 0..7_u8).prop_map(|(claim, status)| ReportAsk { claim, status });
    let session = prop_oneof![8 => Just(0_u8), 1 => 0..3_u8];
    let machine = prop_oneof![9 => Just(0_u8), 1 => 0..2_u8];
    let (reports, running) = (prop::collection::vec(report, 0..4), prop::collection::vec(0..8_u8, 0..3));
    let (number, only) = (prop::option::weighted(0.3, 0..40_u8), prop::option::weighted(0.1, 0..8_u8));
    (0..2_u8, session, machine, number, 0..4_u8, 0..20_u8, only, reports, running).prop_map(
        |(agent, session, machine, number, slots, claim, only, reports, running)| {
            Ask::Call(CallAsk { agent, session, machine, number, slots, claim, only, reports, running })
        },
    )
}

/// Any question.
pub(crate) fn ask() -> impl Strategy<Value = Ask> {
    let observe = (0..2_u8, 0..2_u8, 0..5_u8, any::<u8>()).prop_map(|(agent, session, seq, instances)| Ask::Observe {
        agent,
        session,
        seq,
        instances,
    });
    prop_oneof![
        6 => submit(),
        1 => any::<bool>().prop_map(|fresh| Ask::SubmitAgain { fresh }),
        10 => call(),
        2 => (0..6_u8).prop_map(Ask::CallAgain),
        1 => observe,
        2 => (0..20_u8).prop_map(Ask::Cancel),
        3 => (0..20_u8).prop_map(Ask::Retry),
        1 => Just(Ask::Sweep),
        3 => prop_oneof![(0..10_u16), (0..100_u16)].prop_map(Ask::Pass),
        1 => any::<bool>().prop_map(|close| Ask::Reopen { close }),
        1 => Just(Ask::Compare),
        1 => Just(Ask::Prune),
        1 => (0..50_u8).prop_map(Ask::PassDays),
    ]
}
