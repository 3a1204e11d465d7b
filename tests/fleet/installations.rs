//! Two installations on one engine, with stacks of one name.

use anyhow::ensure;

use crate::process::Fleet;
use crate::site::Site;

pub(crate) async fn two_installations_with_stacks_of_one_name_see_and_remove_only_their_own() -> anyhow::Result<()> {
    let site = Site::open().await?;
    let (one, other) = (Fleet::start(&["vm1", "vm2"]).await?, Fleet::start(&["vm1", "vm2"]).await?);
    let first = site.definition(include_str!("stacks/spread.json"))?;
    let second = site.definition(include_str!("stacks/spread.json"))?;
    ensure!(first.stack == second.stack, "both have one name");
    for (fleet, definition) in [(&one, &first), (&other, &second)] {
        let file = definition.file(fleet)?;
        fleet.cli(&["stack", "deploy", &file]).await?.succeeded()?;
    }
    let both = site.containers(&first.stack).await?;
    ensure!(both.len() == 6, "{both:?}");

    one.cli(&["stack", "remove", &first.stack]).await?.succeeded()?;
    let left = site.containers(&first.stack).await?;
    ensure!(left.len() == 3, "{left:?}");
    let view = other.get(&format!("/stacks/{}", second.stack)).await?;
    ensure!(view["status"] == "running", "{view}");
    site.is_as_declared(&second).await?;

    other.cli(&["stack", "remove", &second.stack]).await?.succeeded()?;
    site.nothing_left(&second.stack).await?;
    site.close().await
}
