//! A plan, printed: what would be done and why.

use std::io::{self, Write};

use graphium_core::control::StackPlan;
use graphium_core::stack::Step;

use super::board::{action, what};
use crate::exit::Exit;
use crate::output::{Format, print_json, table};

/// Prints a plan; the exit code says whether it has changes.
pub(super) fn show(plan: &StackPlan, format: Format) -> anyhow::Result<Exit> {
    match format {
        Format::Json => print_json(plan)?,
        Format::Table => writeln!(io::stdout(), "{}", text(plan))?,
    }
    Ok(if plan.is_empty() { Exit::Done } else { Exit::Changes })
}

fn text(plan: &StackPlan) -> String {
    let rows = plan.steps.iter().map(|step| vec![step.agent.to_string(), what(step), step.reason.clone()]);
    let mut lines = vec![table(&["HOST", "STEP", "WHY"], rows), String::new()];
    lines.extend(plan.warnings.iter().map(|warning| format!("warning: {warning}")));
    if plan.is_empty() {
        lines.push(format!("stack {}: nothing to change", plan.stack));
    } else {
        lines.push(format!(
            "stack {}: {}; this would be generation {}",
            plan.stack,
            counts(&plan.steps),
            plan.generation
        ));
        lines.push(format!("exactly this, or nothing: add --plan-hash {}", plan.plan_hash));
    }
    lines.join("\n").trim_start().to_owned()
}

/// How many steps of each kind, in the order of the plan: `2 × create, 1 × keep`.
fn counts(steps: &[Step]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for step in steps {
        let name = action(step.action);
        match counts.iter_mut().find(|(counted, _)| *counted == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    counts.iter().map(|(name, count)| format!("{count} × {name}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use graphium_core::id::{AgentId, Generation, Slot, StackName};
    use graphium_core::stack::StepAction;

    fn plan(actions: &[StepAction]) -> StackPlan {
        let step = |action: &StepAction| Step {
            action: *action,
            agent: AgentId::new("vm1").unwrap(),
            container: Some("web".parse().unwrap()),
            slot: Slot(0),
            reason: "the image changed".to_owned(),
            after: Vec::new(),
            task: None,
        };
        StackPlan {
            stack: StackName::new("shop").unwrap(),
            plan_hash: "ab12".to_owned(),
            generation: Generation(3),
            steps: actions.iter().map(step).collect(),
            placements: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_plan_says_what_and_why_and_how_to_pin_it() {
        assert_eq!(
            text(&plan(&[StepAction::Replace, StepAction::Keep])),
            "HOST  STEP         WHY\n\
             vm1   replace web  the image changed\n\
             vm1   keep web     the image changed\n\n\
             stack shop: 1 × replace, 1 × keep; this would be generation 3\n\
             exactly this, or nothing: add --plan-hash ab12"
        );
    }

    #[test]
    fn a_plan_without_changes_ends_with_0_and_one_with_changes_with_6() {
        assert!(plan(&[StepAction::Keep]).is_empty());
        assert!(!plan(&[StepAction::Keep, StepAction::Remove]).is_empty());
        assert_eq!(Exit::Changes.code(), 6);
    }
}
