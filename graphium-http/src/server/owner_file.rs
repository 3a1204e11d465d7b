//! Files that only their owner may read: the wrapping key and the first admin token.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use uuid::Uuid;

/// Reads the file if it is there, and refuses one that others may read.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let text = format!("others may read it (mode {mode:03o}): chmod 600 {}", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Writes a file that must not exist yet, whole or not at all: whoever comes second gets `AlreadyExists`.
pub(crate) fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", Uuid::new_v4().simple()));
    let done = write(&draft, content).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    done.and(removed).and_then(|()| sync_folder(path))
}

/// Writes a file in the place of whatever is there.
pub(crate) fn replace(draft: &Path, path: &Path) -> io::Result<()> {
    fs::rename(draft, path).and_then(|()| sync_folder(path))
}

/// Writes a new file with owner-only permissions and makes it durable.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}
