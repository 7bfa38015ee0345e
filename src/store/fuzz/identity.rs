//! The file that says whose a data directory is.

use std::fs;

use uuid::Uuid;

use crate::fuzz::{Input, Output, fuzz_target, scratch};
use crate::store::directory::{DataDir, Identity};

fuzz_target!(
    /// Read as it was written, or refused: a directory is never taken for another node's.
    identity_file, 1500, seeds, run
);

const IDENTITY: Identity = Identity {
    cluster_id: Uuid::from_u128(7),
    node_id: 1,
};

/// The file that is written for an identity.
fn written(identity: Identity) -> Vec<u8> {
    let dir = scratch().join("identity-again");
    let _ = fs::remove_dir_all(&dir);
    DataDir::open(&dir, identity.node_id)
        .unwrap()
        .claim(identity)
        .unwrap();
    fs::read(dir.join("identity")).unwrap()
}

fn seeds() -> Vec<Vec<u8>> {
    let file = written(IDENTITY);
    let body = file.len() - "checksum = 01234567\n".len();
    let (mut raw, mut sealed) = (Output::default(), Output::default());
    raw.byte(0).rest(&file);
    sealed.byte(1).rest(&file[..body]);
    vec![raw.bytes(), sealed.bytes()]
}

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_sealed = input.byte() != 0;
    let mut file = input.rest().to_vec();
    if is_sealed {
        let checksum = crc32fast::hash(&file);
        file.extend_from_slice(format!("checksum = {checksum:08x}\n").as_bytes());
    }
    let dir = scratch().join("identity");
    let _ = fs::create_dir(&dir);
    fs::write(dir.join("identity"), &file).unwrap();
    let Ok(opened) = DataDir::open(&dir, IDENTITY.node_id) else {
        return;
    };
    let identity = opened.identity().unwrap();
    assert_eq!(identity.node_id, IDENTITY.node_id);
    assert_eq!(written(identity), file);
}
