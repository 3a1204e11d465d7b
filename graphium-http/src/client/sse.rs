//! Server-sent events out of bytes, as far as this surface uses them.

/// The longest frame that is read.
const MAX_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frame {
    pub(super) id: Option<String>,
    pub(super) event: Option<String>,
    pub(super) data: String,
}

/// Bytes in, frames out.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    frame: Frame,
    has_data: bool,
}

/// A frame that is longer than any that a server sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is longer than {MAX_FRAME_BYTES} bytes")]
pub(super) struct TooLong;

impl Parser {
    /// Takes bytes as they come and adds the frames that they complete to `frames`.
    pub(super) fn feed(&mut self, bytes: &[u8], frames: &mut impl Extend<Frame>) -> Result<(), TooLong> {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                if self.line.len() + self.frame.data.len() > MAX_FRAME_BYTES {
                    return Err(TooLong);
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line)).into_owned();
            if line.is_empty() {
                self.has_data = false;
                frames.extend([std::mem::take(&mut self.frame)]);
            } else {
                self.field(&line);
            }
        }
        Ok(())
    }

    fn field(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.frame.id = Some(value.to_owned()),
            "event" => self.frame.event = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.frame.data.push_str(value);
                self.has_data = true;
            }
            // A comment, or a field that is not used here.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: &[&str]) -> Vec<Frame> {
        let (mut parser, mut frames) = (Parser::default(), Vec::new());
        for chunk in chunks {
            parser.feed(chunk.as_bytes(), &mut frames).unwrap();
        }
        frames
    }

    #[test]
    fn a_frame_that_comes_in_pieces_is_one_frame() {
        let read = frames(&["id: 7\neve", "nt: task_created\r\nda", "ta: {\"a\":1}\n", "\n: still here\n"]);
        let frame = Frame { id: Some("7".into()), event: Some("task_created".into()), data: "{\"a\":1}".into() };
        assert_eq!(read, [frame]);
    }

    #[test]
    fn data_of_several_lines_is_joined() {
        assert_eq!(frames(&["data: a\ndata: b\n\n"])[0].data, "a\nb");
    }

    #[test]
    fn an_endless_frame_is_refused() {
        let mut parser = Parser::default();
        let bytes = vec![b'x'; MAX_FRAME_BYTES + 1];
        assert_eq!(parser.feed(&bytes, &mut Vec::new()), Err(TooLong));
    }
}
