//! What the nemeses need, and what of it this machine has.

use std::collections::BTreeMap;

use super::Nemesis;
use crate::Failed;
use crate::cluster::{Gear, clock, tracer, volume};

/// Something that not every machine or run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// Nodes that get on without one of them.
    Peers,
    /// Proxies between them.
    Links,
    /// Disks of their own.
    Volumes,
    /// libfaketime.
    Clocks,
    /// strace.
    Tracer,
    /// Another version of the server.
    OldBinary,
}

impl Nemesis {
    fn needs(self) -> &'static [Need] {
        match self {
            Self::All | Self::Kill | Self::Pause | Self::Term => &[],
            Self::Partition
            | Self::Halves
            | Self::OneWay
            | Self::Flapping
            | Self::Blackhole
            | Self::Slow => &[Need::Peers, Need::Links],
            Self::ClockJump | Self::ClockDrift => &[Need::Clocks],
            Self::FailingDisk => &[Need::Tracer],
            Self::DiskFull | Self::Power | Self::PowerAll => &[Need::Volumes],
            Self::PowerTwo => &[Need::Peers, Need::Volumes],
            Self::BitFlip | Self::Truncate | Self::Wipe | Self::Membership => &[Need::Peers],
            Self::Versions => &[Need::Peers, Need::OldBinary],
        }
    }
}

/// Where a run is to be.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// How many nodes there are to be.
    pub nodes: u64,
    /// Whether another version of the server was named.
    pub has_old_binary: bool,
}

impl Machine {
    async fn missing(self, need: Need) -> Option<String> {
        match need {
            Need::Peers => (self.nodes < 3).then(|| {
                let nodes = self.nodes;
                format!("it needs 3 nodes or more, not {nodes}; see --nodes")
            }),
            Need::Links => None,
            Need::Volumes => volume::missing().await,
            Need::Clocks => clock::missing(),
            Need::Tracer => tracer::missing().await,
            Need::OldBinary => {
                let why = "it needs another version of the server; name one with --old-binary";
                (!self.has_old_binary).then(|| why.to_owned())
            }
        }
    }
}

/// The nemeses of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Those that will strike.
    pub nemeses: Vec<Nemesis>,
    /// Those that can't, and why.
    pub left_out: BTreeMap<String, String>,
}

/// Finds out which can be done here.
///
/// # Errors
/// Where one that was asked for by its name can't.
pub async fn choose(asked: &[Nemesis], machine: Machine) -> Result<Chosen, Failed> {
    use clap::ValueEnum;
    let is_all = asked.contains(&Nemesis::All);
    let all: Vec<Nemesis> = match is_all {
        true => Nemesis::value_variants().to_vec(),
        false => asked.to_vec(),
    };
    let mut found: BTreeMap<Need, Option<String>> = BTreeMap::new();
    let mut chosen = Chosen {
        nemeses: Vec::new(),
        left_out: BTreeMap::new(),
    };
    for nemesis in all.into_iter().filter(|one| *one != Nemesis::All) {
        let mut missing = None;
        for need in nemesis.needs() {
            if !found.contains_key(need) {
                found.insert(*need, machine.missing(*need).await);
            }
            missing = missing.or(found.get(need).cloned().flatten());
        }
        match missing {
            None if chosen.nemeses.contains(&nemesis) => {}
            None => chosen.nemeses.push(nemesis),
            Some(why) if is_all => drop(chosen.left_out.insert(nemesis.name().to_owned(), why)),
            Some(why) => {
                let name = nemesis.name();
                return Err(format!("--nemesis {name} can't run here: {why}").into());
            }
        }
    }
    Ok(chosen)
}

/// What the nodes must get for them.
pub fn gear(nemeses: &[Nemesis]) -> Gear {
    let needs = |need| nemeses.iter().any(|one| one.needs().contains(&need));
    Gear {
        links: needs(Need::Links),
        volumes: needs(Need::Volumes),
        clocks: needs(Need::Clocks),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Machine = Machine {
        nodes: 1,
        has_old_binary: false,
    };

    #[tokio::test]
    async fn what_is_asked_for_and_impossible_is_an_error() {
        let error = choose(&[Nemesis::Halves], ONE).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("--nemesis halves can't run here")
        );
        assert!(error.to_string().contains("--nodes"));
    }

    #[tokio::test]
    async fn all_is_what_can_be_done_and_says_what_not() {
        let chosen = choose(&[Nemesis::All], ONE).await.unwrap();
        assert!(chosen.nemeses.contains(&Nemesis::Kill));
        assert!(!chosen.nemeses.contains(&Nemesis::All));
        assert!(chosen.left_out["versions"].contains("--nodes"));
        assert!(chosen.left_out.contains_key("halves"));
    }

    #[test]
    fn names_are_those_of_the_options() {
        use clap::ValueEnum;
        for nemesis in Nemesis::value_variants() {
            let option = nemesis.to_possible_value().unwrap();
            assert_eq!(option.get_name(), nemesis.name());
        }
    }
}
