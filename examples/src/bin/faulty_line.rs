//! See [`graphium_examples::faulty_line`].

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what the program is for")]
async fn main() -> anyhow::Result<()> {
    graphium_examples::faulty_line::run().await?.iter().for_each(|line| println!("{line}"));
    Ok(())
}
