//! A file in pieces, for whoever sends it over a stream: a backup, or a snapshot to a peer.

use std::io::{self, Read};

use bytes::Bytes;

/// Bytes of a file that are sent as one piece.
const PIECE_BYTES: usize = 256 << 10;

/// A file in pieces, in order, for whoever sends it over a stream. Ends after an error.
pub fn pieces(mut file: impl Read) -> impl Iterator<Item = io::Result<Bytes>> {
    let mut is_over = false;
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece);
        is_over = read.is_err();
        match read {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(piece.into()))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives what it has, then an error.
    struct Breaks<'a>(&'a [u8]);

    impl Read for Breaks<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buf) {
                Ok(0) => Err(io::Error::other("broken")),
                read => read,
            }
        }
    }

    #[test]
    fn pieces_are_the_file() {
        let file: Vec<u8> = (0..PIECE_BYTES + 7).map(|n| n as u8).collect();
        let read: Vec<Bytes> = pieces(&file[..]).map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read.concat(), file);
        assert_eq!(pieces(&[][..]).count(), 0);
    }

    #[test]
    fn pieces_end_with_an_error() {
        let mut pieces = pieces(Breaks(b"ab"));
        assert_eq!(pieces.next().unwrap().unwrap(), "ab");
        assert!(pieces.next().unwrap().is_err());
        assert!(pieces.next().is_none());
    }
}
