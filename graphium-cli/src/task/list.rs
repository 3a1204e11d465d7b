//! `graphium task list`.

use std::time::Duration;

use clap::{Args, ValueEnum};
use graphium_core::clock::{Clock, SystemClock};
use graphium_core::id::{AgentId, ContainerName, StackName};
use graphium_core::store::{DEFAULT_PAGE, TaskFilter, paging};
use graphium_core::task::{TaskStatus, TaskType};

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::output::{OutputArgs, print_list};
use crate::settings::Settings;

/// Lists tasks, newest first
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only these statuses
    #[arg(long, value_enum, value_delimiter = ',')]
    status: Vec<Status>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    task_type: Option<TaskType>,
    /// Only this stack
    #[arg(long)]
    stack: Option<StackName>,
    /// Only this host
    #[arg(long, alias = "agent", value_name = "ID")]
    host: Option<AgentId>,
    /// Only this container
    #[arg(long)]
    container: Option<ContainerName>,
    /// Only those made within this time
    #[arg(long, value_parser = duration::parse, value_name = "TIME")]
    since: Option<Duration>,
    /// At most so many
    #[arg(long, default_value_t = DEFAULT_PAGE, value_name = "NUMBER")]
    limit: usize,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    Pending,
    Assigned,
    Running,
    Completed,
    Failed,
    Cancelled,
}

impl From<Status> for TaskStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::Pending,
            Status::Assigned => Self::Assigned,
            Status::Running => Self::Running,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

impl ListArgs {
    pub(super) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let filter = TaskFilter {
            statuses: self.status.iter().copied().map(TaskStatus::from).collect(),
            task_type: self.task_type,
            stack: self.stack,
            agent: self.host,
            container: self.container,
            since: self.since.map(|since| SystemClock.now().before(since)),
            ..TaskFilter::default()
        };
        let api = self.connection.open(settings)?;
        let tasks = paging::up_to(self.limit, |page| api.tasks(filter.clone(), page)).await?;
        print_list(self.output.output, &tasks)
    }
}
