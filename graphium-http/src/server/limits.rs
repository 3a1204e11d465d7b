//! Every limit of the server, by name.

use std::time::Duration;

/// The largest body of a call.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// The largest body of an agent's loop call: as much as an agent reports at once, beside the progress of all its tasks.
pub const MAX_CLAIM_BYTES: usize = 8 * 1024 * 1024;
/// The largest body of an inventory: one of the most instances that a host may have.
pub const MAX_INVENTORY_BYTES: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest head of an HTTP/1 request: as much as a connection has room for.
pub const MAX_HEAD_BYTES: usize = 8 * 1024;
/// How long the head of a request may take to arrive.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long `/readyz` waits for the store to say whether it is held, before it answers without.
pub const HELD_TIMEOUT: Duration = Duration::from_secs(1);
/// How many connections may wait to be accepted, as far as the system allows: after a restart all agents come at once.
pub const MAX_UNACCEPTED: u32 = 4_096;
/// How many claims of all agents may wait at a time.
pub const MAX_WAITING_POLLS: usize = 20_000;
/// How many claims of one agent may wait at a time: one, and some whose connection was cut unnoticed.
pub const MAX_WAITING_POLLS_PER_AGENT: usize = 8;
/// How many event streams may be open at a time.
pub const MAX_STREAMS: usize = 2_000;
/// How many events a stream reads at a time. A slow client makes its next read later, never larger.
pub const STREAM_BATCH: usize = 256;
/// How often a quiet stream reads anyway and shows that it lives, and any stream checks that its token is still good.
pub const STREAM_BEAT: Duration = Duration::from_secs(10);
/// How long one frame may take to be taken by a WebSocket client.
pub const FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest message that a WebSocket client may send. It has nothing to say.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 4 * 1024;
/// What `Retry-After` says.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);
/// How many tokens an installation keeps.
pub const MAX_TOKENS: usize = 1_000;
/// The longest name of a token.
pub const MAX_TOKEN_NAME: usize = 100;
/// How long a user's token is good when nothing is said.
pub const DEFAULT_TOKEN_TTL: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long a user's token may be good.
pub const MAX_TOKEN_TTL: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// How long a join token is good when nothing is said.
pub const DEFAULT_JOIN_TTL: Duration = Duration::from_secs(3600);
/// How long a join token may be good.
pub const MAX_JOIN_TTL: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long an agent's credential is good.
pub const CREDENTIAL_TTL: Duration = Duration::from_secs(3600);
/// How long a challenge is good.
pub const CHALLENGE_TTL: Duration = Duration::from_secs(60);
/// How long requests in flight get to finish when the server stops.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);
