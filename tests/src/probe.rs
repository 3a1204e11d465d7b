//! Images without a registry: the probe program, packed alone and imported.

use anyhow::{Context, ensure};
use graphium_core::deploy::docker::DockerRuntime;

/// The program, as `build.rs` made it; empty where it could not.
const PROGRAM: &str = env!("GRAPHIUM_PROBE");

/// Makes an image of the probe program on the engine: it answers HTTP on `ports` with its host name and its variables.
/// Besides, each of `commands` is a command in it that succeeds, for health checks that call one.
///
/// # Errors
/// When the program could not be built, or the engine refuses the image.
pub async fn probe_image(
    engine: &DockerRuntime,
    reference: &str,
    ports: &[u16],
    commands: &[&str],
) -> anyhow::Result<()> {
    let ports: Vec<_> = ports.iter().map(ToString::to_string).collect();
    let variable = format!("ENV PROBE_PORTS={}", ports.join(","));
    let exposed = format!("EXPOSE {}", ports.join(" "));
    let mut changes = vec![r#"ENTRYPOINT ["/probe"]"#, r#"CMD ["serve"]"#, &variable];
    if !ports.is_empty() {
        changes.push(&exposed);
    }
    engine.import_image(reference, file_system(commands)?, &changes).await?;
    Ok(())
}

/// The probe program alone in a file system.
///
/// # Errors
/// When the program could not be built.
pub fn file_system(commands: &[&str]) -> anyhow::Result<Vec<u8>> {
    ensure!(!PROGRAM.is_empty(), "the probe program could not be built as a static binary: see the build's warnings");
    let program = std::fs::read(PROGRAM).with_context(|| format!("the probe program {PROGRAM} cannot be read"))?;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(program.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, "probe", program.as_slice())?;
    for command in commands {
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        link.set_mode(0o777);
        archive.append_link(&mut link, format!("bin/{command}"), "/probe")?;
    }
    Ok(archive.into_inner()?)
}
