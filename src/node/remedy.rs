//! What to do with a node whose files or state can't be mended here: said wherever one is found.

use std::fmt::{self, Display};

/// The way back for a node that must not go on with what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// A single node has nobody to get it from.
    Restore,
    /// A node of a cluster gets everything from its peers again.
    Replace {
        /// Its id.
        node_id: u64,
    },
}

impl Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore => f.write_str("restore a backup into a new directory"),
            Self::Replace { node_id } => write!(
                f,
                "stop this node, move its data directory away, start it with an empty one, and run `corndogs cluster replace-node {node_id}` \
                 against another node: it gets everything from its peers again"
            ),
        }
    }
}
