use super::*;

const BOUND: u64 = 1_000;

/// Brokers' clocks against ours, how long an answer takes, rounds; verdict, odd partitions.
type Case = (&'static [i64], u32, usize, Verdict, &'static [u16]);

/// An organ that is fed on a virtual clock, whose brokers are off by so many ms, one a partition.
struct Lab {
    skew: Skew,
    mono: u64,
    wall: i64,
}

impl Lab {
    fn new(partitions: usize) -> Self {
        let mut lab = Self {
            skew: Skew::new(BOUND, partitions, Now::default()),
            mono: 5_000,
            wall: 1_796_086_800_000,
        };
        lab.skew.read(lab.now());
        lab
    }

    fn now(&self) -> Now {
        Now {
            wall: Millis(self.wall),
            mono: self.mono,
        }
    }

    fn pass(&mut self, ms: u32) {
        self.mono += u64::from(ms);
        self.wall += i64::from(ms);
    }

    /// A heartbeat to each broker, acknowledged after `took`, appended half way.
    fn round(&mut self, brokers: &[i64], took: u32) -> Reading {
        let sent = self.now();
        self.pass(took);
        for (shard, off) in (0..).zip(brokers) {
            self.skew.take(Sample {
                partition: Shard(shard),
                sent,
                acked: self.mono,
                appended: Millis(sent.wall.0 + i64::from(took / 2) + off),
            });
        }
        self.pass(5_000);
        self.skew.read(self.now())
    }

    fn rounds(&mut self, brokers: &[i64], took: u32, times: usize) -> Reading {
        (1..times).for_each(|_| drop(self.round(brokers, took)));
        self.round(brokers, took)
    }
}

#[test]
fn the_median_of_the_brokers_is_what_counts_and_who_is_odd_is_named() {
    use Verdict::{Ahead, Behind, Fine, Unknown};
    let table: &[Case] = &[
        (&[0, 0, 0], 10, 1, Unknown, &[]),
        (&[0, 0, 0], 10, 2, Fine, &[]),
        (&[-900, -900, -900], 10, 4, Fine, &[]),
        (&[-1_100, -1_100, -1_100], 10, 4, Ahead(1_100), &[]),
        (&[1_100, 1_100, 1_100], 10, 4, Behind(1_100), &[]),
        // An odd leader stops nobody, and hides nothing.
        (&[0, -90_000, 0], 10, 4, Fine, &[1]),
        (&[0, 90_000, 0], 10, 4, Fine, &[1]),
        (&[-3_000, -90_000, 0], 10, 4, Ahead(3_000), &[1, 2]),
        (&[-3_000, -3_000, 0], 10, 4, Ahead(3_000), &[2]),
        // Two halves: nobody knows who is right.
        (&[-3_000, 0], 10, 4, Fine, &[0, 1]),
        // A slow answer proves nothing it does not show.
        (&[-1_100, -1_100, -1_100], 600, 4, Fine, &[]),
        (&[-1_500, -1_500, -1_500], 600, 4, Ahead(1_500), &[]),
        // More than half of the partitions must have answered.
        (&[-5_000], 10, 4, Unknown, &[]),
        (&[-5_000, -5_000], 10, 4, Ahead(5_000), &[]),
        (
            &[-5_000, -5_000, -5_000, -5_000, -5_000],
            0,
            4,
            Ahead(5_000),
            &[],
        ),
    ];
    for (brokers, took, rounds, verdict, odd) in table {
        let partitions = if brokers.len() == 2 && !odd.is_empty() {
            2
        } else {
            3
        };
        let found = Lab::new(partitions).rounds(brokers, *took, *rounds);
        let odd: Vec<Shard> = odd.iter().map(|shard| Shard(*shard)).collect();
        assert_eq!(
            (found.verdict, found.odd),
            (*verdict, odd),
            "{brokers:?}, {took} ms, {rounds} rounds"
        );
    }
}

#[test]
fn one_slow_answer_among_quick_ones_changes_nothing() {
    let mut lab = Lab::new(1);
    lab.rounds(&[-2_000], 4, 2);
    assert_eq!(lab.round(&[-2_000], 9_000).verdict, Verdict::Ahead(2_000));
}

#[test]
fn a_clock_at_the_bound_does_not_come_and_go() {
    use Verdict::{Ahead, Fine};
    let mut lab = Lab::new(1);
    // Enough rounds each that nothing of before counts.
    for (broker, verdict) in [
        (-990, Fine),
        (-1_050, Ahead(1_050)),
        (-990, Ahead(990)),
        (-600, Ahead(600)),
        (-400, Fine),
        (-990, Fine),
    ] {
        assert_eq!(lab.rounds(&[broker], 10, KEEP).verdict, verdict, "{broker}");
    }
}

#[test]
fn a_clock_that_is_set_is_measured_anew_and_who_was_ahead_stays_so_until_then() {
    let mut lab = Lab::new(1);
    assert_eq!(lab.rounds(&[0], 10, 4).verdict, Verdict::Fine);
    let before = lab.now();
    lab.wall += 60_000;
    assert_eq!(lab.skew.read(lab.now()).verdict, Verdict::Unknown);
    // What was sent before the clock was set says nothing about it now.
    for _ in 0..NEED {
        lab.skew.take(Sample {
            partition: Shard(0),
            sent: before,
            acked: lab.mono,
            appended: before.wall,
        });
    }
    assert_eq!(lab.skew.read(lab.now()).verdict, Verdict::Unknown);
    assert_eq!(
        lab.rounds(&[-60_000], 10, NEED).verdict,
        Verdict::Ahead(60_000)
    );
    lab.wall -= 59_300;
    assert_eq!(lab.skew.read(lab.now()).verdict, Verdict::Unknown);
    assert_eq!(lab.rounds(&[-700], 10, NEED).verdict, Verdict::Ahead(700));
}

#[test]
fn old_samples_are_forgotten() {
    let mut lab = Lab::new(1);
    assert_eq!(lab.rounds(&[0], 10, 4).verdict, Verdict::Fine);
    lab.pass(40_000);
    assert_eq!(lab.skew.read(lab.now()).verdict, Verdict::Unknown);
}
