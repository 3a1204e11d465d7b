//! Builds the program of the test images, so that no test needs a registry.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=probe/main.rs");
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"));
    let target = variable("TARGET");
    let program = PathBuf::from(variable("OUT_DIR")).join("probe");
    let built = Command::new(variable("RUSTC"))
        .args(["probe/main.rs", "--edition", "2024", "--crate-name", "probe", "--target", &target])
        .args(["-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-C", "panic=abort", "-o"])
        .arg(&program)
        .output();
    // Without it only the tests on a container engine cannot run, and they say why.
    let problem = match built {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    match problem {
        None => println!("cargo::rustc-env=GRAPHIUM_PROBE={}", program.display()),
        Some(problem) => {
            println!("cargo::rustc-env=GRAPHIUM_PROBE=");
            println!("cargo::warning=the probe image cannot be built for {target}: {}", problem.replace('\n', " "));
        }
    }
}
