//! Just enough of ELF to learn which loader an executable asks for.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

const MAGIC: &[u8] = b"\x7fELF";
/// Class 2 is 64 bit, data 1 is little-endian: all that container hosts of today are.
const CLASS_64_LITTLE: [u8; 2] = [2, 1];
const HEADER_LENGTH: usize = 64;
const PROGRAM_HEADER_LENGTH: usize = 56;
const INTERPRETER: u32 = 3;
const LONGEST_PATH: usize = 4096;

/// The loader that the executable asks for; none when it is static.
pub(super) fn interpreter(file: &mut (impl Read + Seek)) -> io::Result<Option<PathBuf>> {
    let mut header = [0; HEADER_LENGTH];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    if !header.starts_with(MAGIC) || header[4..6] != CLASS_64_LITTLE {
        return Err(malformed("not a 64 bit ELF executable"));
    }
    let table = u64_at(&header, 0x20)?;
    let (size, count) = (u16_at(&header, 0x36)?, u16_at(&header, 0x38)?);
    for index in 0..u64::from(count) {
        let mut entry = [0; PROGRAM_HEADER_LENGTH];
        file.seek(SeekFrom::Start(table.saturating_add(index * u64::from(size))))?;
        file.read_exact(&mut entry)?;
        if u32_at(&entry, 0)? == INTERPRETER {
            return read_path(file, u64_at(&entry, 0x08)?, u64_at(&entry, 0x20)?).map(Some);
        }
    }
    Ok(None)
}

fn read_path(file: &mut (impl Read + Seek), offset: u64, length: u64) -> io::Result<PathBuf> {
    let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST_PATH);
    let mut path = vec![0; length.ok_or_else(|| malformed("the path of its loader is too long"))?];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut path)?;
    while path.last() == Some(&0) {
        path.pop();
    }
    String::from_utf8(path).map(PathBuf::from).map_err(|_| malformed("the path of its loader is not text"))
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    bytes.get(at..at + N).and_then(|slice| slice.try_into().ok()).ok_or_else(|| malformed("a header is cut short"))
}

fn u16_at(bytes: &[u8], at: usize) -> io::Result<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> io::Result<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> io::Result<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_no_executable_that_can_be_packed() {
        let mut script = io::Cursor::new(format!("#!/bin/sh\n{}", "x".repeat(100)));
        assert_eq!(interpreter(&mut script).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_header_that_points_nowhere_is_an_error_and_no_panic() {
        let mut bytes = vec![0; 128];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x20..0x28].copy_from_slice(&u64::MAX.to_le_bytes());
        bytes[0x36..0x38].copy_from_slice(&56u16.to_le_bytes());
        bytes[0x38..0x3a].copy_from_slice(&3u16.to_le_bytes());
        assert!(interpreter(&mut io::Cursor::new(bytes)).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_loader_of_this_very_test_exists() {
        let mut file = std::fs::File::open("/proc/self/exe").unwrap();
        let loader = interpreter(&mut file).unwrap();
        assert!(loader.is_none_or(|loader| loader.is_file()));
    }
}
