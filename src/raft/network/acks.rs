//! Sees to it that an acknowledgement speaks for no request but those that it answers.
//!
//! openraft (0.10.0-alpha.37, `InflightAppendQueue::drain_acked`) takes the acknowledgement of a log id for the answer to
//! every request under way that ends at or before it, and so for word from the peer since the last of them was sent.
//! But a request without entries, sent to tell a new commit index, ends where the one before it ended. When an answer to
//! that earlier one comes late, after the peer has voted for another leader, it would count for the later one, which
//! nobody got: a leader of the past would believe that a quorum is with it, and answer reads.
//!
//! So an answer is held back while a later request that ends no later is under way: that one's answer says as much.
//! And between an answer and openraft's next question for one, when it books the answer, no request is let out.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::task::AtomicWaker;
use futures::{Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use parking_lot::Mutex;

use crate::raft::types::{LogId, TypeConfig};

type Request = AppendEntriesRequest<TypeConfig>;

/// The two sides of one stream to one peer.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    booked: AtomicWaker,
}

#[derive(Default)]
struct State {
    /// Where the requests end that are not answered yet, in their order.
    under_way: VecDeque<Option<LogId>>,
    /// An answer was handed to openraft, which has not come back for another one.
    is_booking: bool,
}

/// Requests on their way out.
pub struct Requests<S> {
    input: S,
    shared: Arc<Shared>,
}

/// Waits for the answers to [`Requests`].
pub struct Unanswered(Arc<Shared>);

/// Answers on their way in, of which those are let through that are safe to book.
pub struct Answers<A> {
    answers: A,
    shared: Arc<Shared>,
}

/// Follows the requests of a stream, which the peer answers one by one in their order.
pub fn follow<S>(input: S) -> (Requests<S>, Unanswered) {
    let shared = Arc::<Shared>::default();
    let requests = Requests {
        input,
        shared: shared.clone(),
    };
    (requests, Unanswered(shared))
}

impl<S: Stream<Item = Request> + Unpin> Stream for Requests<S> {
    type Item = Request;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Request>> {
        let Self { input, shared } = &mut *self;
        shared.booked.register(context.waker());
        // openraft takes note of a request in this call: it and what stands here must change together.
        let mut state = shared.state.lock();
        if state.is_booking {
            return Poll::Pending;
        }
        let request = ready!(input.poll_next_unpin(context));
        if let Some(request) = &request {
            let last = request.entries.last().map(|entry| entry.log_id);
            state.under_way.push_back(last.or(request.prev_log_id));
        }
        Poll::Ready(request)
    }
}

impl Unanswered {
    /// These are the answers.
    pub fn answered_by<A>(self, answers: A) -> Answers<A> {
        Answers {
            answers,
            shared: self.0,
        }
    }
}

impl<A, R, E> Stream for Answers<A>
where
    A: Stream<Item = Result<Result<Option<LogId>, R>, E>> + Unpin,
{
    type Item = A::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<A::Item>> {
        let Self { answers, shared } = &mut *self;
        if mem::take(&mut shared.state.lock().is_booking) {
            shared.booked.wake();
        }
        loop {
            let answer = ready!(answers.poll_next_unpin(context));
            let mut state = shared.state.lock();
            state.under_way.pop_front();
            if let Some(Ok(Ok(matching))) = &answer
                && state.under_way.front().is_some_and(|end| end <= matching)
            {
                continue;
            }
            state.is_booking = true;
            return Poll::Ready(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::future::poll_fn;
    use futures::stream;
    use futures::task::noop_waker_ref;
    use openraft::entry::RaftEntry;
    use proptest::prelude::*;
    use tokio::sync::mpsc;

    use super::*;
    use crate::raft::types::{Entry, LeaderId, Vote};

    type Answer = Result<Result<Option<LogId>, Infallible>, Infallible>;

    /// What may happen next on a stream.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// openraft has a request with so many entries for the peer.
        Send(u64),
        /// The peer answers the first one that it has not answered.
        Answer,
        /// openraft looks for an answer, and goes away with it.
        Take,
        /// It books what it has taken.
        Book,
    }

    /// A request as openraft remembers it: where it ends, and its number.
    type InFlight = Arc<Mutex<VecDeque<(Option<LogId>, u64)>>>;

    /// A leader's openraft, a stream to a peer, and the peer.
    struct Stream {
        to_send: mpsc::UnboundedSender<Request>,
        requests: Box<dyn futures::Stream<Item = Request> + Unpin>,
        answers: Answers<stream::BoxStream<'static, Answer>>,
        from_peer: mpsc::UnboundedSender<Answer>,
        in_flight: InFlight,
        at_peer: VecDeque<Option<LogId>>,
        last_index: u64,
        answered: u64,
        taken: Option<Option<LogId>>,
    }

    fn log_id(index: u64) -> Option<LogId> {
        let leader_id = LeaderId {
            term: 1,
            node_id: 1,
        };
        (index > 0).then_some(LogId { leader_id, index })
    }

    fn request(prev: u64, entries: u64) -> Request {
        let entries = (prev + 1..=prev + entries).filter_map(log_id);
        Request {
            vote: Vote::new_committed(1, 1),
            prev_log_id: log_id(prev),
            leader_commit: None,
            entries: entries.map(Entry::new_blank).collect(),
        }
    }

    impl Stream {
        fn new() -> Self {
            let (to_send, mut sends) = mpsc::unbounded_channel::<Request>();
            let in_flight = InFlight::default();
            let noted = in_flight.clone();
            let mut sent = 0;
            let input = stream::poll_fn(move |context| {
                let request = ready!(sends.poll_recv(context));
                let Some(request) = request else {
                    return Poll::Ready(None);
                };
                let last = request.entries.last().map(|entry| entry.log_id);
                sent += 1;
                noted.lock().push_back((last.or(request.prev_log_id), sent));
                Poll::Ready(Some(request))
            });
            let (requests, unanswered) = follow(input);
            let (from_peer, mut said) = mpsc::unbounded_channel();
            let said = stream::poll_fn(move |context| said.poll_recv(context));
            Self {
                to_send,
                requests: Box::new(requests),
                answers: unanswered.answered_by(said.boxed()),
                from_peer,
                in_flight,
                at_peer: VecDeque::new(),
                last_index: 0,
                answered: 0,
                taken: None,
            }
        }

        /// The connection takes whatever it gets.
        fn flow(&mut self) {
            let mut context = Context::from_waker(noop_waker_ref());
            while let Poll::Ready(Some(request)) = self.requests.poll_next_unpin(&mut context) {
                let last = request.entries.last().map(|entry| entry.log_id);
                self.at_peer.push_back(last.or(request.prev_log_id));
            }
        }

        /// What openraft's `drain_acked` does; the number of the last request that it takes for answered.
        fn book(&mut self) -> Option<u64> {
            let matching = self.taken.take()?;
            let mut in_flight = self.in_flight.lock();
            let acked = in_flight.iter().take_while(|(end, _)| *end <= matching);
            let acked = acked.count();
            in_flight
                .drain(..acked)
                .next_back()
                .map(|(_, number)| number)
        }

        fn step(&mut self, step: Step) {
            match step {
                Step::Send(entries) => {
                    let request = request(self.last_index, entries);
                    self.last_index += entries;
                    self.to_send.send(request).unwrap();
                }
                Step::Answer => {
                    if let Some(end) = self.at_peer.pop_front() {
                        self.answered += 1;
                        self.from_peer.send(Ok(Ok(end))).unwrap();
                    }
                }
                Step::Take if self.taken.is_none() => {
                    let mut context = Context::from_waker(noop_waker_ref());
                    if let Poll::Ready(Some(Ok(Ok(matching)))) =
                        self.answers.poll_next_unpin(&mut context)
                    {
                        self.taken = Some(matching);
                    }
                }
                Step::Take => {}
                Step::Book => {
                    let booked = self.book();
                    assert!(
                        booked <= Some(self.answered),
                        "{booked:?} counts, and {} is answered",
                        self.answered
                    );
                }
            }
            self.flow();
        }
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => Just(Step::Send(0)),
            2 => (1_u64..4).prop_map(Step::Send),
            3 => Just(Step::Answer),
            3 => Just(Step::Take),
            3 => Just(Step::Book),
        ]
    }

    #[test]
    fn a_late_answer_speaks_for_no_later_request() {
        // The peer's answer was under way for long; meanwhile another one moved the commit index.
        let steps = [Step::Send(1), Step::Answer, Step::Send(0), Step::Take];
        let mut stream = Stream::new();
        steps.into_iter().for_each(|step| stream.step(step));
        assert_eq!(stream.taken, None);
        [Step::Answer, Step::Take]
            .into_iter()
            .for_each(|step| stream.step(step));
        assert_eq!(stream.book(), Some(2));
    }

    #[tokio::test]
    async fn a_request_waits_until_the_answer_is_booked() {
        let mut stream = Stream::new();
        [Step::Send(1), Step::Answer, Step::Take, Step::Send(0)]
            .into_iter()
            .for_each(|step| stream.step(step));
        assert!(stream.at_peer.is_empty());
        assert_eq!(stream.book(), Some(1));
        // openraft asks for the next answer, which lets the request out.
        let Stream {
            requests, answers, ..
        } = &mut stream;
        tokio::join!(
            async { requests.next().await.unwrap() },
            poll_fn(|context| Poll::Ready(answers.poll_next_unpin(context).is_pending())),
        );
    }

    proptest! {
        #[test]
        fn none_speaks_for_what_is_not_answered(steps in prop::collection::vec(step(), 0..60)) {
            let mut stream = Stream::new();
            steps.iter().for_each(|step| stream.step(*step));
            // In the end all are answered, and nothing is held back for ever.
            for _ in 0..steps.len() {
                [Step::Book, Step::Answer, Step::Take]
                    .into_iter()
                    .for_each(|step| stream.step(step));
            }
            stream.step(Step::Book);
            prop_assert_eq!(stream.in_flight.lock().len(), 0);
            prop_assert_eq!(stream.at_peer.len(), 0);
        }
    }
}
