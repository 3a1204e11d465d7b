//! A web image made of nothing but this process: its own executable, and the libraries it is linked to.
//!
//! No registry is asked and no compiler runs. What the kernel mapped into this process is what a copy of
//! it needs elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::elf;

/// Where the executable is in the image.
pub(super) const EXECUTABLE: &str = "/graphium";
const SELF: &str = "/proc/self/exe";
const MAPS: &str = "/proc/self/maps";

/// A root file system, as an archive that an engine imports.
#[derive(Debug)]
pub(super) struct Packed {
    /// The archive.
    pub(super) tar: Vec<u8>,
    /// How many libraries are in it.
    pub(super) libraries: usize,
    /// The folders where the loader finds them, for `LD_LIBRARY_PATH`; empty for a static executable.
    pub(super) library_path: String,
}

/// Packs this process. It reads whole files: call it where blocking is allowed.
pub(super) fn pack() -> anyhow::Result<Packed> {
    let mut executable = File::open(SELF).with_context(|| format!("cannot read the own executable at {SELF}"))?;
    let loader = elf::interpreter(&mut executable).context("the own executable cannot be packed into an image")?;
    let libraries = match &loader {
        Some(_) => mapped_libraries(&fs::read_to_string(MAPS).with_context(|| format!("cannot read {MAPS}"))?),
        None => BTreeSet::new(),
    };
    let mut archive = Archive::default();
    archive.file(Path::new(SELF), Path::new(EXECUTABLE))?;
    if let Some(loader) = &loader {
        archive.file(loader, loader)?;
    }
    for library in &libraries {
        archive.file(library, library)?;
        for name in other_names(library)? {
            archive.link(&name, library)?;
        }
    }
    let folders: BTreeSet<_> = libraries.iter().filter_map(|library| library.parent()).collect();
    let folders: Vec<_> = folders.into_iter().map(|folder| folder.to_string_lossy()).collect();
    Ok(Packed { tar: archive.finish()?, libraries: libraries.len(), library_path: folders.join(":") })
}

/// The shared libraries in a memory map, as `/proc/{pid}/maps` writes it.
fn mapped_libraries(maps: &str) -> BTreeSet<PathBuf> {
    maps.lines()
        .filter_map(|line| line.find('/').map(|start| Path::new(&line[start..])))
        .filter(|path| path.file_name().is_some_and(|name| is_library(&name.to_string_lossy())))
        .map(Path::to_owned)
        .collect()
}

fn is_library(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

/// Links beside a library that lead to it: the name that the executable asks for is often one of them.
fn other_names(library: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let Some(folder) = library.parent() else { return Ok(Vec::new()) };
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let leads_here = || fs::canonicalize(entry.path()).is_ok_and(|target| target == library);
            if entry.file_type()?.is_symlink() && is_library(&entry.file_name().to_string_lossy()) && leads_here() {
                names.push(entry.path());
            }
        }
        Ok(names)
    };
    read().with_context(|| format!("cannot read the library folder {}", folder.display()))
}

/// A tar archive that holds each path once.
#[derive(Default)]
struct Archive {
    entries: BTreeMap<PathBuf, Entry>,
}

enum Entry {
    File(PathBuf),
    Link(PathBuf),
}

impl Archive {
    /// Adds a file of this machine, without the leading slash that archives leave out.
    fn file(&mut self, source: &Path, target: &Path) -> anyhow::Result<()> {
        self.entries.insert(within(target)?, Entry::File(source.to_owned()));
        Ok(())
    }

    fn link(&mut self, name: &Path, target: &Path) -> anyhow::Result<()> {
        self.entries.entry(within(name)?).or_insert_with(|| Entry::Link(target.to_owned()));
        Ok(())
    }

    fn finish(self) -> anyhow::Result<Vec<u8>> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, entry) in self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            match entry {
                Entry::File(source) => {
                    let content = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
                    header.set_size(content.len() as u64);
                    tar.append_data(&mut header, path, content.as_slice())?;
                }
                Entry::Link(target) => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, path, target)?;
                }
            }
        }
        tar.into_inner().context("cannot finish the archive")
    }
}

fn within(path: &Path) -> anyhow::Result<PathBuf> {
    let inner = path.strip_prefix("/").with_context(|| format!("{} is not an absolute path", path.display()))?;
    Ok(inner.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_a_memory_map_once_each() {
        let maps = "\
55d0-55d4 r--p 00000000 08:01 131 /usr/bin/graphium
7f10-7f12 r--p 00000000 08:01 132 /usr/lib/x86_64-linux-gnu/libc.so.6
7f12-7f18 r-xp 00002000 08:01 132 /usr/lib/x86_64-linux-gnu/libc.so.6
7f20-7f21 r--p 00000000 08:01 133 /usr/lib/locale/C.utf8/LC_CTYPE
7ffc-7ffd rw-p 00000000 00:00 0 [stack]
";
        let found: Vec<_> = mapped_libraries(maps).into_iter().collect();
        assert_eq!(found, [PathBuf::from("/usr/lib/x86_64-linux-gnu/libc.so.6")]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_test_is_packed_with_all_it_needs() {
        let packed = pack().unwrap();
        let mut archive = tar::Archive::new(packed.tar.as_slice());
        let paths: BTreeSet<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert!(paths.contains(Path::new("graphium")), "{paths:?}");
        assert!(paths.len() > packed.libraries, "{paths:?}");
    }
}
