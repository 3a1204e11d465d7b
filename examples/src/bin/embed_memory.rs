//! See [`graphium_examples::embed_memory`].

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what the program is for")]
async fn main() -> anyhow::Result<()> {
    graphium_examples::embed_memory::run().await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}
