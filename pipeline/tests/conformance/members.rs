//! Members: who owns what, and who does no more.

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pipeline::{LogError, LogEvent};
use schemas::{Role, Shard};

use crate::labs::{Lab, SHARDS};
use crate::support::{INPUT, Member, PATIENCE, at, position};

pub(crate) fn a_lone_member_is_assigned_every_shard(lab: Lab) {
    let mut member = lab.joining(Role::Planner, "one");
    assert_eq!(
        member.assigned(),
        (0..SHARDS).map(Shard).collect::<Vec<_>>()
    );
}

pub(crate) fn a_second_member_takes_what_the_first_releases(lab: Lab) {
    let mut first = lab.member(Role::Planner, "one");
    let mut second = lab.joining(Role::Planner, "two");
    let (revoked, lost) = first.revoked();
    assert_eq!(revoked.len(), usize::from(SHARDS));
    assert_eq!(lost, !lab.shares);
    if !lab.shares {
        assert_eq!(second.assigned().len(), usize::from(SHARDS));
        return;
    }
    // What is revoked can still be committed until it is released.
    first
        .commit(Vec::new(), vec![(at(INPUT, 0), position(5, "last"))])
        .unwrap();
    first.log.release(&revoked);
    let (mine, other) = assigned_both(&mut first, &mut second);
    let union: BTreeSet<Shard> = mine.union(&other).copied().collect();
    assert_eq!((mine.len(), union.len()), (1, usize::from(SHARDS)));
    assert_eq!(
        second.committed(&[at(INPUT, 0)]),
        [Some(position(5, "last"))]
    );
    for (member, owned) in [(&mut first, mine), (&mut second, other)] {
        for shard in owned {
            member
                .commit(Vec::new(), vec![(at(INPUT, shard.0), position(6, ""))])
                .unwrap();
        }
    }
}

/// Polls both, releasing what is revoked, until both have the same share.
fn assigned_both(first: &mut Member, second: &mut Member) -> (BTreeSet<Shard>, BTreeSet<Shard>) {
    let begun = Instant::now();
    let mut owned = [BTreeSet::new(), BTreeSet::new()];
    while owned[0].len() != owned[1].len() || owned[0].is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no even share: {owned:?}");
        for (member, owned) in [&mut *first, &mut *second].into_iter().zip(&mut owned) {
            member.poll(10).unwrap();
            for event in std::mem::take(&mut member.events) {
                match event {
                    LogEvent::Assigned(shards) => owned.extend(shards),
                    LogEvent::Revoked { shards, .. } => {
                        owned.retain(|shard| !shards.contains(shard));
                        member.log.release(&shards);
                    }
                    _ => {}
                }
            }
        }
    }
    owned.into()
}

pub(crate) fn a_replaced_member_is_told_and_cannot_commit(lab: Lab) {
    let mut old = lab.member(Role::Planner, "one");
    old.commit(Vec::new(), vec![(at(INPUT, 0), position(1, ""))])
        .unwrap();
    let mut new = lab.member(Role::Planner, "one");
    let refused = old.commit(Vec::new(), vec![(at(INPUT, 0), position(2, ""))]);
    assert!(refused.is_err());
    assert_eq!(new.committed(&[at(INPUT, 0)]), [Some(position(1, ""))]);
    let begun = Instant::now();
    let told = loop {
        assert!(begun.elapsed() < PATIENCE, "the old one is not told");
        if let Err(error) = old.poll(0) {
            break matches!(error, LogError::Fatal(_));
        }
        let lost = |event: &LogEvent| matches!(event, LogEvent::Revoked { lost: true, .. });
        if old.events.iter().any(lost) {
            break true;
        }
    };
    assert!(told);
    new.commit(Vec::new(), vec![(at(INPUT, 0), position(3, ""))])
        .unwrap();
    assert_eq!(new.committed(&[at(INPUT, 0)]), [Some(position(3, ""))]);
}

pub(crate) fn a_waker_ends_the_wait(lab: Lab) {
    let mut member = lab.member(Role::Planner, "one");
    // Let everything that comes by itself come first.
    member
        .commit(Vec::new(), vec![(at(INPUT, 0), position(1, ""))])
        .unwrap();
    let waker = member.log.waker();
    let (ended, wait) = channel::<()>();
    let watcher = std::thread::spawn(move || {
        waker();
        wait.recv_timeout(PATIENCE).is_ok()
    });
    let an_hour = Duration::from_secs(3_600);
    member
        .log
        .poll(an_hour, &mut |_| 0, &mut member.events)
        .unwrap();
    ended.send(()).unwrap();
    assert!(
        watcher.join().unwrap(),
        "the poll outlived the patience of its watcher"
    );
}
