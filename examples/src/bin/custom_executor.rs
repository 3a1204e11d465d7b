//! See [`graphium_examples::custom_executor`].

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what the program is for")]
async fn main() -> anyhow::Result<()> {
    graphium_examples::custom_executor::run().await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}
