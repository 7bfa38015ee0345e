//! The log's files and records, given bytes that nobody wrote.

mod directory;
mod records;
