//! Openraft's messages and the peer protocol's, one into the other.

use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, VoteRequest, VoteResponse,
};

use crate::proto::{durable, peer};
use crate::raft::codec::{StoredPayload, log_id_from_proto, log_id_to_proto};
use crate::raft::types::{Entry, LeaderId, LogId, TypeConfig, Vote};

/// What a peer sent can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("a peer's message makes no sense: {0}")]
pub struct Nonsense(&'static str);

pub fn log_id_out(log_id: Option<LogId>) -> Option<durable::LogId> {
    log_id.as_ref().map(log_id_to_proto)
}

pub fn log_id_in(log_id: Option<&durable::LogId>) -> Option<LogId> {
    log_id.map(log_id_from_proto)
}

pub fn vote_out(vote: &Vote) -> peer::Vote {
    peer::Vote {
        term: vote.leader_id.term,
        node_id: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub fn vote_in(vote: Option<peer::Vote>) -> Result<Vote, Nonsense> {
    let vote = vote.ok_or(Nonsense("it has no vote"))?;
    Ok(Vote {
        leader_id: LeaderId {
            term: vote.term,
            node_id: vote.node_id,
        },
        committed: vote.committed,
    })
}

pub fn append_out(request: AppendEntriesRequest<TypeConfig>, clock_ns: i64) -> peer::AppendRequest {
    let entries = request.entries.iter().map(|entry| peer::Entry {
        log_id: Some(log_id_to_proto(&entry.log_id)),
        payload: StoredPayload::of(&entry.payload).0,
    });
    peer::AppendRequest {
        vote: Some(vote_out(&request.vote)),
        prev_log_id: log_id_out(request.prev_log_id),
        entries: entries.collect(),
        leader_commit: log_id_out(request.leader_commit),
        clock_ns,
    }
}

pub fn append_in(
    request: peer::AppendRequest,
) -> Result<AppendEntriesRequest<TypeConfig>, Nonsense> {
    let entry = |entry: peer::Entry| {
        let log_id = log_id_in(entry.log_id.as_ref()).ok_or(Nonsense("an entry has no log id"))?;
        let payload = StoredPayload(entry.payload).payload();
        let payload = payload.map_err(|_| Nonsense("an entry's payload is of no known kind"))?;
        Ok(Entry { log_id, payload })
    };
    let entries: Result<Vec<Entry>, Nonsense> = request.entries.into_iter().map(entry).collect();
    let entries = entries?;
    let prev_log_id = log_id_in(request.prev_log_id.as_ref());
    let mut next = prev_log_id.map_or(Some(0), |log_id| log_id.index.checked_add(1));
    let follow = entries.iter().all(|entry| {
        let follows = next == Some(entry.log_id.index);
        next = entry.log_id.index.checked_add(1);
        follows
    });
    // Behind the last index there is, nothing can follow.
    if !follow || next.is_none() {
        return Err(Nonsense("its entries don't follow one another"));
    }
    Ok(AppendEntriesRequest {
        vote: vote_in(request.vote)?,
        prev_log_id,
        entries,
        leader_commit: log_id_in(request.leader_commit.as_ref()),
    })
}

pub fn appended_out(result: StreamAppendResult<TypeConfig>) -> peer::AppendResponse {
    use peer::append_response::Result as Out;
    let result = match result {
        Ok(matched) => Out::Matched(peer::Matched {
            log_id: log_id_out(matched),
        }),
        Err(StreamAppendError::Conflict(log_id)) => Out::Conflict(log_id_to_proto(&log_id)),
        Err(StreamAppendError::HigherVote(vote)) => Out::HigherVote(vote_out(&vote)),
    };
    peer::AppendResponse {
        result: Some(result),
    }
}

pub fn appended_in(
    response: peer::AppendResponse,
) -> Result<StreamAppendResult<TypeConfig>, Nonsense> {
    use peer::append_response::Result as In;
    Ok(match response.result.ok_or(Nonsense("it has no result"))? {
        In::Matched(matched) => Ok(log_id_in(matched.log_id.as_ref())),
        In::Conflict(log_id) => Err(StreamAppendError::Conflict(log_id_from_proto(&log_id))),
        In::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote_in(Some(vote))?)),
    })
}

pub fn vote_request_out(request: &VoteRequest<TypeConfig>, pre_vote: bool) -> peer::VoteRequest {
    peer::VoteRequest {
        vote: Some(vote_out(&request.vote)),
        last_log_id: log_id_out(request.last_log_id),
        leadership_transfer: request.leadership_transfer,
        pre_vote,
    }
}

pub fn vote_request_in(request: peer::VoteRequest) -> Result<VoteRequest<TypeConfig>, Nonsense> {
    let last_log_id = log_id_in(request.last_log_id.as_ref());
    let mut vote = VoteRequest::new(vote_in(request.vote)?, last_log_id);
    vote.leadership_transfer = request.leadership_transfer;
    Ok(vote)
}

pub fn voted_out(response: &VoteResponse<TypeConfig>, clock_ns: i64) -> peer::VoteResponse {
    peer::VoteResponse {
        vote: Some(vote_out(&response.vote)),
        granted: response.vote_granted,
        last_log_id: log_id_out(response.last_log_id),
        clock_ns,
    }
}

pub fn voted_in(response: peer::VoteResponse) -> Result<VoteResponse<TypeConfig>, Nonsense> {
    let vote = vote_in(response.vote)?;
    let last_log_id = log_id_in(response.last_log_id.as_ref());
    Ok(VoteResponse::new(vote, last_log_id, response.granted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use openraft::impls::BasicNode;

    use super::*;
    use crate::raft::types::{Group, Membership, Payload};

    fn log_id(index: u64) -> LogId {
        LogId {
            leader_id: LeaderId {
                term: 3,
                node_id: 2,
            },
            index,
        }
    }

    fn vote(committed: bool) -> Vote {
        Vote {
            leader_id: LeaderId {
                term: 4,
                node_id: 1,
            },
            committed,
        }
    }

    #[test]
    fn appends_come_back_as_they_went() {
        let nodes = BTreeMap::from([(1, BasicNode::new("a:1"))]);
        let members = Membership::new(vec![[1].into()], nodes);
        let payloads = [
            Payload::Blank,
            Payload::Normal(Group::from_tagged(Bytes::from_static(&[Group::TAG, 8, 1]))),
            Payload::Membership(members.unwrap()),
        ];
        let entries = payloads.into_iter().zip(0..);
        let entries = entries.map(|(payload, index)| Entry {
            log_id: log_id(index),
            payload,
        });
        let request = AppendEntriesRequest {
            vote: vote(true),
            prev_log_id: None,
            entries: entries.collect(),
            leader_commit: Some(log_id(0)),
        };
        let back = append_in(append_out(request.clone(), 7)).unwrap();
        assert_eq!(back.entries, request.entries);
        assert_eq!(back.vote, request.vote);
        assert_eq!(back.leader_commit, request.leader_commit);
    }

    #[test]
    fn answers_come_back_as_they_went() {
        let results: [StreamAppendResult<TypeConfig>; 4] = [
            Ok(None),
            Ok(Some(log_id(0))),
            Err(StreamAppendError::Conflict(log_id(3))),
            Err(StreamAppendError::HigherVote(vote(false))),
        ];
        for result in results {
            assert_eq!(appended_in(appended_out(result.clone())).unwrap(), result);
        }
        let voted = VoteResponse::new(vote(false), Some(log_id(9)), true);
        assert_eq!(voted_in(voted_out(&voted, 7)).unwrap(), voted);
        let mut asked = VoteRequest::new(vote(false), Some(log_id(0)));
        asked.leadership_transfer = true;
        assert_eq!(
            vote_request_in(vote_request_out(&asked, true)).unwrap(),
            asked
        );
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(append_in(peer::AppendRequest::default()).is_err());
        assert!(appended_in(peer::AppendResponse::default()).is_err());
        assert!(voted_in(peer::VoteResponse::default()).is_err());
        let gap = peer::AppendRequest {
            vote: Some(vote_out(&vote(true))),
            entries: vec![peer::Entry {
                log_id: log_id_out(Some(log_id(5))),
                payload: StoredPayload::of(&Payload::Blank).0,
            }],
            ..peer::AppendRequest::default()
        };
        assert!(append_in(gap).is_err());
        let last = peer::AppendRequest {
            vote: Some(vote_out(&vote(true))),
            prev_log_id: log_id_out(Some(log_id(u64::MAX))),
            ..peer::AppendRequest::default()
        };
        assert!(append_in(last).is_err());
    }
}
