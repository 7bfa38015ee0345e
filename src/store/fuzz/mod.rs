//! Files and rows of the store, given bytes that it has not written.

use std::fs;
use std::path::PathBuf;

use super::testing::{answer, full_task, newest_task, task};
use crate::fuzz::{Input, Output, scratch};

mod files;
mod identity;
mod rows;

/// Puts the bytes of an input into a file: as they are, or as blocks whose checksums are right, so that what stands
/// behind the checksums is reached.
fn file(name: &str, begin: &[u8], bytes: &[u8]) -> PathBuf {
    let mut input = Input::new(bytes);
    let content = match input.byte() {
        0 => input.rest().to_vec(),
        _ => sealed(begin, input),
    };
    let path = scratch().join(name);
    fs::write(&path, content).unwrap();
    path
}

fn sealed(begin: &[u8], mut input: Input<'_>) -> Vec<u8> {
    let mut file = begin.to_vec();
    while !input.is_empty() {
        let (kind, body) = (input.byte(), input.chunk());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&[kind]);
        checksum.update(body);
        file.extend_from_slice(&(body.len() as u32).to_le_bytes());
        file.extend_from_slice(&checksum.finalize().to_le_bytes());
        file.push(kind);
        file.extend_from_slice(body);
    }
    file
}

/// The inputs that come to a file: one as it is, one whose checksums are made.
fn inputs_of(file: &[u8], begin: &[u8]) -> Vec<Vec<u8>> {
    let (mut raw, mut blocks) = (Output::default(), Output::default());
    raw.byte(0).rest(file);
    blocks.byte(1);
    let mut rest = &file[begin.len()..];
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (body, after) = after.split_at(length);
        blocks.byte(head[8]).chunk(body);
        rest = after;
    }
    vec![raw.bytes(), blocks.bytes()]
}

/// Tasks of each version of their row.
fn tasks() -> Vec<super::record::Task> {
    let empty = super::record::Task {
        payload: Default::default(),
        ..task(1)
    };
    vec![empty, task(7), full_task(8), newest_task(9)]
}

/// Some remembered answer.
fn remembered() -> super::answer::Answer {
    answer(7)
}
