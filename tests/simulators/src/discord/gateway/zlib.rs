//! `compress=zlib-stream`: one zlib stream for a whole connection, flushed after each payload.

use flate2::{Compress, Compression, FlushCompress};

/// Turns payloads into frames.
pub(super) struct Frames(Option<Compress>);

impl Frames {
    pub(super) fn new(compressed: bool) -> Self {
        Self(compressed.then(|| Compress::new(Compression::default(), true)))
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.0.is_some()
    }

    /// The next piece of the stream, ending in `00 00 FF FF`; none without compression.
    pub(super) fn compress(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let stream = self.0.as_mut()?;
        let mut out = Vec::with_capacity(payload.len() + 64);
        let begun = stream.total_in();
        loop {
            let done = usize::try_from(stream.total_in() - begun).unwrap_or(payload.len());
            let rest = payload.get(done..).unwrap_or_default();
            stream.compress_vec(rest, &mut out, FlushCompress::Sync).ok()?;
            // Room left means that everything is in and flushed.
            if out.len() < out.capacity() {
                return Some(out);
            }
            out.reserve(payload.len().max(256));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    #[test]
    fn a_client_can_read_every_payload_as_it_comes() {
        let mut frames = Frames::new(true);
        let mut reader = Decompress::new(true);
        let long: String =
            (0..40_000).map(|n| char::from(b'a' + u8::try_from(n * 7 % 26).unwrap())).collect();
        for payload in ["{\"op\":10}", &long, "{\"op\":11}"] {
            let frame = frames.compress(payload.as_bytes()).unwrap();
            assert_eq!(&frame[frame.len() - 4..], &[0, 0, 0xff, 0xff]);
            let mut text = Vec::with_capacity(payload.len() + 64);
            reader.decompress_vec(&frame, &mut text, FlushDecompress::Sync).unwrap();
            assert_eq!(text, payload.as_bytes());
        }
    }
}
