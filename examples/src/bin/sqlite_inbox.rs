//! See [`graphium_examples::sqlite_inbox`].

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what the program is for")]
async fn main() -> anyhow::Result<()> {
    graphium_examples::sqlite_inbox::run().await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}
